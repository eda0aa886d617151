"""A day sealed anew under another key: everything in it, in steps that may be cut off, while messages come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import clock
from appliance.engine import acts
from appliance.engine import resealing as resealing_file
from appliance.engine.left_stores import LeftStores
from appliance.engine.resealing import TABLES, Resealing
from appliance.engine.scrubbing import Scrubbing
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.keys import DataKey, blind_index
from appliance.message import Content, new_ids
from appliance.store import Reader, wrote
from tests.support.engine_alone import INDEX_KEY, KEY, World, batch

ANNA = "+393471234567"
SUBJECT = blind_index(INDEX_KEY, ANNA)
NEW = DataKey(2, b"n" * 32)
_content = msgspec.msgpack.Decoder(Content).decode


class Ring:
    async def by_id(self, key_id: int) -> DataKey:
        return {1: KEY, 2: NEW}[key_id]

    async def successor(self, key_id: int) -> DataKey:
        if key_id != KEY.key_id:
            raise Error("key_state", "not compromised")
        return NEW


class Bank(World):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.day = clock.day_of(clock.now_ms())
        self.pager.keyring = Ring()  # type: ignore[assignment]
        self.scrubbing = Scrubbing(self.ledger)
        stores = LeftStores(self.ledger, {})
        self.resealing = Resealing(self.ledger, Ring(), self._do, stores, self.scrubbing.days)  # type: ignore[arg-type]

    async def _do(self, act: Callable[[], Any]) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.beat.acts.append((act, future))
        await self.beat.once()
        await self.scrubbing.step()
        return await future

    def reseal(self, table: str, **asked: Any) -> dict[str, Any]:
        payload = {"key_id": 1, "day": self.day, "table": table, "who": "console:ann", **asked}
        return asyncio.run(self.resealing.reseal(payload, Peer(1, 1, 1)))

    def all(self) -> int:
        rows = 0
        for table in TABLES:
            asked: dict[str, Any] = {}
            while True:
                done = self.reseal(table, **asked)
                rows += done["rows"]
                if not done["more"]:
                    break
                asked = {"after": done["after"], "after_mac": done["after_mac"]}
        return rows

    def hears(self, text: str) -> None:
        now = clock.now_ms()
        (message_id,) = new_ids(1, now)
        sealed = KEY.seal(ANNA.encode(), b"n" + message_id)
        part, whole = (KEY.seal(text.encode(), aad + message_id) for aad in (b"c", b"h"))
        work = self.ledger.work[self.day]
        work.inbound.append((message_id, 1, now, 1, SUBJECT, sealed, "4040", part))
        work.heard.append((message_id, now, 1, SUBJECT, sealed, "4040", whole))
        self.run()

    def texts(self) -> list[tuple[str, bytes]]:
        """Every message to the number, opened with the new key alone."""
        reader = Reader(self.folder)
        found = reader.search(number_index=SUBJECT)[0]
        reader.close()
        out = []
        for row in reversed(found):
            assert row.key_id == 2
            to = NEW.open(row.number or b"", b"n" + row.id).decode()
            content = NEW.open(row.content, b"c" + row.id) if row.content is not None else None
            out.append((to, _content(content).payload if content is not None else b""))
        return out


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


def test_everything_is_under_the_new_key_and_says_the_same(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing_file, "ROWS", 2)
    bank.bind()
    usual = batch("one", "two", "three")
    bank.accept(usual)
    for n, each in enumerate(bank.submits()):
        bank.answer(each.sequence, f"op{n}")
    bank.run()
    assert acts.redact(bank.ledger, bank.day, usual.ids[1], "cli:t", clock.now_ms()) == "redacted"
    bank.run()
    bank.accept(batch("long " * 60))
    answered = batch("answered", "again")
    mac = b"m" * 16
    answered.requests = [
        msgspec.structs.replace(r, answer=KEY.seal(b"202", b"a" + mac)) for r in batch("x", key=mac).requests
    ]
    bank.accept(answered)
    for text in ("a", "b", "c"):
        bank.hears(text)
    assert bank.all() == 3 + 2 + 2 + 3 + 3 + 1, (
        "batches of three and two, two rows, three parts, three wholes, an answer"
    )
    told = bank.texts()
    assert [to for to, _ in told] == [ANNA] * 6 and [t for _, t in told][:3] == [b"one", b"", b"three"]
    assert {each.key_id for each in wrote(bank.folder, SUBJECT)} == {2}
    assert [NEW.open(each.content, (b"h" if each.whole else b"c") + each.id) for each in wrote(bank.folder, SUBJECT)][
        :2
    ] == [b"a", b"b"]
    (row,) = bank.ledger.partitions[bank.day].idempotent([mac]).values()
    assert (row[1], NEW.open(row[2], b"a" + mac)) == (2, b"202")
    assert bank.all() == 0, "again: nothing is left"
    bank.receipt("op0")
    bank.run()
    assert bank.status(usual.ids[0]) == "delivered"
    octets = b"".join(
        path.read_bytes() for path in bank.folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")
    )
    assert not any(sealed[12:40] in octets for sealed in (*usual.numbers, *usual.contents)), "what the old key sealed"


def test_cut_off_and_begun_again_it_does_nothing_twice(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing_file, "BATCHES", 1)
    for _ in range(4):
        bank.accept(batch("a", "b"))
    first = bank.reseal("batch")
    assert (first["rows"], first["more"], first["after"] < first["last"]) == (2, True, True)
    bank.crash()
    again = Bank(bank.folder.parent)
    again.start()
    assert again.all() == 6
    assert len(again.texts()) == 8
    entries = again.ledger.outboxes[again.day].pending(100)[1]
    assert sum(e["detail"]["rows"] for e in entries if e["what"] == "key.resealed") == 8


def test_what_waits_is_sent_after_a_restart_under_the_new_key_alone(bank: Bank) -> None:
    bank.accept(batch("now", "then"))
    bank.accept(batch("later", at=clock.now_ms() + 3_000_000))
    bank.all()
    bank.crash()
    again = Bank(bank.folder.parent)
    again.start()
    again.bind()
    again.step()
    assert [each.short_message for each in again.submits()] == [b"now", b"then"]


def test_a_broken_seal_is_counted_and_left_and_only_a_compromised_key_is_replaced(bank: Bank) -> None:
    broken = batch("x" * 300, "y" * 300)
    broken.contents[0] = broken.contents[0][:-1] + bytes([broken.contents[0][-1] ^ 1])
    bank.accept(broken)
    done = bank.reseal("message")
    assert (done["rows"], done["unreadable"], done["more"]) == (1, 1, False)
    for asked, code in (({"key_id": 2}, "key_state"), ({"table": "segment"}, "malformed"), ({"day": "x"}, "malformed")):
        with pytest.raises(Error) as caught:
            bank.reseal(**{"table": "message", **asked})  # type: ignore[arg-type]
        assert caught.value.code == code


def test_a_replacement_sealed_under_the_old_key_is_refused_once_the_message_is_not(bank: Bank) -> None:
    sent = batch("old words " * 30, at=clock.now_ms() + 3_000_000)
    bank.accept(sent)
    fields = {
        "payload": b"new",
        "encoding": 0,
        "segments": 1,
        "send_at_ms": sent.send_at_ms[0],
        "expires_ms": sent.expires_ms[0],
    }

    def replaced(key: DataKey) -> Any:
        content = key.seal(msgspec.msgpack.encode(Content(0, b"new")), b"c" + sent.ids[0])
        asked = {"id": sent.ids[0], "content": content, "notify": 0, "who": "door:x", "key_id": key.key_id, **fields}
        _, act = acts.asked("replace", asked)
        return act(bank.ledger, bank.day, clock.now_ms())

    bank.all()
    with pytest.raises(Error) as caught:
        replaced(KEY)
    assert caught.value.code == "overloaded"
    assert replaced(NEW) == "replaced"
    bank.run()
    assert [text for _, text in bank.texts()] == [b"new"]
