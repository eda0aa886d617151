"""One audit entry: who did what, when, on what, with what outcome; checked, free of personal data, in canonical JSON.

Canonical JSON is RFC 8785. The schema is narrow on purpose (flat detail, no fractions, ASCII names), so that sorted
keys and minimal escapes are all there is to it; the tests compare every form with the `rfc8785` package.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final

import msgspec

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.limits import AUDIT_DETAIL_KEYS_MAX, AUDIT_ENTRY_OCTETS_MAX, AUDIT_NAME_CHARACTERS_MAX

from .details import stray
from .events import EVENTS

FIELDS: Final = frozenset({"at", "who", "what", "on", "outcome", "detail"})
OUTCOMES: Final = frozenset({"ok", "refused", "failed"})
ACTORS: Final = ("console", "token", "api", "door", "process", "cli", "field")
INTEGER_MAX: Final = 2**53 - 1  # RFC 8785 section 3.2.2.3: what an IEEE double holds exactly
#: An integer of eight or more digits is only believed to be no telephone number when its name says what it counts.
UNITS: Final = ("_ms", "_us", "_octets", "_count", "_index")

#: The tests hold every entry against the schema of its event. In service an entry with a field too many is better than none.
STRICT: Final = bool(os.environ.get("CASEMATE_AUDIT_STRICT"))

_AT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_WHO: Final = re.compile(rf"({'|'.join(ACTORS)}):\S.*")
_ON: Final = re.compile(r"[a-z][a-z-]*:\S.*")
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Longer than the fifteen digits of E.164 can be: a token's serial, a digest.
_DIGEST: Final = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z)?", re.ASCII)
#: A plus and four digits, or eight digits with at most two of space, dash, slash and brackets between any two.
_NUMBER: Final = re.compile(r"\+[ ()/-]*(?:\d[ ()/.-]*){4}|\d(?:[ ()/-]{0,2}\d){7}")

_encoder = msgspec.json.Encoder(order="sorted")


def entry(at_ms: int, who: str, what: str, on: str, outcome: str = "ok", **detail: str | int | bool) -> dict[str, Any]:
    """A checked entry. An unknown event or outcome is our own mistake; a value that may not be recorded is Error `invalid`."""
    assert what in EVENTS, what
    assert outcome in OUTCOMES, outcome
    if STRICT and (why := stray(what, detail)):
        raise AssertionError(why)
    made = {"at": rfc3339(at_ms), "who": who, "what": what, "on": on, "outcome": outcome, "detail": detail}
    check(made)
    return made


def canonical(given: Any) -> bytes:
    """The RFC 8785 octets of an entry, after `check`. Raises Error `invalid`, or `too_large` above 65,535 octets."""
    check(given)
    octets = _encoder.encode(given)
    if len(octets) > AUDIT_ENTRY_OCTETS_MAX:
        raise Error("too_large", "the audit entry is too large", octets=len(octets), most=AUDIT_ENTRY_OCTETS_MAX)
    return octets


def check(given: Any) -> None:
    """Raises Error `invalid` naming the field (never its value) unless `given` is an entry that may be recorded."""
    if not isinstance(given, dict) or given.keys() != FIELDS:
        raise _invalid("its fields are not at, who, what, on, outcome, detail")
    for name in ("at", "who", "what", "on", "outcome"):
        _text(name, given[name], AUDIT_NAME_CHARACTERS_MAX)
    if not _AT.fullmatch(given["at"]):
        raise _invalid("`at` is not RFC 3339 in UTC with milliseconds")
    if given["what"] not in EVENTS:
        raise _invalid("`what` is not in the table of events")
    if given["outcome"] not in OUTCOMES:
        raise _invalid("`outcome` is not ok, refused or failed")
    if not _WHO.fullmatch(given["who"]):
        raise _invalid(f"`who` does not begin with one of {', '.join(ACTORS)} and a colon")
    if not _ON.fullmatch(given["on"]):
        raise _invalid("`on` is not KIND:NAME")
    for name in ("who", "on"):
        _impersonal(name, given[name].partition(":")[2])
    detail = given["detail"]
    if not isinstance(detail, dict) or len(detail) > AUDIT_DETAIL_KEYS_MAX:
        raise _invalid(f"`detail` is not a table of at most {AUDIT_DETAIL_KEYS_MAX} values")
    for key, value in detail.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise _invalid("a name in `detail` is not lower-case letters, digits and underscores")
        _value(key, value)


def _value(key: str, value: Any) -> None:
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise _invalid(f"`detail.{key}` is beyond 2^53 - 1")
        if abs(value) >= 10_000_000 and not key.endswith(UNITS):
            raise _invalid(f"`detail.{key}` could be a telephone number; let its name end in {', '.join(UNITS)}")
        return
    _text(f"detail.{key}", value, AUDIT_ENTRY_OCTETS_MAX)
    _impersonal(f"detail.{key}", value)


def _text(name: str, value: Any, characters_max: int) -> None:
    if not isinstance(value, str):
        raise _invalid(f"`{name}` is not text, a whole number or true or false")
    if len(value) > characters_max:
        raise Error("too_large", f"the audit entry's `{name}` is too long", most=characters_max)
    if _CONTROL.search(value):
        raise _invalid(f"`{name}` holds a control character")


def _impersonal(name: str, value: str) -> None:
    """The guard: no telephone number gets into a log that can never be redacted."""
    if not _NUMBER.search(value) or _UUID.fullmatch(value) or _DIGEST.fullmatch(value) or _TIME.fullmatch(value):
        return
    raise _invalid(f"`{name}` looks as if it held a telephone number")


def impersonal(value: str) -> str:
    """`value` with its digits struck out if the guard would refuse it: for names that others choose."""
    try:
        _impersonal("", value)
    except Error:
        return re.sub(r"\d", "#", value)
    return value


def _invalid(what: str) -> Error:
    return Error("invalid", f"the audit entry cannot be recorded: {what}")
