"""The rounds with a real book, keys of the test's own, a clock and an HTTP transport in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from standardwebhooks.webhooks import Webhook

from appliance.courier.book import Book
from appliance.courier.letter import secret_text
from appliance.courier.rounds import Label, Rounds
from appliance.errors import Error
from appliance.message import DELIVERED, REDACTED, SENT, Content, new_ids

KEY = bytes(32)
TEXT = "Il codice è 123456".encode("utf-16-be")
NOW = 1_800_000_000_000
URL = "https://hooks.bank.example/status?token=t0k3n"


class Key:
    def __init__(self) -> None:
        self._cipher = AESGCM(KEY)
        self._nonce = 0

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        self._nonce += 1
        nonce = self._nonce.to_bytes(12, "big")
        return nonce + self._cipher.encrypt(nonce, plaintext, aad)

    def open(self, blob: bytes, aad: bytes) -> bytes:
        try:
            return self._cipher.decrypt(blob[:12], blob[12:], aad)
        except Exception:
            raise Error("key_refused", "does not open") from None


class Ring:
    def __init__(self) -> None:
        self.key = Key()
        self.failing: Error | None = None

    async def by_id(self, key_id: int) -> Key:
        if self.failing:
            raise self.failing
        return self.key

    async def derive(self, purpose: str, subject: str) -> bytes:
        if self.failing:
            raise self.failing
        return f"{purpose}|{subject}".encode().ljust(32, b".")


class Arriving(httpx.AsyncByteStream):
    """A body that comes in pieces, as from a socket."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self.octets), 16_384):
            yield self.octets[at : at + 16_384]


class Desk:
    """A book, its rounds, a clock to turn, and the far side: `answer(request) -> Response`, with what it heard."""

    def __init__(self, path: Path) -> None:
        self.now = NOW
        self.book = Book(path)
        self.ring = Ring()
        self.heard: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], Any] = lambda request: httpx.Response(204)
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._hear), trust_env=False)
        self.rounds = self.fresh_rounds()
        self.number = 0

    def fresh_rounds(self) -> Rounds:
        hosts = ["hooks.bank.example", "dead.bank.example"]
        return Rounds(self.book, self.ring, self.client, hosts, False, lambda: self.now, lambda: 0.0)

    async def _hear(self, request: httpx.Request) -> httpx.Response:
        self.heard.append(request)
        answer = self.answer(request)
        whole: httpx.Response = await answer if asyncio.iscoroutine(answer) else answer
        return httpx.Response(whole.status_code, headers=whole.headers, stream=Arriving(whole.content))

    def event(self, id_: bytes, status: int, url: str | None = URL, **more: Any) -> list[Any]:
        content = Content(1, TEXT, "ref", url, more.get("metadata"))
        sealed = self.ring.key.seal(msgspec.msgpack.encode(content), b"c" + id_)
        return [id_, 1, sealed, status, self.now, more.get("error", ""), 7]

    def bring(self, *events: list[Any]) -> None:
        self.book.take("engine-0", self.number + 1, events, self.now)
        self.number += len(events)

    async def turn(self) -> None:
        """Sorts, starts what is due, waits for it, records it."""
        while await self.rounds.sort_some():
            pass
        self.rounds.start_due()
        await self.rounds.stop(5.0)

    def told(self) -> list[tuple[str, str]]:
        out = []
        for request in self.heard:
            data = json.loads(request.content)["data"]
            out.append((data["id"], data["status"]))
        return out


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    it = Desk(tmp_path / "courier.db")
    yield it
    it.book.close()


IDS = new_ids(50, NOW)


def test_a_status_is_told_once_and_signed(desk: Desk) -> None:
    async def story() -> None:
        desk.bring(desk.event(IDS[0], DELIVERED, metadata={"k": "v"}))
        await desk.turn()
        await desk.turn()

    asyncio.run(story())
    (request,) = desk.heard
    octets = request.content
    hook = Webhook(secret_text(b"webhook secret|7".ljust(32, b".")))
    at = datetime.fromtimestamp(NOW // 1000, UTC)
    assert request.headers["webhook-timestamp"] == str(NOW // 1000)
    assert request.headers["webhook-signature"] == hook.sign(request.headers["webhook-id"], at, octets.decode())
    assert desk.book.pending() == (0, None)
    assert desk.book.tallies() == {"told": 1}
    assert b"123456" not in octets and TEXT not in octets


def test_order_is_kept_per_message_while_the_first_fails(desk: Desk) -> None:
    async def story() -> None:
        desk.answer = lambda request: httpx.Response(500)
        desk.bring(desk.event(IDS[0], SENT), desk.event(IDS[0], DELIVERED))
        await desk.turn()
        assert [s for _, s in desk.told()] == ["sent"]
        desk.now += 4_999
        await desk.turn()
        assert len(desk.heard) == 1
        desk.now += 1
        desk.answer = lambda request: httpx.Response(200)
        await desk.turn()
        await desk.turn()
        assert [s for _, s in desk.told()] == ["sent", "sent", "delivered"]
        assert desk.heard[0].headers["webhook-id"] == desk.heard[1].headers["webhook-id"]
        assert desk.heard[0].content == desk.heard[1].content

    asyncio.run(story())
    assert desk.book.tallies() == {"again": 1, "told": 2}


@pytest.mark.parametrize(("status", "tally"), [(410, "stopped"), (404, "stopped"), (400, "stopped")])
def test_a_refusal_ends_it(desk: Desk, status: int, tally: str) -> None:
    async def story() -> None:
        desk.answer = lambda request: httpx.Response(status)
        desk.bring(desk.event(IDS[0], DELIVERED))
        await desk.turn()

    asyncio.run(story())
    assert desk.book.tallies() == {tally: 1}
    assert desk.book.pending()[0] == 0


def test_a_day_of_failures_is_the_end(desk: Desk) -> None:
    async def story() -> None:
        desk.answer = lambda request: httpx.Response(500)
        desk.bring(desk.event(IDS[0], DELIVERED))
        while desk.book.pending()[0]:
            await desk.turn()
            host = "hooks.bank.example:443"
            desk.now = desk.book.next_ms(host, desk.now) or desk.now

    asyncio.run(story())
    assert len(desk.heard) == 15
    assert desk.book.tallies() == {"again": 14, "given_up": 1}


def test_retry_after_pauses_the_host(desk: Desk) -> None:
    async def story() -> None:
        desk.answer = lambda request: httpx.Response(429, headers={"retry-after": "60"})
        desk.bring(desk.event(IDS[0], DELIVERED))
        await desk.turn()
        desk.answer = lambda request: httpx.Response(200)
        desk.now += 30_000
        desk.bring(desk.event(IDS[1], DELIVERED))
        await desk.turn()
        assert len(desk.heard) == 1
        desk.now += 30_000
        await desk.turn()
        assert len(desk.heard) == 3

    asyncio.run(story())


def test_a_dead_host_does_not_stall_another(desk: Desk) -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def story() -> None:
        dead = "https://dead.bank.example/x"
        desk.answer = lambda request: never(request) if request.url.host.startswith("dead") else httpx.Response(200)
        desk.bring(*(desk.event(id_, DELIVERED, dead) for id_ in IDS[:40]), desk.event(IDS[49], DELIVERED))
        while await desk.rounds.sort_some():
            pass
        desk.rounds.start_due()
        for _ in range(50):
            await asyncio.sleep(0)
        desk.rounds.settle()
        assert desk.book.tallies() == {"told": 1}
        assert sum(r.url.host.startswith("dead") for r in desk.heard) == 8
        await desk.rounds.stop(0)

    asyncio.run(story())
    assert desk.book.pending()[0] == 40


def test_a_failing_host_gets_one_attempt_at_a_time(desk: Desk) -> None:
    async def story() -> None:
        desk.answer = lambda request: httpx.Response(500)
        desk.bring(*(desk.event(id_, DELIVERED) for id_ in IDS[:20]))
        await desk.turn()
        assert len(desk.heard) == 8
        await desk.turn()
        assert len(desk.heard) == 9
        desk.answer = lambda request: httpx.Response(200)
        await desk.turn()
        await desk.turn()
        assert len(desk.heard) == 18

    asyncio.run(story())


def test_what_was_taken_before_is_skipped(desk: Desk) -> None:
    events = [desk.event(IDS[k], DELIVERED) for k in range(3)]
    assert desk.book.take("engine-0", 1, events[:2], NOW) == 2
    assert desk.book.take("engine-0", 1, events, NOW) == 3
    assert desk.book.take("engine-0", 2, events[1:2], NOW) == 3
    assert desk.book.take("engine-1", 1, [desk.event(IDS[9], DELIVERED)], NOW) == 1
    assert desk.book.pending()[0] == 4


def test_a_restart_goes_on_where_it_was(desk: Desk) -> None:
    async def story() -> None:
        desk.answer = lambda request: httpx.Response(500)
        desk.bring(desk.event(IDS[0], SENT), desk.event(IDS[0], DELIVERED))
        await desk.turn()
        desk.rounds = desk.fresh_rounds()
        desk.answer = lambda request: httpx.Response(200)
        desk.now += 5_000
        await desk.turn()
        await desk.turn()
        assert [s for _, s in desk.told()] == ["sent", "sent", "delivered"]

    asyncio.run(story())


def test_without_keys_it_waits_and_no_attempt_counts(desk: Desk) -> None:
    async def story() -> None:
        desk.bring(desk.event(IDS[0], DELIVERED))
        desk.ring.failing = Error("hsm_unavailable", "gone")
        with pytest.raises(Error, match="hsm_unavailable"):
            await desk.rounds.sort_some()
        desk.ring.failing = None
        await desk.rounds.sort_some()
        desk.ring.failing = Error("peer_unavailable", "gone")
        desk.rounds.start_due()
        await desk.rounds.stop(5.0)
        assert desk.heard == []
        desk.ring.failing = None
        assert desk.rounds.start_due() > 0
        desk.now += 1_001
        await desk.turn()
        assert len(desk.heard) == 1

    asyncio.run(story())
    assert desk.book.tallies() == {"told": 1}


@pytest.mark.parametrize("url", [None, "https://elsewhere.example/x", "http://hooks.bank.example/"])
def test_an_address_that_is_not_allowed_is_never_called(desk: Desk, url: str | None) -> None:
    async def story() -> None:
        desk.bring(desk.event(IDS[0], DELIVERED, url), desk.event(IDS[1], DELIVERED))
        await desk.turn()

    asyncio.run(story())
    assert [r.url.host for r in desk.heard] == ["hooks.bank.example"]
    assert desk.book.tallies() == {"refused": 1, "told": 1}


def test_an_address_taken_off_the_list_is_not_called_again(desk: Desk) -> None:
    async def story() -> None:
        desk.bring(desk.event(IDS[0], DELIVERED))
        await desk.rounds.sort_some()
        desk.rounds.hosts = []
        await desk.turn()

    asyncio.run(story())
    assert desk.heard == [] and desk.book.tallies() == {"refused": 1}


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 200])
def test_what_does_not_open_is_set_aside(desk: Desk, sealed: bytes) -> None:
    async def story() -> None:
        broken = desk.event(IDS[0], DELIVERED)
        broken[2] = sealed
        desk.bring(broken, desk.event(IDS[1], DELIVERED))
        await desk.turn()

    asyncio.run(story())
    assert len(desk.heard) == 1 and desk.book.tallies()["refused"] == 1


def test_the_label_of_one_message_does_not_open_for_another(desk: Desk) -> None:
    async def story() -> None:
        desk.bring(desk.event(IDS[0], DELIVERED), desk.event(IDS[1], DELIVERED, "https://dead.bank.example/"))
        await desk.rounds.sort_some()
        (first,) = desk.book.due("hooks.bank.example:443", NOW, 5)
        (second,) = desk.book.due("dead.bank.example:443", NOW, 5)
        assert msgspec.msgpack.decode(desk.ring.key.open(first.sealed, b"w" + IDS[0]), type=Label).callback_url == URL
        outcome = await desk.rounds.attempt(first._replace(sealed=second.sealed))
        assert outcome.next_ms is None and outcome.tally == "refused"

    asyncio.run(story())
    assert desk.heard == []


def test_forgotten_means_nothing_is_left(desk: Desk) -> None:
    async def story() -> None:
        desk.bring(desk.event(IDS[0], SENT), desk.event(IDS[0], DELIVERED))
        await desk.rounds.sort_some()
        desk.bring([IDS[0], 1, b"", REDACTED, NOW, "", 1])
        assert desk.book.tallies()["forgotten"] == 2
        await desk.turn()

    asyncio.run(story())
    assert desk.heard == [] and desk.book.pending() == (0, None)


def test_the_text_is_not_kept_and_nothing_is_clear(desk: Desk, tmp_path: Path) -> None:
    async def story() -> None:
        desk.bring(desk.event(IDS[0], DELIVERED))
        await desk.rounds.sort_some()
        (due,) = desk.book.due("hooks.bank.example:443", NOW, 5)
        assert TEXT not in desk.ring.key.open(due.sealed, b"w" + IDS[0])

    asyncio.run(story())
    whole = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert b"t0k3n" not in whole and TEXT not in whole


def test_a_huge_or_broken_answer_is_survived(desk: Desk) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("not http")

    async def story() -> None:
        desk.answer = lambda request: httpx.Response(200, content=b"x" * 1_000_000)
        desk.bring(desk.event(IDS[0], DELIVERED), desk.event(IDS[1], DELIVERED, "https://dead.bank.example/"))
        await desk.turn()
        desk.answer = broken
        desk.bring(desk.event(IDS[2], DELIVERED))
        await desk.turn()

    asyncio.run(story())
    assert desk.book.tallies() == {"told": 2, "again": 1}
    assert desk.rounds.state()["hosts"][1]["last_error"] == "RemoteProtocolError"
