"""The life of a verification: a table of states, and how a check, a failure and a rate are judged. Pure; times are passed in."""

from __future__ import annotations

from typing import Final, NamedTuple

PENDING, APPROVED, FAILED, CANCELLED, EXPIRED = STATES = ("pending", "approved", "failed", "cancelled", "expired")
RIGHT, WRONG, LAST_WRONG, CANCEL, LATE = HEARD = ("right", "wrong", "last wrong", "cancel", "late")

#: {(state, heard): state}. What is not here changes nothing: an ended verification never becomes another.
TABLE: Final[dict[tuple[str, str], str]] = {
    (PENDING, RIGHT): APPROVED,
    (PENDING, WRONG): PENDING,
    (PENDING, LAST_WRONG): FAILED,
    (PENDING, CANCEL): CANCELLED,
    (PENDING, LATE): EXPIRED,
}

#: Why a check was denied: for the audit log alone, a caller never hears it.
REASONS: Final = {
    "": "approved",
    "unknown": "there is no such verification of this API key",
    "code": "another code",
    "payment": "another payee, amount or currency than the code is bound to",
    "expired": "after its life",
    "used": "approved before",
    "tries": "too many wrong tries",
    "cancelled": "cancelled before",
    "blocked": "too many wrong codes in a row for this number and purpose",
}
ENDED: Final = {APPROVED: "used", FAILED: "tries", CANCELLED: "cancelled", EXPIRED: "expired"}


class Limits(NamedTuple):
    """Of the settings `verify.*`. 0 from `block_s` on: none."""

    tries: int = 5
    sends: int = 5
    block_s: int = 900
    per_number_hour: int = 10
    per_purpose_minute: int = 0
    per_prefix_minute: int = 0
    per_user_hour: int = 0
    per_address_hour: int = 0


class Failures(NamedTuple):
    """Wrong codes in a row for one number and purpose, over all its verifications (2018/389 article 4(3)(b))."""

    wrong: int = 0
    last_ms: int = 0


class Judged(NamedTuple):
    """What is to be written: `heard` is empty when nothing changes the state."""

    heard: str
    reason: str


def judge(
    state: str, expires_ms: int, tries: int, right: bool, same_payment: bool, blocked: bool, at_ms: int, tries_max: int
) -> Judged:
    """One check of a verification. Only a right code in time, for its own payment, of a number not blocked, is `right`."""
    if state != PENDING:
        return Judged("", ENDED[state])
    if at_ms >= expires_ms:
        return Judged(LATE, "expired")
    if blocked:
        return Judged("", "blocked")
    if right:
        return Judged(RIGHT, "")
    return Judged(LAST_WRONG if tries + 1 >= tries_max else WRONG, "code" if same_payment else "payment")


def blocked_ms(failures: Failures, limits: Limits, at_ms: int) -> int:
    """Milliseconds for which a number and purpose are still blocked; 0: not."""
    if not limits.block_s or failures.wrong < limits.tries:
        return 0
    return max(0, failures.last_ms + limits.block_s * 1000 - at_ms)


def failed(failures: Failures, limits: Limits, at_ms: int) -> Failures:
    """After one more wrong code; what lies longer ago than the block lasts is forgotten."""
    fresh = at_ms - failures.last_ms <= limits.block_s * 1000
    return Failures(failures.wrong + 1 if fresh else 1, at_ms)


def paced(full_ms: int, most: int, period_ms: int, at_ms: int) -> tuple[int, int]:
    """A bucket of `most` in `period_ms`: (what to keep of it, milliseconds to wait). Waiting leaves it as it was.

    The generic cell rate algorithm (ITU-T I.371 annex A): one number a bucket, exact over restarts and processes.
    """
    if not most:
        return full_ms, 0
    step = period_ms / most
    full = max(full_ms, at_ms)
    over = full + step - at_ms - period_ms
    return (full_ms, int(over) + 1) if over > 0.5 else (int(full + step), 0)
