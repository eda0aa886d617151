"""Key ceremonies on every token there is: made, stopped and made again, rotated, backed up, restored on a second box, custodians replaced, sealed.

One keys process of its own, an auditor that takes entries, and people played by `Room`, who read the screen and type what they read.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.access import Access
from appliance.audit import note
from appliance.ceremony import DONE, Outcome, Terms, run, verify
from appliance.errors import Error
from appliance.settings import Settings, load, parse
from tests.stories.test_keys import Keys, refused, today, until
from tests.support.auditor_alone import AuditorAlone
from tests.support.room import PEOPLE, Room
from tests.support.tokens import TOKENS, make_softhsm

pytestmark = [pytest.mark.stories, pytest.mark.timeout(300)]
PASSWORD = "correct horse battery staple"
READY_S = 60.0


class Box:
    """A home, a token of its own, a keys process and an auditor."""

    def __init__(
        self, home: Path, make: Any, monkeypatch: pytest.MonkeyPatch, first: str = "ceremony", opened_by: str = "pin"
    ) -> None:
        home.mkdir()
        self.home, self.monkeypatch = home, monkeypatch
        self.made = make(home / "token")
        self.keys = Keys(home)
        self.keys.environment = self.made.environment
        self.keys.config = self.made.settings + f'first_keys = "{first}"\nopened_by = "{opened_by}"\n'
        (home / "test.toml").write_text(self.keys.config)
        self.auditor = AuditorAlone(home).start()
        self.turn = 0

    @property
    def settings(self) -> Settings:
        return load(self.home / "test.toml", home=self.home)

    def held(self, name: str, room: Room, **terms: Any) -> Outcome:
        """The ceremony, and where its transcript is."""
        for variable, value in self.made.environment.items():
            self.monkeypatch.setenv(variable, value)
        self.turn += 1
        return run(self.settings, name, room, Terms(self.home / f"transcript-{self.turn}", **terms))

    def vkey(self) -> str:
        key = self.keys.client.call("public_key", {"purpose": "audit checkpoint"})["key"]
        return note.Verifier(self.settings["audit.origin"], key).vkey()

    def stop(self) -> None:
        if self.keys.process is not None:
            self.keys.stop(signal.SIGTERM)
        self.auditor.stop()


@pytest.fixture(params=TOKENS)
def make(request: pytest.FixtureRequest) -> Any:
    return TOKENS[request.param]


@pytest.fixture
def box(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    made = Box(tmp_path / "first", make, monkeypatch)
    yield made
    made.stop()


def accounts(box: Box) -> dict[str, str]:
    """Ann runs the box, Bob audits; what they answer at the door."""
    access = Access(parse({}, box.home, "test"))
    access.create_user("ann", PASSWORD, "administrator")
    access.create_user("bob", PASSWORD, "compliance")
    return {"console password": PASSWORD, "^administrator, (name|type)": "ann", "^auditor, (name|type)": "bob"}


def test_keys_are_made_rotated_backed_up_and_restored_on_a_second_box(
    box: Box, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = box.keys.start(ready=False)
    assert "[sealed]" in f"[{keys.ping()['why'].split(':')[0]}]"
    assert refused(lambda: keys.client.call("data_key", {"day": today()})).code == "hsm_unavailable"

    # stopped before the shares were proven: nothing is left, and it can be begun again
    stopped = box.held("initialise", Room({"line 1": "STOP"}), needed=2, custodians=3)
    assert (stopped.state, stopped.signed) == ("stopped", False)
    assert keys.client.call("custody", {})["gate"] == "empty"

    room = Room()
    made = box.held("initialise", room, needed=2, custodians=3)
    assert (made.state, made.signed) == (DONE, True), made.why
    keys.wait_ready(READY_S)
    assert len(room.papers) == 3
    told = (
        "\n".join(room.seen)
        + (made.folder / "transcript.txt").read_text()
        + (made.folder / "transcript.jsonl").read_text()
    )
    assert not [line for paper in room.papers.values() for line in paper if line in told], (
        "a share is on its paper only"
    )
    assert (made.folder / "transcript.pdf").read_bytes().startswith(b"%PDF-")
    assert verify(made.folder, box.vkey()).name == "initialise"
    key_id = keys.client.call("data_key", {"day": today()})["key_id"]
    sealed = keys.ring.for_day(today()).seal(b"an old secret", b"message 1")
    index = keys.client.call("index_key", {})["key"]

    # a root rotated by ceremony, by people with accounts; the copy is of the new root too
    signed = accounts(box)
    rotated = box.held("rotate-root", _with(room, signed))
    assert (rotated.state, rotated.why) == (DONE, "")
    assert keys.state()["roots"] == {1: "deactivated", 2: "active"}
    assert len(keys.client.call("custody", {})["keys"]) == 3

    # a backup, and on another box, with a token that is empty, everything comes back
    backup = tmp_path / "medium"
    assert box.held("back-up", _with(room, signed), backup=backup).state == DONE
    until(lambda: box.auditor.what().count("ceremony.ended") == 4, READY_S, "each is on the record")
    events = box.auditor.what()
    assert [events.count(w) for w in ("ceremony.begun", "ceremony.ended", "approval.used")] == [4, 4, 2]
    assert "custody.share_shown" in events and "root.changed" in events
    second = Box(tmp_path / "second", make, monkeypatch)
    try:
        restored = second.held("restore", _with(room, {}), backup=backup)  # the process within the ceremony
        assert (restored.state, restored.signed) == (DONE, True), restored.why
        second.keys.start()
        assert second.vkey() == box.vkey(), "the log goes on under the same key"
        assert second.keys.ring.by_id(key_id).open(sealed, b"message 1") == b"an old secret"
        assert second.keys.client.call("index_key", {})["key"] == index
        assert verify(restored.folder, box.vkey()).digest == restored.digest
        assert refused(lambda: second.keys.client.call("restore_read", {"root_keys": b"{}"})).code == "key_state"
    finally:
        second.stop()

    # one word changed is noticed
    lines = made.folder / "transcript.jsonl"
    lines.write_text(lines.read_text().replace(PEOPLE[3], "Mallory"))
    with pytest.raises(Error) as caught:
        verify(made.folder, box.vkey())
    assert caught.value.code == "audit_invalid"


def _with(room: Room, answers: dict[str, str]) -> Room:
    """The same custodians with their papers, at another ceremony: seats are taken by those who have a share."""
    again = Room(answers)
    again.papers = dict(room.papers)
    holders = iter(room.papers)
    again.usual_names = lambda title: next(holders, None) if "custodian" in title else None
    return again


def test_custodians_are_replaced_and_open_a_sealed_box(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path / "box", make, monkeypatch, opened_by="custodians")
    try:
        pin = Path(box.made.place.pin_file).read_text()
        keys = box.keys.start(ready=False)
        room = Room({"PIN|Once more": pin})
        assert box.held("initialise", room, needed=2, custodians=2).state == DONE
        keys.wait_ready(READY_S)
        signed = accounts(box)

        # the same person cannot be the witness as well; a share of the old set opens nothing afterwards
        names = iter(["ann", "Witness"])
        replaced_room = _with(room, {**signed, "^witness, full name": lambda: next(names), "^witness, type": "Witness"})
        old = dict(room.papers)
        replaced = box.held("replace-custodian", replaced_room, needed=2, custodians=3)
        assert (replaced.state, replaced.why) == (DONE, "")
        assert any("is the administrator already" in line for line in replaced_room.seen + replaced_room.screen)
        fresh = [paper for person, paper in replaced_room.papers.items() if person not in old]
        assert len(fresh) == 3

        # after a restart it waits, says so, and is opened by two of three, one at a time
        keys.stop()
        keys.start(ready=False)
        assert keys.ping()["why"].startswith("sealed: ")
        call = keys.client.call
        assert refused(lambda: call("unseal", {"who": "cli:x", "pin": pin})).code == "forbidden"
        assert refused(lambda: call("share_enter", {"lines": next(iter(old.values()))})).code == "key_refused"
        assert call("share_enter", {"lines": fresh[2]})["entered"] == 1
        assert refused(lambda: call("unseal", {"who": "cli:x", "shares": True})).code == "forbidden"
        assert call("share_enter", {"lines": fresh[0]})["entered"] == 2
        call("unseal", {"who": "cli:x", "shares": True})
        keys.wait_ready(READY_S)

        # sealed by a person: keys are refused, a restart changes nothing
        call("seal", {"who": "console:ann"})
        assert refused(lambda: call("data_key", {"day": today()})).detail["cause"] == "sealed"
        until(lambda: "hsm.sealed" in box.auditor.what(), READY_S, "it is on the record")
        told = [(e["what"], e["outcome"]) for e in box.auditor.entries if e["what"].startswith("hsm.")]
        assert ("hsm.unsealed", "refused") in told and ("hsm.unsealed", "ok") in told
    finally:
        box.stop()


def test_a_typed_pin_is_tried_three_times_at_most_restarts_counted(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path / "box", make, monkeypatch, first="at start", opened_by="person")
    try:
        keys, call = box.keys.start(ready=False), box.keys.client.call
        pin = Path(box.made.place.pin_file).read_text()
        for _ in range(2):
            assert (
                refused(lambda: call("unseal", {"who": "cli:x", "pin": "not the right one"}, 60.0)).code
                == "pin_invalid"
            )
        keys.stop(signal.SIGKILL)
        keys.start(ready=False)
        assert refused(lambda: call("unseal", {"who": "cli:x", "pin": "nor this one"}, 60.0)).code == "pin_invalid"
        assert "no more are tried" in refused(lambda: call("unseal", {"who": "cli:x", "pin": pin}, 60.0)).message
        assert call("custody", {})["wrong_pins"] == 3
        call("unseal", {"who": "cli:x", "pin": pin, "once_more": True}, 60.0)
        keys.wait_ready(READY_S)
        assert call("custody", {})["wrong_pins"] == 0
        until(lambda: box.auditor.what().count("hsm.unsealed") == 5, READY_S, "each is on the record")

        # keys made at a first start never leave the token: no backup, and the vendor's way is named
        accounts(box)
        with pytest.raises(Error, match="never to leave the token"):
            box.held("back-up", Room(), backup=tmp_path / "medium")
        assert pin not in "".join(json.dumps(e) for e in box.auditor.entries)
    finally:
        box.stop()


def test_nothing_is_done_that_the_audit_log_cannot_tell_of(box: Box) -> None:
    keys = box.keys
    keys.config = box.made.settings
    keys.start()
    call = keys.client.call
    request = call("ask", {"act": "rotate-root", "on": 0, "reason": "drill", "who": "console:ann"})["request"]
    call("decide", {"request": request, "yes": True, "who": "console:bob"})
    box.auditor.down = True
    assert refused(lambda: call("do", {"request": request, "who": "console:ann"}, 60.0)).code == "audit_unavailable"
    assert keys.state()["roots"] == {1: "active"}, "no root was made"
    assert next(r for r in call("requests", {})["requests"])["state"] == "approved", "and the approval stands"
    box.auditor.down = False
    assert call("do", {"request": request, "who": "console:ann"}, 60.0)["root"] == 2
    assert box.auditor.checkpoints, "the log was signed before the act"


def test_a_root_under_custodians_is_born_in_both_hsms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys are brought into a second HSM by ceremony; a root rotated by ceremony is in both, and the second alone opens what is under it."""
    box = Box(tmp_path / "box", make_softhsm, monkeypatch)
    keys, call = box.keys, box.keys.client.call
    try:
        keys.start(ready=False)
        room = Room()
        assert box.held("initialise", room, needed=2, custodians=2).state == DONE
        keys.wait_ready(READY_S)
        key = call("data_key", {"day": today()})
        signed = accounts(box)

        second = make_softhsm(box.home / "token", "second").place  # both tokens in one SoftHSM
        answers = {
            "PKCS#11 library": second.module,
            "Label": "second",
            "PIN|Once more": Path(second.pin_file).read_text(),
        }
        brought = box.held("add-hsm", _with(room, {**signed, **answers, "Initialisation": ""}))
        assert (brought.state, brought.why) == (DONE, "")
        keys.stop()
        first = keys.config
        keys.config += f'second_token_label = "second"\nsecond_pin_file = "{second.pin_file}"\nreturn_s = 0.5\n'
        (box.home / "test.toml").write_text(keys.config)
        keys.start()

        def in_step() -> bool:
            return all(row["in_step"] for row in keys.state()["hsms"])

        until(in_step, READY_S, "both are in step")
        rotated = box.held("rotate-root", _with(room, signed))
        assert (rotated.state, rotated.why) == (DONE, "")
        until(in_step, READY_S, "both are in step again")
        told = call("compare", {}, 60.0)
        assert told["same"] and [row["key"] for row in told["keys"]][2:] == ["root v1", "root v2"]
        assert len(call("custody", {})["keys"]) == 3, "and the custodians' copies have it"

        keys.stop()
        keys.config = keys.config.replace('token_label = "casemate"', 'token_label = "lost"', 1)
        keys.start()
        assert [row["serves"] for row in keys.state()["hsms"]] == [False, True]
        assert call("data_key", {"day": today()}) == key, "from a cold start, by the second alone"
        keys.stop()
        keys.config = first
        keys.start()
        assert call("data_key", {"day": today()}) == key, "by the first alone"
    finally:
        box.stop()
