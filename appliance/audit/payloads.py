"""What may come over the auditor's socket: the payload of each operation, by its fields and their types."""

from __future__ import annotations

from typing import Any

from appliance.errors import Error
from appliance.limits import AUDIT_CALL_ENTRIES_MAX, AUDIT_NAME_CHARACTERS_MAX

from .entry import canonical
from .journal import Call


def call_of(payload: Any) -> Call:
    """The Call of an `append`. Raises Error `invalid` or `too_large`."""
    given = table_of(payload, {"source": str, "first": int, "entries": list})
    source, number, entries = given["source"] or "", given["first"] or 0, given["entries"]
    if not entries or len(entries) > AUDIT_CALL_ENTRIES_MAX:
        raise Error("invalid", f"`entries` is not a list of 1 to {AUDIT_CALL_ENTRIES_MAX}")
    if not 0 <= number < 2**53 or (number and not 0 < len(source) <= AUDIT_NAME_CHARACTERS_MAX - 8):
        raise Error("invalid", "`first` is not a number with a `source`")
    return Call(source, number, [canonical(e) for e in entries])


def table_of(payload: Any, fields: dict[str, type]) -> dict[str, Any]:
    """The known fields of a payload, None where missing. Raises Error `invalid` for another type or an unknown field."""
    payload = {} if payload is None else payload
    if not isinstance(payload, dict) or not payload.keys() <= fields.keys():
        raise Error("invalid", f"the payload is not a table of {', '.join(fields)}")
    for name, kind in fields.items():
        value = payload.get(name)
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise Error("invalid", f"`{name}` is not of type {kind.__name__}")
    return {name: payload.get(name) for name in fields}
