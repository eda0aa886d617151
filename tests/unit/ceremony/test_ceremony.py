"""Scripts, seats, transcripts and the conduct of a ceremony, with a keys process of Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.audit import note
from appliance.ceremony import conduct, names, verify
from appliance.ceremony.conduct import Ceremony, Terms
from appliance.ceremony.people import Seat, apart
from appliance.ceremony.script import ROLES, load, parse
from appliance.ceremony.transcript import read, readable
from appliance.errors import Error
from appliance.keys import custody
from tests.support.room import Room

README = Path(conduct.__file__).parent / "README.md"
SCRIPT = b"""
name = "small"
title = "A small one"
version = "1"
purpose = "To see."
custodians = "quorum-if-any"
apart = ["administrator", "witness", "auditor", "custodian"]
[[steps]]
id = "box"
role = "auditor"
action = "show-box"
text = "Look."
confirm = "It is so"
[[steps]]
id = "seen"
role = "witness"
text = "Say."
confirm = "It was so"
"""


class Process:
    """Answers as the keys process does; `fails` raises for an operation."""

    def __init__(self, fails: str = "", shares: list[custody.Share] | None = None) -> None:
        self.asked: list[str] = []
        self.fails = fails
        self.shares = shares or []

    def __call__(self, op: str, payload: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(op)
        if op == self.fails:
            raise Error("store_full", "the key store cannot be written")
        if op == "share_show":
            lines = custody.written(self.shares[payload["number"] - 1])
            return {"lines": lines, "checks": custody.checks(lines), "set": "ab12", "needed": 2}
        if op == "share_enter":
            share = custody.read(payload["lines"])
            return {"set": "ab12", "entered": share.number, "needed": 2, "number": share.number}
        if op in ("initialise", "commit"):
            return {"set": "ab12", "needed": 2, "custodians": 2, "model": "m", "serial": "s", "keys": ["k"]}
        return {"signature": b"", "key": b"", "origin": "o"} if op == "transcript" else {}


def held(folder: Path, room: Room, process: Process, script: bytes = SCRIPT, **terms: Any) -> Any:
    box = {"box": "bank.example/audit", "hsm": "a token"}
    return Ceremony(parse(script), room, process, box, None, Terms(folder / "t", **terms), False).run()


def test_every_script_is_well_formed_and_on_the_page() -> None:
    page = README.read_text(encoding="utf-8")
    for name in names():
        script = load(name)
        assert script.name == name
        assert {"administrator", "auditor", "witness", "custodian"} == set(script.apart), "nobody has two roles"
        assert script.steps[0].action == "show-box" and script.steps[-1].role == "witness"
        assert f"| `{name}` |" in page
        assert all(len(line) < 79 for line in script.title.splitlines())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'role = "auditor"', b'role = "king"', "unknown role"),
        (b'action = "show-box"', b'action = "dance"', "unknown action"),
        (b'id = "seen"', b'id = "box"', "names of their own"),
        (b'custodians = "quorum-if-any"', b'custodians = "some"', "unknown custodians"),
        (b'role = "witness"', b'role = "auditor"', "nobody is a witness"),
        (b'title = "A small one"', b"", "title"),
        (b'text = "Say."', b'text = "Say."\neach = true', "is for custodians"),
        (b"[[steps]]", b"[[steps", "this is no script"),
    ],
)
def test_a_script_with_a_mistake_says_where(old: bytes, new: bytes, said: str) -> None:
    with pytest.raises(Error, match=said) as caught:
        parse(SCRIPT.replace(old, new))
    assert caught.value.code == "file_invalid"


def test_readme_draws_the_table() -> None:
    heard = list(dict.fromkeys(h for _, h in conduct.TABLE))
    heard = ["begin", "all seated", "stop", "confirmed", "all confirmed"]
    states = (conduct.PLANNED, conduct.SEATING, conduct.STEPPING, conduct.STOPPED, conduct.DONE)
    rows = [f"| heard when | {' | '.join(heard)} |", "|---" * (len(heard) + 1) + "|"]
    rows += [f"| **{s}** | {' | '.join(conduct.TABLE.get((s, h), '-') for h in heard)} |" for s in states]
    assert "\n".join(rows) in README.read_text(encoding="utf-8")


def test_one_person_has_one_role() -> None:
    roles = tuple(r for r in ROLES if r != "old custodian")
    ann = Seat("administrator", 0, "Ann Example", True, "console:ann")
    old = Seat("old custodian", 1, "Cy", False, "x")
    for other in ("witness", "auditor", "custodian", "old custodian"):
        with pytest.raises(Error):
            apart([ann], Seat(other, 0, "ann  EXAMPLE", False, "x"), roles)
    apart([ann, old], Seat("custodian", 1, "Cy", False, "x"), roles)  # keeps a share, a new one
    with pytest.raises(Error):
        apart([old], Seat("old custodian", 2, "Cy", False, "x"), roles)
    with pytest.raises(Error):
        apart([old], Seat("witness", 0, "Cy", False, "x"), roles)


def test_a_ceremony_leaves_a_transcript_with_names_times_and_confirmations(tmp_path: Path) -> None:
    room, process = Room(), Process()
    outcome = held(tmp_path, room, process)
    assert (outcome.state, outcome.signed) == ("done", False)
    lines = read((tmp_path / "t" / "transcript.jsonl").read_bytes())
    assert [line["what"] for line in lines] == ["ceremony", "seat", "seat", "seat", "step", "step", "end"]
    assert lines[4]["person"] == "Bea" and lines[4]["confirmed"] and lines[4]["found"]["hsm"] == "a token"
    text = (tmp_path / "t" / "transcript.txt").read_text()
    assert text == readable(lines) and max(map(len, text.splitlines())) <= 80
    assert process.asked == ["custody", "ceremony", "transcript"]
    with pytest.raises(Error, match="not signed"):
        verify(tmp_path / "t", note.Verifier("o", bytes(32)).vkey())


def test_a_person_of_another_name_confirms_nothing(tmp_path: Path) -> None:
    typed = iter(["Ada", "", "bea"])
    room = Room({"auditor, type": lambda: next(typed)})
    assert held(tmp_path, room, Process()).state == "done"
    assert sum("That is not the name" in line for line in room.screen) == 2


def test_shares_are_shown_once_wiped_and_nowhere_else(tmp_path: Path) -> None:
    process = Process(shares=custody.split(bytes(range(32)), 2, 2, "ab12"))
    wrong = iter(["AA BB CC DD"])
    room = Room()
    room.answers = {"check characters": lambda: next(wrong, "") or room._usual("check characters")}
    script = (Path(conduct.__file__).parent / "scripts" / "initialise.toml").read_bytes()
    outcome = held(tmp_path, room, process, script, needed=2, custodians=2)
    assert outcome.state == "done", outcome.why
    assert process.asked.count("share_show") == 2 and process.asked.index("prove") < process.asked.index("commit")
    told = "".join(p.read_text(errors="replace") for p in (tmp_path / "t").iterdir() if p.suffix != ".pdf")
    told += "\n".join(room.seen + room.screen)
    papers = [line for paper in room.papers.values() for line in paper]
    assert len(papers) == 8
    assert not [line for line in papers if line in told or line[:17] in told]


@pytest.mark.parametrize(("answers", "fails"), [({"auditor, type": "STOP"}, ""), ({"try again": "STOP"}, "prove")])
def test_a_stopped_ceremony_is_undone_and_still_written_down(
    tmp_path: Path, answers: dict[str, str], fails: str
) -> None:
    process = Process(fails, custody.split(bytes(range(32)), 2, 2, "ab12"))
    script = (Path(conduct.__file__).parent / "scripts" / "initialise.toml").read_bytes()
    outcome = held(tmp_path, Room(dict(answers)), process, script, needed=2, custodians=2)
    assert outcome.state == "stopped"
    assert process.asked[-2:] == ["abort", "transcript"] and "commit" not in process.asked
    assert "Not done: " in (tmp_path / "t" / "transcript.txt").read_text()


def test_what_cannot_be_recorded_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(Error) as caught:
        held(tmp_path, Room(), Process("ceremony"))
    assert caught.value.code == "store_full"
    assert not (tmp_path / "t").exists()


def test_a_transcript_cut_off_says_so() -> None:
    first = b'{"what":"ceremony","name":"x","title":"X","script_version":"1","script_sha256":"0","rehearsal":false,"box":{},"at":"t"}\n'
    assert "It has no end" in readable(read(first))
    for broken in (b"", b"{}", b"nonsense", first[:30]):
        with pytest.raises(Error):
            read(broken)
