"""`verify.db`: what becomes of each verification, decided and written in one transaction, whichever gateway is asked."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.audit import Outbox
from appliance.clock import day_of
from appliance.errors import Error
from appliance.limits import VERIFY_CLAIM_MS, VERIFY_KEPT_MS
from appliance.store import ActsStore

from . import handing, prefixes
from .binding import Payment, code_mac, payment_digest
from .handing import Handing, Left
from .prefixes import Block, Conversion
from .pumping import Guard
from .rates import HOUR_MS, MINUTE_MS, Pace
from .schema import MIGRATIONS
from .states import (
    APPROVED,
    CANCEL,
    CANCELLED,
    EXPIRED,
    LAST_WRONG,
    PENDING,
    RIGHT,
    TABLE,
    WRONG,
    Failures,
    Limits,
    blocked_ms,
    failed,
    judge,
    paced,
)

SWEPT_AT_ONCE: Final = 5_000
FREE, UNSENT = 0, -1  # of `claimed_ms`; above: the number's operator is being asked since then


class Verification(NamedTuple):
    """One row, as the schema says."""

    id: bytes
    caller: int
    purpose: str
    state: str
    subject: bytes
    mac: bytes
    bound: bytes
    key_id: int
    sealed: bytes
    created_ms: int
    expires_ms: int
    sends: int
    tries: int
    claimed_ms: int
    request: bytes | None
    request_body: bytes | None
    resend: bytes | None = None
    prefix: str = ""
    flow: bytes | None = None
    operator: str = ""
    run: bytes | None = None

    def status(self, at_ms: int) -> str:
        return EXPIRED if self.state == PENDING and at_ms >= self.expires_ms else self.state

    def in_hand(self, at_ms: int) -> bool:
        """Whether another request may still be waiting for its number's operator."""
        return self.claimed_ms > 0 and at_ms < self.claimed_ms + VERIFY_CLAIM_MS

    def __repr__(self) -> str:
        return f"<verification {self.id.hex()} {self.state}>"


class Renewed(NamedTuple):
    """What a resend puts in the place of what there was."""

    mac: bytes
    key_id: int
    sealed: bytes
    expires_ms: int
    resend: bytes | None = None


class Checked(NamedTuple):
    """What came of a check. Only `approved` is for the caller."""

    approved: bool
    reason: str
    purpose: str
    bound: bytes


class Funnel(NamedTuple):
    """What became of the codes of one purpose."""

    purpose: str
    created: int = 0
    sent: int = 0
    approved: int = 0
    denied: int = 0
    cancelled: int = 0


_COLUMNS: Final = ", ".join(Verification._fields)
_MARKS: Final = ", ".join("?" * len(Verification._fields))
_NOBODY: Final = bytes(16)  # the row in place of one that is not there


class Book(ActsStore):
    """One connection; not for two threads at once. Several processes may have the book open."""

    unwritten = "the verification cannot be written"

    def __init__(self, path: Path) -> None:
        super().__init__(path, MIGRATIONS)
        self.outbox = Outbox(self.conn, "verifications")

    # --- acts ---------------------------------------------------------------------------------------------

    def begin(self, made: Verification, limits: Limits, at_ms: int, who: Sequence[Pace] = ()) -> Verification:
        """Keeps a new verification; the one of before when its request came before. `who`: more rates, of who asks.

        Raises Error `idempotency_conflict`, `rate_limited` or `destination_blocked`.
        """
        if made.request is not None:
            before = self._one("request = ?", made.request)
            if before is not None:
                if not hmac.compare_digest(before.request_body or b"", made.request_body or b""):
                    raise Error(
                        "idempotency_conflict",
                        "this Idempotency-Key was used before with another body",
                        "use a new key for a new request",
                    )
                return before
        prefixes.check_open(self.conn, made.prefix, at_ms)
        self._check_rates(made, limits, at_ms, who)
        self.conn.execute(f"INSERT INTO verification ({_COLUMNS}) VALUES ({_MARKS})", made)  # noqa: S608 # our own column names
        self._count(made.purpose, "created", at_ms)
        self._count(made.purpose, "sent", at_ms)
        return made

    def pace(self, row: Verification, limits: Limits, at_ms: int) -> None:
        """Counts a resend before its renewal, so that nobody has the operator asked without end. Raises Error `rate_limited`."""
        self._check_rates(row, limits, at_ms)

    def renew(
        self, before: Verification, put: Renewed, limits: Limits, at_ms: int, counted: bool = False
    ) -> Verification:
        """A resend: another code in the place of the old one, or the same again; the old one is worth nothing then. `counted`: by `pace`.

        Raises Error `verification_ended`, `rate_limited` or `overloaded`; `before` is what was read a moment ago.
        """
        now = self.one(before.id, before.caller)
        check_resend(now, limits, at_ms)
        if now.sends != before.sends:
            raise under_way()
        prefixes.check_open(self.conn, now.prefix, at_ms)
        if not counted:
            self._check_rates(now, limits, at_ms)
        self.conn.execute(
            "UPDATE verification SET mac = ?, key_id = ?, sealed = ?, expires_ms = ?, resend = ?, sends = sends + 1,"
            " claimed_ms = ? WHERE id = ? AND state = 'pending'",
            (*put, FREE, now.id),
        )
        self._count(now.purpose, "sent", at_ms)
        return self.one(now.id, now.caller)

    def hand(self, message: Handing, entry: dict[str, Any]) -> None:
        """A verification's message is to go to the engine, and an entry to the audit log: both will, whatever happens."""
        self.conn.execute("UPDATE verification SET claimed_ms = 0 WHERE id = ? AND claimed_ms != 0", (message.id,))
        handing.put(self.conn, message)
        self.outbox.put([entry])

    def handed(self, verification: bytes, sends: int) -> None:
        handing.done(self.conn, verification, sends)

    def unhanded(self, gateway: int, at_ms: int, limit: int) -> list[Left]:
        """Messages that one gateway has to hand on, and those that another has not for so long that it is gone."""
        return handing.left(self.conn, gateway, at_ms - VERIFY_CLAIM_MS, at_ms, limit)

    def withdraw(self, verification: bytes, at_ms: int) -> None:
        """Its code never left: it is cancelled, and its request is as if it had never come, so that the same may come again."""
        row = self._one("id = ? AND state = 'pending'", verification)
        if row is not None:
            self._move(row, TABLE[row.state, CANCEL], row.tries)
            self.conn.execute(
                "UPDATE verification SET request = NULL, request_body = NULL, flow = NULL, claimed_ms = ? WHERE id = ?",
                (UNSENT, verification),
            )
            self._count(row.purpose, CANCELLED, at_ms)

    def check(
        self, verification: bytes, caller: int, key: bytes, code: str, payment: Payment, limits: Limits, at_ms: int
    ) -> Checked:
        """One try. Approves at most once, whoever else tries at the same time; never raises for what was presented."""
        found = self._one("id = ? AND caller = ?", verification, caller)
        nobody = self.one(_NOBODY, 0)
        row = found or nobody
        # All of it whatever was found, and one row of each table written, so that the time does not say what it was.
        right = hmac.compare_digest(code_mac(key, verification, row.subject, row.purpose, payment, code), row.mac)
        same = hmac.compare_digest(payment_digest(key, verification, payment), row.bound)
        failures = self._failures(row)
        blocked = blocked_ms(failures, limits, at_ms) > 0
        heard, reason = judge(row.state, row.expires_ms, row.tries, right, same, blocked, at_ms, limits.tries)
        if found is None:
            heard, reason = "", "unknown"
        approved, wrong = heard == RIGHT, heard in (WRONG, LAST_WRONG)
        self._move(row, TABLE.get((row.state, heard), row.state), tries=row.tries + wrong)
        if approved:
            self.conn.execute("DELETE FROM failure WHERE subject = ? AND purpose = ?", (row.subject, row.purpose))
            prefixes.approved(self.conn, row.prefix, row.created_ms, row.operator)
        elif wrong:
            self._fail(row, failed(failures, limits, at_ms))
        else:
            self._fail(nobody, Failures(0, at_ms))
        self._count(row.purpose, APPROVED if approved else "denied", at_ms)
        return Checked(approved, reason, row.purpose, row.bound)

    def cancel(self, verification: bytes, caller: int, at_ms: int) -> tuple[Verification, bool]:
        """The verification, and whether this cancelled it; a message that has not left does not. Raises Error `not_found` or `verification_ended`."""
        row = self.one(verification, caller)
        if row.state == CANCELLED:
            return row, False
        if row.status(at_ms) != PENDING:
            raise ended()
        self._move(row, TABLE[row.state, CANCEL], row.tries)
        handing.done(self.conn, row.id, row.sends)
        self._count(row.purpose, CANCELLED, at_ms)
        return self.one(verification, caller), True

    def one(self, verification: bytes, caller: int) -> Verification:
        """Raises Error `not_found`, also for what belongs to another API key."""
        found = self._one("id = ? AND caller = ?", verification, caller)
        if found is None:
            raise not_found()
        return found

    def sweep(self, at_ms: int, limits: Limits) -> int:
        """Ends what is over, erases what ended a day ago and buckets that are full; how many rows that were."""
        execute = self.conn.execute
        late = "SELECT id FROM verification WHERE state = 'pending' AND expires_ms <= ? LIMIT ?"
        old = "SELECT id FROM verification WHERE expires_ms <= ? LIMIT ?"
        done = (
            execute(
                f"UPDATE verification SET state = 'expired', sealed = x'' WHERE id IN ({late})",  # noqa: S608
                (at_ms, SWEPT_AT_ONCE),
            ),
            execute(f"DELETE FROM verification WHERE id IN ({old})", (at_ms - VERIFY_KEPT_MS, SWEPT_AT_ONCE)),  # noqa: S608
            execute("DELETE FROM bucket WHERE full_ms <= ?", (at_ms,)),
            execute("DELETE FROM failure WHERE last_ms <= ?", (at_ms - limits.block_s * 1000,)),
        )
        return sum(cursor.rowcount for cursor in done) + prefixes.sweep(self.conn, at_ms)

    # --- prefixes -----------------------------------------------------------------------------------------

    def weigh(self, prefix: str, guard: Guard, at_ms: int, operator: str = "") -> Block | None:
        """Counts one code to `prefix`, in the network of `operator`; the block, when by it the prefix has become suspect."""
        return prefixes.sent(self.conn, prefix, guard, at_ms, operator)

    def block(self, made: Block) -> None:
        prefixes.block(self.conn, made)

    def blocked(self, prefix: str, at_ms: int) -> Block:
        """Raises Error `not_found`."""
        return prefixes.blocked(self.conn, prefix, at_ms)

    def unblock(self, prefix: str, at_ms: int) -> Block:
        """Raises Error `not_found`."""
        return prefixes.unblock(self.conn, prefix, at_ms)

    def blocks(self, at_ms: int) -> list[Block]:
        return prefixes.blocks(self.conn, at_ms)

    def conversions(self, at_ms: int) -> list[Conversion]:
        return prefixes.conversions(self.conn, at_ms)

    def carriers(self, at_ms: int) -> list[Conversion]:
        return prefixes.carriers(self.conn, at_ms)

    def tallies(self) -> dict[tuple[str, str], int]:
        """(purpose, outcome) -> how many ever."""
        rows = self.conn.execute("SELECT purpose, outcome, sum(n) FROM tally GROUP BY purpose, outcome").fetchall()
        return {(purpose, outcome): n for purpose, outcome, n in rows}

    def funnel(self, at_ms: int, days: int) -> list[Funnel]:
        """By purpose over the last `days`, those with most begun first."""
        rows = self.conn.execute(
            "SELECT purpose, outcome, sum(n) FROM tally WHERE day > ? GROUP BY purpose, outcome",
            (day_of(at_ms) - days,),
        ).fetchall()
        found: dict[str, dict[str, int]] = {}
        for purpose, outcome, n in rows:
            found.setdefault(purpose or "unknown", {})[outcome] = n
        return sorted((Funnel(purpose, **counts) for purpose, counts in found.items()), key=lambda f: -f.created)

    def close(self) -> None:
        self.conn.close()

    # --- their parts --------------------------------------------------------------------------------------

    def _one(self, where: str, *given: Any) -> Verification | None:
        row = self.conn.execute(f"SELECT {_COLUMNS} FROM verification WHERE {where}", given).fetchone()  # noqa: S608
        return None if row is None else Verification(*row)

    def _move(self, row: Verification, state: str, tries: int) -> None:
        """Only from where it was read: two who try the same code at the same time are one approval."""
        moved = self.conn.execute(
            "UPDATE verification SET state = ?, tries = ?, checks = checks + 1, sealed = CASE ? WHEN 'pending' THEN sealed ELSE x'' END"
            " WHERE id = ? AND state = ? AND tries = ?",
            (state, tries, state, row.id, row.state, row.tries),
        )
        assert moved.rowcount == 1

    def _failures(self, row: Verification) -> Failures:
        found = self.conn.execute(
            "SELECT wrong, last_ms FROM failure WHERE subject = ? AND purpose = ?", (row.subject, row.purpose)
        ).fetchone()
        return Failures(*found) if found is not None else Failures()

    def _fail(self, row: Verification, now: Failures) -> None:
        self.conn.execute(
            "INSERT OR REPLACE INTO failure (subject, purpose, wrong, last_ms) VALUES (?, ?, ?, ?)",
            (row.subject, row.purpose, *now),
        )

    def _check_rates(self, row: Verification, limits: Limits, at_ms: int, who: Sequence[Pace] = ()) -> None:
        wait_ms = blocked_ms(self._failures(row), limits, at_ms)
        if wait_ms:
            raise _limited("too many wrong codes in a row for this number and purpose", wait_ms)
        caller = row.caller.to_bytes(8, "big") + row.purpose.encode()
        buckets = (
            Pace(b"n" + row.subject, limits.per_number_hour, HOUR_MS, "too many codes for this number"),
            Pace(b"p" + caller, limits.per_purpose_minute, MINUTE_MS, "too many codes for this purpose"),
            Pace(b"r" + row.prefix.encode(), limits.per_prefix_minute, MINUTE_MS, "too many codes for this prefix"),
            *who,
        )
        for name, most, period_ms, what in buckets:
            if not most:
                continue
            found = self.conn.execute("SELECT full_ms FROM bucket WHERE name = ?", (name,)).fetchone()
            full_ms, wait_ms = paced(found[0] if found else 0, most, period_ms, at_ms)
            if wait_ms:
                raise _limited(what, wait_ms)
            self.conn.execute("INSERT OR REPLACE INTO bucket (name, full_ms) VALUES (?, ?)", (name, full_ms))

    def _count(self, purpose: str, outcome: str, at_ms: int) -> None:
        self.conn.execute(
            "INSERT INTO tally (day, purpose, outcome, n) VALUES (?, ?, ?, 1)"
            " ON CONFLICT (day, purpose, outcome) DO UPDATE SET n = n + 1",
            (day_of(at_ms), purpose, outcome),
        )


def check_resend(row: Verification, limits: Limits, at_ms: int) -> None:
    """Raises Error `verification_ended`, `overloaded` while another has its message in hand, or `rate_limited`."""
    if row.status(at_ms) != PENDING:
        raise ended()
    if row.in_hand(at_ms):
        raise under_way()
    if row.sends >= limits.sends:
        raise _limited("the message of this verification was sent as often as it may be", row.expires_ms - at_ms)


def not_found() -> Error:
    return Error("not_found", "there is no such verification", "POST /v1/verifications begins one")


def ended() -> Error:
    return Error("verification_ended", "the verification is not pending any more", "begin another one")


def under_way() -> Error:
    return Error(
        "overloaded", "another request is about to send this verification's message", "ask again after a second"
    )


def _limited(what: str, wait_ms: int) -> Error:
    wait_s = max(1, -(-wait_ms // 1000))
    return Error("rate_limited", what, f"try again after {wait_s} s", retry_after_s=wait_s)
