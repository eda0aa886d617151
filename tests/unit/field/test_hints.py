"""What is said at the cable can be done there: no command without a way to it, no entry of the menu that is not one."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import click
import pytest

from appliance.cli.program import COMMANDS
from appliance.field.hints import DESK, ENTRIES, SSH, here
from appliance.field.menu import MENU

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("access", "audit", "backup", "ceremony", "engine", "field", "intercom", "keys", "network", "updates", "volume")
NUMBERS = {i.number for i in MENU}
SIGN_IN = {"glass", "envelope"}


def test_a_command_becomes_its_entry_or_says_how_to_come_to_it() -> None:
    assert here("see `casemate status`") == "see menu 1"
    assert here("do it again; see `casemate firmware inventory`") == "do it again; see menu 4, hardware"
    assert here("`casemate firmware install FILE`") == "menu 7"
    assert here("`casemate keys list` shows them") == f"`casemate keys list` ({SSH}) shows them"
    assert here("`casemate statusfile`").endswith(f"({SSH})")
    assert here("made with `casemate breakglass enrol`") == "made with `casemate breakglass enrol`"


def exists(words: str) -> bool:
    """Whether the program has this command; what follows in capitals, options and `...` are its arguments."""
    _, name, *rest = [w for w in words.split() if re.fullmatch(r"[a-z][a-z-]*", w)] or ["", ""]
    if name not in COMMANDS:
        return False
    module, attribute, _ = COMMANDS[name]
    command: click.Command = getattr(import_module(module), attribute)
    for word in rest:
        inner = getattr(command, "commands", None)
        if inner is None:
            return True  # an argument in small letters
        if word not in inner:
            return False
        command = inner[word]
    return True


def told() -> list[str]:
    """Commands that errors of these rooms name."""
    texts = [p.read_text(encoding="utf-8") for room in ROOMS for p in (ROOT / "appliance" / room).glob("*.py")]
    texts += [p.read_text(encoding="utf-8") for p in (ROOT / "firmware").glob("*.py")]
    return sorted({found for text in texts for found in re.findall(r"`(casemate [^`\n]*)`", text)})


def test_no_hint_names_a_command_or_an_entry_that_does_not_exist() -> None:
    """Users of other appliances were sent to commands that their box did not have."""
    assert len(told()) > 40 and not exists("casemate mend") and not exists("casemate firmware mend --now")
    assert [c for c in [*ENTRIES, *DESK, *told()] if not exists(c)] == []
    said = [*ENTRIES.values(), SSH, *(p.read_text(encoding="utf-8") for p in (ROOT / "appliance/field").glob("*.py"))]
    numbers = {int(n) for text in said for n in re.findall(r"\bmenu (\d+)", text)}
    assert len(numbers) > 8 and numbers <= NUMBERS
    words = {w for text in said for w in re.findall(r"\bmenu `([a-z]+)`", text)}
    assert words <= {i.word for i in MENU} | SIGN_IN


@pytest.mark.parametrize(
    "entry", ["menu 4, hardware", "menu 6, change", "menu 8, back", "menu 8, again", "menu 9, write"]
)
def test_the_words_after_an_entry_are_words_of_its_page(entry: str) -> None:
    assert entry in ENTRIES.values()
    word = entry.split(", ")[1]
    pages = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "appliance/field").glob("*page*.py"))
    assert f'"{word}"' in pages
