"""What an operator's CAMARA APIs answer about a number, read strictly: whatever is not what the documents say is "unknown" with a reason. Pure.

SIM Swap 2.1.0 (CAMARA release r3.3, `/check` and `/retrieve-date`; v2 of the path) and KYC Tenure 0.2.0 (r2.2, `/check-tenure`), github.com/camaraproject.
Tokens by CAMARA's Security and Interoperability Profile: RFC 6749 section 4.4, RFC 7523 section 2.1.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

CHANGED, UNCHANGED, UNKNOWN = "changed", "unchanged", "unknown"
SHORT, LONG = "short", "long"
HOUR_MS: Final = 3_600_000
MONITORED_DAYS_MAX: Final = 36_500

#: HTTP status -> why nothing is known. What is not here: `failed`.
WHY: Final[dict[int, str]] = {
    400: "asked_wrongly",
    401: "unauthorized",
    403: "forbidden",
    404: "not_its_number",
    422: "not_for_this_number",
    429: "limited",
}
#: `code` of the error (CAMARA's ErrorInfo) where it says more than the status.
WHY_CODE: Final[dict[str, str]] = {"OUT_OF_RANGE": "period_too_long"}
#: Reasons of an operator that is not well, after some of which it is left alone for a while.
UNWELL: Final = frozenset({"failed", "timeout", "unreachable", "no_token", "malformed"})


class Said(NamedTuple):
    """`word`: what is known, or UNKNOWN with `why`."""

    word: str
    why: str = ""


class Token(NamedTuple):
    """An access token and the seconds it is good for."""

    text: str
    life_s: int

    def __repr__(self) -> str:
        return "<access token>"


def unknown(why: str) -> Said:
    return Said(UNKNOWN, why)


def failure(status: int, body: bytes) -> Said:
    """Of an answer that is not 200."""
    code = _object(body).get("code")
    found = WHY_CODE.get(code) if status == 400 and isinstance(code, str) else None
    return unknown(found or WHY.get(status, "failed"))


def swapped(status: int, body: bytes) -> Said:
    """Of `POST /check` (CheckSimSwapInfo)."""
    if status != 200:
        return failure(status, body)
    found = _object(body).get("swapped")
    return unknown("malformed") if not isinstance(found, bool) else Said(CHANGED if found else UNCHANGED)


def swap_date(status: int, body: bytes, hours: int, at_ms: int) -> Said:
    """Of `POST /retrieve-date` (SimSwapInfo): whether the date lies in the last `hours`.

    A date of the future is a change: clocks differ, and a date so young is one. Null says that there was none in the `monitoredPeriod`
    (days); where that is shorter than what was asked for, or not given, nothing is known.
    """
    if status != 200:
        return failure(status, body)
    given = _object(body)
    if "latestSimChange" not in given:
        return unknown("malformed")
    latest = given["latestSimChange"]
    if latest is None:
        days = given.get("monitoredPeriod")
        if days is None:
            return unknown("not_kept")
        if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= MONITORED_DAYS_MAX:
            return unknown("malformed")
        return Said(UNCHANGED) if days * 24 >= hours else unknown("period_too_long")
    changed_ms = _moment_ms(latest)
    if changed_ms is None:
        return unknown("malformed")
    return Said(CHANGED if changed_ms > at_ms - hours * HOUR_MS else UNCHANGED)


def tenure(status: int, body: bytes) -> Said:
    """Of `POST /check-tenure` (TenureInfo)."""
    if status != 200:
        return failure(status, body)
    found = _object(body).get("tenureDateCheck")
    return unknown("malformed") if not isinstance(found, bool) else Said(LONG if found else SHORT)


def tenure_date(days: int, at_ms: int) -> str:
    """The day (UTC) since which it must have been a customer."""
    day = datetime.fromtimestamp(at_ms / 1000, UTC).date() - timedelta(days=days)
    return day.isoformat()


def token(status: int, body: bytes, life_s_max: int) -> Token | None:
    """RFC 6749 section 5.1; None for whatever is not a bearer token. Without `expires_in` it is used once."""
    given = _object(body) if status == 200 else {}
    text, kind, life_s = given.get("access_token"), given.get("token_type"), given.get("expires_in", 0)
    if not isinstance(text, str) or not 0 < len(text) <= 8_192 or not all(32 < ord(c) < 127 for c in text):
        return None
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return None
    known = isinstance(life_s, int) and not isinstance(life_s, bool) and life_s > 0
    return Token(text, min(life_s, life_s_max) if known else 0)


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object; empty for whatever is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _moment_ms(text: object) -> int | None:
    """RFC 3339 with a time zone, fractions of any length; None for whatever is none."""
    if not isinstance(text, str) or len(text) > 64 or "T" not in text.upper():
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return None if moment.tzinfo is None else int(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        return None
