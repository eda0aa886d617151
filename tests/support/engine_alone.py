"""The engine without sockets: operators made of octets, real partitions on disk, beats by hand."""

from __future__ import annotations

import asyncio
from copy import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import clock
from appliance.engine.asking import Asker
from appliance.engine.beat import Beat
from appliance.engine.inbound import Inbound
from appliance.engine.ledger import Ledger
from appliance.engine.link import Link
from appliance.engine.paging import Pager
from appliance.engine.resolving import Resolver
from appliance.keys import DataKey, blind_index
from appliance.message import TRANSACTION, Batch, Content, IdempotentRequest, new_ids
from appliance.router import RouteTable
from appliance.settings import Settings, parse
from appliance.smpp import Framer, decode, encode, pack_deliver, pack_submit_resp, parse_submit
from appliance.store import Found, Reader
from appliance.text import encode as encode_text

BIND_TRANSCEIVER, SUBMIT_SM = 0x09, 0x04
KEY = DataKey(1, b"k" * 32)
INDEX_KEY = b"x" * 32


class Wire:
    """Stands where a transport would: keeps what was written."""

    def __init__(self) -> None:
        self.octets = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.octets += data

    def close(self) -> None:
        self.closed = True

    abort = close


class Ring:
    """The keys process, as far as the engine asks it."""

    async def by_id(self, key_id: int) -> DataKey:
        assert key_id == KEY.key_id
        return KEY


class Time:
    """Both clocks, in the test's hand; it is noon today, so that no minute and no day ends by chance."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ms = clock.day_of(clock.now_ms()) * clock.DAY_MS + clock.DAY_MS // 2
        self.s = clock.monotonic_s()
        patch.setattr(clock, "now_ms", lambda: self.ms)
        patch.setattr(clock, "monotonic_s", lambda: self.s)

    def pass_(self, seconds: float) -> None:
        self.s += seconds
        self.ms += int(seconds * 1000)


class World:
    """One engine and its links, each with an operator that says only what the test makes it say."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("op",), **link: Any) -> None:
        raw = {"link": [{"name": name, "host": "h", "window": 10, **link} for name in names]}
        self.settings: Settings = parse(raw, folder, "test")
        routes = RouteTable([("", names)])
        self.folder = self.settings.store
        self.ledger = Ledger(self.folder, routes, list(names), ("resend", "hold", "hold", "hold"), "engine-0")
        self.links = {each.name: Link(each, lambda: None, lambda *_: None) for each in self.settings.links}
        self.link = self.links[names[0]]
        self.inbound = Inbound()
        self.inbound.keys = (KEY, INDEX_KEY)
        self.beat = Beat(self.ledger, self.links, self.inbound)
        self.pager = Pager(self.ledger, Ring())  # type: ignore[arg-type]
        self.resolver = Resolver(self.ledger, self.links, self.inbound, Ring())  # type: ignore[arg-type]
        self.asker = Asker(self.ledger, self.links)
        self.framer = Framer()
        self.wire = Wire()
        self.ledger.partition(clock.day_of(clock.now_ms()))

    def start(self) -> int:
        """As the process does: what a crash left is settled, the rest is paged in. Segments found undecided."""
        undecided = self.pager.recover(clock.now_ms())
        self.run()
        self.step()
        return undecided

    def step(self) -> None:
        """Pages in, then a beat."""

        async def both() -> None:
            await self.pager.fill(clock.monotonic_s(), clock.now_ms())
            await self.resolver.look(clock.monotonic_s(), clock.now_ms())
            self.asker.step(clock.monotonic_s(), clock.now_ms())
            await self.beat.once()

        asyncio.run(both())

    def crash(self) -> None:
        """The process is gone: what was not committed never was."""
        self.beat.close()

    def other(self, name: str) -> World:
        """The same world, seen from another of its operators."""
        view = copy(self)
        view.link, view.wire, view.framer = self.links[name], Wire(), Framer()
        return view

    def bind(self) -> None:
        self.wire, self.framer = Wire(), Framer()
        bind = self.link.submitter
        bind.session = bind._session()
        bind.connection_made(self.wire)  # type: ignore[arg-type]
        (request,) = self.heard()
        assert request.command_id == BIND_TRANSCEIVER
        self.say(encode(decode(bytes.fromhex("00000015800000090000000000000001") + b"SMSC\0")))
        assert self.link.up

    def say(self, octets: bytes) -> None:
        self.link.submitter.data_received(octets)

    def heard(self) -> list[Any]:
        octets, self.wire.octets = self.wire.octets, b""
        return [decode(frame) for frame in self.framer.hear(octets)]

    def submits(self) -> list[Any]:
        octets, self.wire.octets = self.wire.octets, b""
        frames = self.framer.hear(octets)
        return [parse_submit(f) for f in frames if int.from_bytes(f[4:8], "big") == SUBMIT_SM]

    def answer(self, sequence: int, operator_id: str, status: int = 0) -> None:
        self.say(pack_submit_resp(sequence, status, operator_id))

    def receipt(
        self,
        operator_id: str,
        stat: str = "DELIVRD",
        sequence: int = 77,
        text: str = "",
        to: str = "+393471234567",
        sender: str = "BANK",
        tlvs: bytes = b"",
    ) -> None:
        said = (
            f"id:{operator_id} sub:001 dlvrd:001 submit date:2611221830 done date:2611221830 stat:{stat} err:000"
            f" text:{text}"
        )
        self.say(pack_deliver(sequence, to, sender, 0x04, 0, said.encode("latin-1", "replace"), tlvs))

    def run(self) -> None:
        asyncio.run(self.beat.once())

    def accept(self, batch: Batch) -> Any:
        async def both() -> Any:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self.beat.batches.append((batch, future))
            await self.beat.once()
            return await future

        return asyncio.run(both())

    def drop(self) -> None:
        self.link.submitter.connection_lost(None)

    def found(self, message_id: bytes) -> Found:
        reader = Reader(self.folder)
        found = reader.message(message_id)
        reader.close()
        assert found is not None
        return found

    def status(self, message_id: bytes) -> str:
        return self.found(message_id).events[-1][1]


_content = msgspec.msgpack.encode


def batch(
    *texts: str,
    class_: int = TRANSACTION,
    life_ms: int = 3_600_000,
    at: int = 0,
    key: bytes = b"",
    body: bytes = b"b",
    now: int = 0,
    to: str = "+393471234567",
) -> Batch:
    now = now or clock.now_ms()
    n = len(texts)
    ids = new_ids(n, now)
    encoded = [encode_text(t) for t in texts]
    requests = [IdempotentRequest(0, n, key, body, b"sealed answer")] if key else []
    return Batch(
        clock.day_of(now), now, 1, ids, [1] * n, [class_] * n, [e[0] for e in encoded], [e[2] for e in encoded],
        ["BANK"] * n, [39] * n, [blind_index(INDEX_KEY, to)] * n, [KEY.seal(to.encode(), b"n" + i) for i in ids],
        [KEY.seal(_content(Content(e[0], e[1])), b"c" + i) for e, i in zip(encoded, ids, strict=True)], [at] * n, [(at or now) + life_ms] * n,
        [0] * n, [to] * n, [e[1] for e in encoded], requests,
    )  # fmt: skip
