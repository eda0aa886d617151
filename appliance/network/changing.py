"""A change of the box's network in two steps: applied, then confirmed, or undone by itself.

`edited` is pure. What was there before is kept in `network/pending.json` until somebody confirms; whoever comes late (the console that
asked, the timer of the unit, the next start of the box) puts it back.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from appliance import atomic
from appliance.errors import Error
from appliance.settings import home_of, parse

from .files import hostname, network_units

KEYS: Final = (
    *("interface", "vlan", "bond", "bond_mode", "address", "gateway", "routes", "dns", "time_servers", "nts"),
    *("proxy", "hostname"),
)
PENDING: Final = "pending.json"


def edited(text: str, changes: dict[str, Any]) -> str:
    """The settings' text with these keys of [network]; everything else, comments included, as it was. Raises Error `settings_invalid`."""
    assert set(changes) <= set(KEYS)
    lines = text.splitlines()
    heads = [n for n, line in enumerate(lines) if re.match(r"\s*\[", line)]
    begin = next((n for n in heads if re.fullmatch(r"\s*\[network\]\s*(#.*)?", lines[n])), None)
    if begin is None:
        lines += ["", "[network]"] if lines else ["[network]"]
        begin, end = len(lines) - 1, len(lines)
    else:
        end = next((n for n in heads if n > begin), len(lines))
    kept = _without(lines[begin + 1 : end], set(changes))
    made = [f"{key} = {_value(value)}" for key, value in changes.items()]
    out = "\n".join([*lines[: begin + 1], *made, *kept, *lines[end:]]) + "\n"
    try:
        now = tomllib.loads(out).get("network", {})
    except tomllib.TOMLDecodeError as e:
        raise Error("settings_invalid", f"the settings cannot be changed here: {e}", "edit the file") from None
    if any(now.get(key) != value for key, value in changes.items()):
        raise Error(
            "settings_invalid",
            "the settings cannot be changed here: [network] is written in a way of its own",
            "edit the file",
        )
    return out


def _without(lines: list[str], keys: set[str]) -> list[str]:
    """The lines of a section without these keys; a value may go over several lines until its brackets are closed."""
    out, open_brackets, dropped = [], 0, False
    for line in lines:
        if not open_brackets:
            found = re.match(r"\s*([A-Za-z_]+)\s*=", line)
            dropped = bool(found and found[1] in keys)
        if re.match(r"\s*[A-Za-z_]+\s*=", line) or open_brackets:
            bare = re.sub(r'"[^"]*"', "", line).split("#")[0]
            open_brackets = max(0, open_brackets + bare.count("[") - bare.count("]"))
        if not dropped:
            out.append(line)
        elif not open_brackets:
            dropped = False
    return out


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=True)


class Changing:
    """One settings file and what is pending for it."""

    def __init__(self, settings: Path, home: Path | None = None) -> None:
        self.settings = settings
        self.place = (home or home_of()) / "network"

    @property
    def text(self) -> str:
        try:
            return self.settings.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def apply(self, changes: dict[str, Any], until_ms: int) -> None:
        """Writes the change; what was there before is kept first. Raises Error `settings_invalid` before anything is written."""
        if self.pending() is not None:
            raise Error(
                "key_state",
                "a change waits to be confirmed",
                "confirm or undo it first: `casemate network confirm`, `revert`",
            )
        before = self.text
        after = edited(before, changes)
        said = parse(tomllib.loads(after), self.place.parent, "the change", self.settings.parent)
        network_units(said), hostname(said)  # refused before anything is written, not at the next start
        self.place.mkdir(parents=True, exist_ok=True)
        atomic.write(
            self.place / PENDING, json.dumps({"before": before, "until_ms": until_ms}), 0o600, like_before=True
        )
        atomic.write(self.settings, after, 0o600, like_before=True)

    def pending(self) -> int | None:
        """Until when it has to be confirmed (Unix milliseconds); None when nothing waits."""
        try:
            return int(json.loads((self.place / PENDING).read_text(encoding="utf-8"))["until_ms"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def confirm(self) -> None:
        """Raises Error `not_found` when nothing waits."""
        if self.pending() is None:
            raise Error("not_found", "no change of the network waits to be confirmed", "see `casemate network reach`")
        (self.place / PENDING).unlink()

    def revert(self, now_ms: int | None = None) -> bool:
        """Puts back what was there before; with `now_ms` only when the time to confirm is over. Whether it did."""
        until_ms = self.pending()
        if until_ms is None or (now_ms is not None and now_ms < until_ms):
            return False
        before = json.loads((self.place / PENDING).read_text(encoding="utf-8"))["before"]
        atomic.write(self.settings, before, 0o600, like_before=True)
        (self.place / PENDING).unlink()
        return True
