"""Every screen on a vt100 of 80 by 24: what is drawn when, and how what is typed is understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.field import PAGES, Console, manual
from appliance.field.menu import MENU, chosen
from appliance.field.screen import COLUMNS, pages, wrapped
from appliance.settings import parse
from tests.support.line import Line, faults, shown
from tests.unit.field.at_the_line import Bench


@pytest.mark.parametrize("item", [i for i in MENU if i.word not in ("page", "out")], ids=lambda i: i.word)
def test_every_entry_fits_a_vt100_and_says_what_can_be_done(bench: Bench, item: Any) -> None:
    """Entered and left by Enter: nothing changes, nothing is cut, a refusal has a hint."""
    line = bench.dialogue(item.word, *[""] * 12, "out")
    assert len(line.screens) >= 3
    text = line.text
    for refusal in text.split("Not done: ")[1:]:
        assert any(row.startswith("  ") for row in refusal.split("\n")[1:4]), "what to do instead"
    assert not {what for what in bench.log.said if what != "field.account_created"}, "looking changes nothing"


def test_the_menu_is_what_the_manual_shows(bench: Bench) -> None:
    line = bench.dialogue("out")
    menu = shown(next(octets for octets in line.screens if b"Sign out" in octets))
    page = Path(__file__).resolve().parents[3] / "appliance/field/README.md"
    assert manual() in page.read_text(encoding="utf-8"), "make it anew: casemate field --manual"
    assert [row for row in menu if row.lstrip()[:2].strip().isdigit()] == [
        r for r in manual().split("\n") if r[:4].strip().isdigit()
    ]


def test_what_is_longer_than_a_screen_is_paged(bench: Bench) -> None:
    (bench.home / "log").mkdir(parents=True)
    (bench.home / "log/engine.log").write_text(
        "".join(f"2026-11-26T10:00:{n % 60:02} line {n} {'word ' * 30}\n" for n in range(60)) + "\x1b[2J\x07 moved\n"
    )
    line = bench.dialogue("logs", "1", "", *[""] * 40, "0")
    assert len(line.screens) > 10 and "?[2J? moved" in line.text
    first, *_, last = [one.decode() for one in line.screens if b"newest screen first" in one]
    assert "moved" in first and " line 0 " in last, "what happened last is seen first, each screen in its order"
    assert "line 7 " in bench.dialogue("logs", "engine", "line 7", *[""] * 4, "0").text
    assert "Not done: there is no log" in bench.dialogue("logs", "/etc/passwd", "", "", "0").text


def test_on_the_box_itself_the_journal_is_read(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There the processes write no files: their units' lines come from the journal, to the screen and into the support bundle."""
    from appliance.backup import generate

    asked: list[tuple[str, ...]] = []

    def ran(what: str, *more: str, lines_max: int = 200) -> list[str]:
        asked.append((what, *more))
        if what == "units":
            return ["casemate-keys.service", "init.scope", "casemate-engine.service", "dbus.service"]
        return [f"2026-11-27T03:00:0{n}+0000 {what} to 393331234567 line {n}" for n in range(5)]

    monkeypatch.setattr("appliance.field.programs.ran", ran)
    assert bench.hands.logs() == ["casemate-engine", "casemate-keys", "kernel", "warnings"]
    line = bench.dialogue("logs", "1", "line 3", "", "logs", "kernel", "", "", "0")
    assert "unit to" in line.text and "line 3" in line.text and "kernel to" in line.text
    assert ("unit", "casemate-engine.service") in asked and ("kernel",) in asked
    assert "there is no log" in bench.dialogue("logs", "init.scope", "", "", "0").text
    values = {"field": {"media": str(bench.stick), "support_recipients": [generate()[1]]}}
    bench.hands.settings = parse(values, bench.home, "test")
    packed: dict[str, str] = {}
    monkeypatch.setattr("appliance.field.packing.packed", lambda texts: packed.update(texts) or b"octets")
    assert "encrypted" in bench.dialogue("support", "yes", "", "0").text
    assert packed["log/casemate-keys.log"].startswith("2026-11-27T03:00:00+0000 unit to *** line 0\n")


def test_a_fault_of_the_settings_is_on_the_first_screen(bench: Bench) -> None:
    line = Line([])
    Console(line, bench.field, bench.hands, PAGES, "casemate.toml: unknown setting field.speling " + "x" * 400).once()
    line.close()
    assert "DEFAULTS ARE USED: casemate.toml: unknown setting" in line.text and faults(line.screens[0]) == []


def test_any_key_brings_the_screen_back_and_nothing_is_written_without_one(bench: Bench) -> None:
    line = Line(["\x0c", "\x1b", "", "x\x03"])
    console = Console(line, bench.field, bench.hands, PAGES)
    console.once()
    line.close()
    assert line.wire.count(b"Only for people whom the bank sent") == 4
    line = Line(["a"])
    line.screen(["what was there"])
    line._last = -100.0  # nobody pressed a key for long
    assert line.line("> ", 10) == "a"
    assert line.wire.endswith(b"\r\nwhat was there\r\n> a\r\n")
    line.close()


def test_a_key_draws_the_screen_as_it_is_by_then(bench: Bench) -> None:
    """What was told, asked and answered since the screen began is on it; a secret answer is not; what was wiped is gone; it fits."""
    line = Line(["one", "hidden", "\x0c", "three", "\x0c", "\x0c", ""])
    line.screen(["Title", "-----", "first"])
    line.line("question: ", 10)
    line.say("It was wrong.")
    line.line("secret: ", 10, secret=True)
    line.line("third: ", 10)
    again = line.screens[-2].decode().replace("\r\n", "\n")
    assert again == "\nTitle\n-----\nfirst\nquestion: one\nIt was wrong.\nsecret: \nthird: three\n"
    line.say(*[f"line {n} {'x' * 70}" for n in range(60)])
    line.line("fourth: ", 10)
    (drawn, *_) = [octets for octets in line.screens[-3:] if octets.startswith(b"\r\n")]
    assert faults(drawn) == [] and b"line 59" in drawn and b"line 30 " not in drawn
    line.wipe()
    assert line._present == []
    line.close()


def test_what_a_terminal_answers_by_itself_is_no_answer(bench: Bench) -> None:
    """At a start systemd asks a serial terminal where its cursor is (ESC [ 6 n); the answer comes late, and arrow keys send the same kind of octets."""
    line = Line(["\x1b[24;80Rann", "\x1bOAtwo", "th\x1b[Dree"])
    assert [line.line("> ", 10) for _ in range(3)] == ["ann", "two", "three"]
    line.close()


def test_lines_are_ascii_and_no_longer_than_a_row() -> None:
    assert wrapped("caf\u00e9 \x1b[1m") == ["caf? ?[1m"]
    assert max(map(len, wrapped("x" * 500 + " " + "y " * 100))) <= COLUMNS
    assert all(len(p) <= 21 for p in pages(["line"] * 100))


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("1", "status"),
        ("sta", "status"),
        ("re", None),
        ("rest", "restart"),
        ("0", "out"),
        ("99", None),
        ("", None),
        ("PAGE", "page"),
    ],
)
def test_entries_are_chosen_by_number_or_the_beginning_of_a_word(typed: str, word: str | None) -> None:
    found = chosen(typed)
    assert (found.word if found else None) == word
