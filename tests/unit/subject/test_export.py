"""What the box holds about one number, written out: all of it, nothing of anybody else, on the record first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import clock
from appliance.audit import entry
from appliance.consent import Book
from appliance.engine import acts
from appliance.errors import Error
from appliance.keys import DataKey, blind_index
from appliance.message import id_text, new_ids
from appliance.settings import parse
from appliance.subject import Holdings, write
from tests.support.engine_alone import INDEX_KEY, KEY, World, batch

ANNA, BRUNO = "+393471234567", "+393477654321"
SECRET = DataKey(0, b"s" * 32)


class Ring:
    def __init__(self) -> None:
        self.destroyed = False

    def by_id(self, key_id: int) -> DataKey:
        if self.destroyed:
            raise Error("key_destroyed", "gone")
        return KEY

    def index_of(self, number: str) -> bytes:
        return blind_index(INDEX_KEY, number)

    def derive(self, purpose: str, subject: str) -> bytes:
        return b"s" * 32


class Recorder:
    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.down = False

    def record(self, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> None:
        if self.down:
            raise Error("audit_unavailable", "the auditor does not answer")
        self.entries.append(entry(0, who, what, on, outcome, **detail))


class Bank:
    """A box with messages to two numbers and from them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings = parse({}, home, "test")
        self.ring, self.recorder = Ring(), Recorder()
        world = World(home)
        sent = batch("one", "two", "three", to=ANNA)
        world.accept(sent)
        world.accept(batch("not hers", to=BRUNO))
        self.ids = [id_text(message_id) for message_id in sent.ids]
        now, day = clock.now_ms(), clock.day_of(clock.now_ms())
        for who, said in ((ANNA, "STOP"), (BRUNO, "ciao")):
            (message_id,) = new_ids(1, now)
            index, number = blind_index(INDEX_KEY, who), KEY.seal(who.encode(), b"n" + message_id)
            content = KEY.seal(msgspec.msgpack.encode({"text": said, "parts": 1, "missing": []}), b"h" + message_id)
            world.ledger.work[day].heard.append((message_id, now, 1, index, number, "4040", content))
        world.run()
        assert acts.cancel(world.ledger, day, sent.ids[1], "cli:t", now) == "cancelled"
        world.run()
        assert acts.redact(world.ledger, day, sent.ids[1], "cli:t", now) == "redacted"
        world.run()
        world.crash()
        book = Book(home / "consent.db")
        for who in (ANNA, BRUNO):
            subject = blind_index(INDEX_KEY, who)
            book.decide([(subject, SECRET.seal(who.encode(), b"s" + subject))], "", "stop", "keyword", now, "x", "STOP")
        book.close()

    def export(self, name: str = "out") -> dict[str, Any]:
        holdings = Holdings(self.settings, self.ring, ANNA)
        write(self.home / name, holdings, self.recorder, "cli:ann", 0, lambda what, done: None)
        return {path.stem: json.loads(path.read_text()) for path in (self.home / name).glob("*.json")}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    yield Bank(tmp_path)


def test_everything_of_one_number_and_nothing_of_another(bank: Bank) -> None:
    told = bank.export()
    texts = {m["id"]: (m["to"], m["text"], m["status"], m["erased"]) for m in told["messages"]}
    assert texts == {
        bank.ids[0]: (ANNA, "one", "queued", False),
        bank.ids[1]: (ANNA, None, "cancelled", True),
        bank.ids[2]: (ANNA, "three", "queued", False),
    }
    assert [(m["from"], m["content"]["text"], m["whole"]) for m in told["inbound"]] == [(ANNA, "STOP", True)]
    assert [(d["number"], d["programme"], d["action"], d["counts"]) for d in told["consent"]] == [
        (ANNA, "all", "stop", True)
    ]
    folder = bank.home / "out"
    assert BRUNO not in "".join(path.read_text() for path in folder.iterdir())
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


def test_it_is_on_the_record_before_and_after_without_the_number(bank: Bank) -> None:
    told = bank.export()
    manifest = (bank.home / "out" / "manifest.json").read_bytes()
    assert [e["what"] for e in bank.recorder.entries] == ["subject.export_begun", "subject.exported"]
    assert bank.recorder.entries[1]["detail"] == {"digest": hashlib.sha256(manifest).hexdigest(), "found": 5}
    assert ANNA[1:] not in repr(bank.recorder.entries)
    for name, said in told["manifest"]["files"].items():
        octets = (bank.home / "out" / name).read_bytes()
        assert (hashlib.sha256(octets).hexdigest(), len(json.loads(octets))) == (said["sha256"], said["rows"])
    bank.recorder.down = True
    with pytest.raises(Error, match="auditor"):
        bank.export("other")
    assert not (bank.home / "other").exists(), "nothing was read"


def test_what_a_destroyed_key_sealed_is_told_as_erased(bank: Bank) -> None:
    bank.ring.destroyed = True
    told = bank.export()
    assert [(m["to"], m["text"], m["erased"]) for m in told["messages"]] == [(None, None, True)] * 3
    assert all(m["events"] and m["status"] for m in told["messages"])
    assert [(m["from"], m["content"], m["erased"]) for m in told["inbound"]] == [(None, {}, True)]


def test_a_folder_that_is_there_is_left_alone(bank: Bank) -> None:
    (bank.home / "out").mkdir()
    with pytest.raises(Error) as caught:
        bank.export()
    assert caught.value.code == "file_invalid"
    assert list((bank.home / "out").iterdir()) == []
