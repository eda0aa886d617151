"""One value against its row: type, bounds, allowed words; and the packed form of an operator's own optional parameter."""

from __future__ import annotations

import difflib
import math
import re
from pathlib import Path
from typing import Any, Final

from appliance.errors import Error

from .link import REGISTERED, TLV_KINDS, Tlv
from .rows import Setting

_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "strs": (list,),
    "numbers": (dict,),
    "amounts": (dict,),
    "words": (dict,),
    "tlvs": (list,),
}


def checked(row: Setting, value: Any, source: str, folder: Path | None) -> Any:
    """The value of one row, paths seen from `folder`. Raises Error `settings_invalid`."""

    def wrong(what: str) -> Error:
        return Error("settings_invalid", f"{source}: `{row.name}` {what}", row.help)

    if isinstance(row.kind, tuple):
        if str(value) not in row.kind:
            raise wrong(f"must be one of {', '.join(row.kind)}")
        return str(value)
    fits: bool = isinstance(value, _KINDS[row.kind]) and (row.kind == "bool" or not isinstance(value, bool))
    if not fits:
        raise wrong(f"must be of type {row.kind}")
    if row.kind == "strs" and not all(isinstance(v, str) for v in value):
        raise wrong("must be a list of strings")
    if row.kind == "words" and not all(isinstance(v, str) for v in value.values()):
        raise wrong("must be a table of strings")
    if row.kind == "numbers" and not all(
        isinstance(v, int | float) and not isinstance(v, bool) and 0 < v < math.inf for v in value.values()
    ):
        raise wrong("must be a table of numbers above 0")
    if row.kind == "amounts" and not all(
        isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v < 1e9 for v in value.values()
    ):
        raise wrong("must be a table of numbers, 0 or above")
    if row.kind in ("int", "float"):
        low = -math.inf if row.least is None else row.least
        high = math.inf if row.most is None else row.most
        if not math.isfinite(value) or not low <= value <= high:
            raise wrong(f"must be between {row.least} and {row.most}")
        return float(value) if row.kind == "float" else value
    if row.kind == "path" and value and folder is not None:
        return str(folder / value)
    return value


def tlv(given: Any, where: str, declared: bool = False) -> Tlv:
    """One of `tlvs`, its values packed; `declared` ones may be without: known by name, and not sent. Raises Error `settings_invalid`."""

    def wrong(what: str) -> Error:
        return Error(
            "settings_invalid",
            f"{where}: tlvs: {what}",
            'write { name = "pe_id", tag = 0x1400, kind = "string", value = "1001" }, or by_sender = { MYBANK = "1001" }, or register = "entity_id"',
        )

    if not isinstance(given, dict) or set(given) - {"name", "tag", "kind", "value", "by_sender", "register"}:
        raise wrong("each is a table of name, tag, kind and value, by_sender or register")
    name, tag, kind = given.get("name"), given.get("tag"), given.get("kind", "string")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9_]{1,32}", name):
        raise wrong("`name` is 1 to 32 small letters, digits and underscores")
    if not isinstance(tag, int) or isinstance(tag, bool) or not 0 < tag <= 0xFFFF:
        raise wrong(f"{name}: `tag` is a number up to 0xFFFF")
    if kind not in TLV_KINDS:
        raise wrong(f"{name}: `kind` is one of {', '.join(TLV_KINDS)}")
    valued = ("value" in given) + ("by_sender" in given) + ("register" in given)
    if valued > 1 or (not valued and not declared):
        raise wrong(f"{name}: give `value`, `by_sender` or `register`")
    register = given.get("register", "")
    if "register" in given and (register not in REGISTERED or kind not in ("string", "cstring")):
        raise wrong(f"{name}: `register` is a string, {' or '.join(REGISTERED)}")
    by_sender = given.get("by_sender", {})
    if not isinstance(by_sender, dict):
        raise wrong(f"{name}: `by_sender` is a table of sender and value")
    try:
        value = _packed(given["value"], kind) if "value" in given else b""
        packed = {sender: _packed(each, kind) for sender, each in by_sender.items()}
    except (ValueError, OverflowError, TypeError):
        raise wrong(f"{name}: a value does not fit its kind {kind}") from None
    return Tlv(name, tag, kind, value, packed, register)


def _packed(value: Any, kind: str) -> bytes:
    if kind.startswith("int"):
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError
        return value.to_bytes(int(kind[3:]) // 8, "big")
    octets = bytes.fromhex(value) if kind == "octets" else value.encode("latin-1")
    if kind == "cstring":
        octets += b"\0"
    if len(octets) > 0xFFFF or not isinstance(value, str):
        raise ValueError
    return octets


def unknown(what: str, name: str, known: list[str], where: str, hint: str = "see `casemate settings`") -> Error:
    """The Error for a name that is not in `known`, with the nearest that is."""
    near = difflib.get_close_matches(name, known, 1)
    return Error(
        "settings_invalid", f"{where}: unknown {what} `{name}`", f"did you mean `{near[0]}`?" if near else hint
    )
