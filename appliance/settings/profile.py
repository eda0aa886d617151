"""Link profiles: what is known of one operator or one way of sending, as defaults for a link. Ready ones are in `profiles/`.

A profile is a TOML file: `[profile]` says what it is and where its facts come from, `[link]` holds rows of LINK_SETTINGS.
It never holds what belongs to one bank: addresses, names, passwords, keys. A link's own keys win over its profile's.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error

from .checking import checked, tlv, unknown
from .link import LINK_SETTINGS

VALUED: Final = frozenset({"value", "by_sender", "register"})
READY: Final = Path(__file__).parent / "profiles"

#: Rows that belong to one bank or one box: a profile may not set them.
NEVER: Final = frozenset(
    {
        *("name", "profile", "host", "more_hosts", "system_id", "password_file", "default_sender", "pace_senders"),
        *("tls_ca", "tls_certificate", "tls_key"),
    }
)
_ABOUT: Final = {"name": str, "title": str, "source": list, "notes": str}


class Profile(NamedTuple):
    """What a profile's file says; `link` holds checked values, `tlvs` in it as written, some of them without a value."""

    name: str
    title: str
    source: tuple[str, ...]
    notes: str
    link: dict[str, Any]


def names() -> list[str]:
    """Names of the ready profiles."""
    return sorted(path.stem for path in READY.glob("*.toml"))


def find(name: str, folder: Path | None = None) -> Profile:
    """A ready profile by name, or the file `name` (with a slash or ending in .toml) seen from `folder`.

    Raises Error `settings_invalid`.
    """
    if "/" in name or name.endswith(".toml"):
        return read((folder or Path()) / name)
    if name not in names():
        raise unknown(
            "profile", name, names(), "profiles", "see `casemate link profiles`, or name a file that ends in .toml"
        )
    return read(READY / f"{name}.toml")


def read(path: Path) -> Profile:
    """The profile in a file. Raises Error `settings_invalid` naming file, key and what is allowed."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise Error("settings_invalid", f"profile {path} cannot be read: {e}") from None
    return parse_profile(raw, str(path))


def parse_profile(raw: dict[str, Any], where: str) -> Profile:
    """A profile from its parsed TOML."""
    for key, inner in raw.items():
        if key not in ("profile", "link"):
            raise unknown("table", key, ["profile", "link"], where)
        if not isinstance(inner, dict):
            raise Error("settings_invalid", f"{where}: write [{key}] with one bracket")
    about = _about(raw.get("profile", {}), where)
    rows = {row.name: row for row in LINK_SETTINGS}
    link: dict[str, Any] = {}
    for name, value in raw.get("link", {}).items():
        if name in NEVER:
            raise Error(
                "settings_invalid",
                f"{where}: `{name}` belongs to the link, not to a profile",
                "a profile says what is known of an operator; write this in [[link]]",
            )
        if name not in rows:
            raise unknown("setting", name, [n for n in rows if n not in NEVER], where)
        link[name] = checked(rows[name], value, where, None)
    for given in link.get("tlvs", []):
        tlv(given, where, declared=True)
    return Profile(about["name"], about["title"], tuple(about["source"]), about["notes"], link)


def _about(given: dict[str, Any], where: str) -> dict[str, Any]:
    for name, value in given.items():
        if name not in _ABOUT:
            raise unknown("key", name, list(_ABOUT), where)
        if not isinstance(value, _ABOUT[name]) or not value:
            raise Error("settings_invalid", f"{where}: [profile] `{name}` must be {_SHAPES[name]}")
        if name == "source" and not all(isinstance(each, str) for each in value):
            raise Error("settings_invalid", f"{where}: [profile] `source` must be {_SHAPES[name]}")
    for name in ("name", "title", "source"):
        if name not in given:
            raise Error("settings_invalid", f"{where}: [profile] `{name}` is missing", f"it is {_SHAPES[name]}")
    return {"notes": "", **given}


_SHAPES: Final = {
    "name": "a text",
    "title": "a text",
    "source": "a list of texts: where the facts come from",
    "notes": "a text",
}


def merged(own: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """A link's own keys over its profile's. Words and optional parameters are merged one by one, by word and by name."""
    out = {**profile.link, **own}
    words = profile.link.get("receipt_words")
    if words and isinstance(own.get("receipt_words"), dict):
        out["receipt_words"] = {**words, **own["receipt_words"]}
    theirs = {given["name"]: given for given in profile.link.get("tlvs", [])}
    ours = own.get("tlvs")
    if theirs and isinstance(ours, list) and all(isinstance(t, dict) and isinstance(t.get("name"), str) for t in ours):
        kept = dict(theirs)
        for given in ours:
            inherited = theirs.get(given["name"], {})
            if VALUED & given.keys():
                inherited = {k: v for k, v in inherited.items() if k not in VALUED}
            kept[given["name"]] = {**inherited, **given}
        out["tlvs"] = list(kept.values()) if len({t["name"] for t in ours}) == len(ours) else [*theirs.values(), *ours]
    return out
