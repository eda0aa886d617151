"""What each stage of the engine costs, in microseconds of processor time a message: the real beat and a real store, an operator made of octets."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance import clock
from appliance.keys import DataKey
from appliance.message import BULK, Batch, Content, new_ids
from appliance.router import RouteTable
from appliance.settings import parse
from appliance.smpp import decode, encode, pack_deliver, pack_submit_resp, parse_submit
from appliance.text import encode as encode_text

from .beat import Beat
from .inbound import Inbound
from .ledger import Ledger
from .link import Link

LINK: Final = "bench"
TEXT: Final = "Your payment of EUR 12,50 to ACME was executed. Balance EUR 1.234,00."
RECEIPT: Final = (
    "id:%s sub:001 dlvrd:001 submit date:2611221830 done date:2611221830 stat:DELIVRD err:000 text:Your payment of EUR"
)
CALL_MESSAGES: Final = 100
SUBMIT_SM: Final = 0x04
READ_OCTETS: Final = 65_536
#: Stages that are methods of the beat; the rest of a beat is choosing, packing, and what is looked after.
STAGES: Final = ("accept", "_answers", "_delivers", "_write", "_tell")


class Wire:
    """Stands where a transport would."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        pass

    abort = close


class StageCosts:
    """One engine, one link; every submit is answered in the next beat, with its receipt beside."""

    def __init__(self, folder: Path, window: int) -> None:
        settings = parse({"link": [{"name": LINK, "host": "h", "window": window}]}, folder, "bench")
        (link,) = settings.links
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.link = Link(link, lambda: None, lambda *_: None)
        self.ledger = Ledger(settings.store, RouteTable([("", (LINK,))]), [LINK], ("hold",) * 4, "bench")
        self.beat = Beat(self.ledger, {LINK: self.link}, Inbound())
        for stage in STAGES:
            setattr(self.beat, stage, self._timed(stage.strip("_"), getattr(self.beat, stage)))
        self.ledger.partition(clock.day_of(clock.now_ms()))
        self.wire = Wire()
        self.key = DataKey(1, os.urandom(32))
        self.bind = self.link.submitter
        self.bind.connection_made(self.wire)  # type: ignore[arg-type]
        self.bind.data_received(encode(decode(bytes.fromhex("00000015800000090000000000000001") + b"SMSC\0")))
        self.wire.written.clear()
        self.answered = 0

    def _timed(self, stage: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*values: Any) -> Any:
            began_s = clock.thread_cpu_s()
            try:
                return do(*values)
            finally:
                self.spent[stage] += clock.thread_cpu_s() - began_s

        return timed

    def batch(self) -> bytes:
        """What a gateway sends, as octets."""
        now_ms, n = clock.now_ms(), CALL_MESSAGES
        encoding, payload, segments = encode_text(TEXT)
        ids = new_ids(n, now_ms)
        to = [f"+39347{k:07d}" for k in range(n)]
        content = msgspec.msgpack.encode(Content(encoding, payload))
        batch = Batch(
            clock.day_of(now_ms), now_ms, 1, ids, [1] * n, [BULK] * n, [encoding] * n, [segments] * n, ["BENCH"] * n,
            [39] * n, [os.urandom(16) for _ in ids], [self.key.seal(t.encode(), b"n" + i) for t, i in zip(to, ids, strict=True)],
            [self.key.seal(content, b"c" + i) for i in ids], [0] * n, [now_ms + 3_600_000] * n, [0] * n, to,
            [payload] * n, [],
        )  # fmt: skip
        return msgspec.msgpack.encode(batch)

    def operator_says(self) -> bytes:
        """Answers and receipts for all that was submitted since."""
        octets = b"".join(self.wire.written)
        self.wire.written.clear()
        answers, receipts = [], []
        at = 0
        while at < len(octets):
            end = at + int.from_bytes(octets[at : at + 4], "big")
            if int.from_bytes(octets[at + 4 : at + 8], "big") == SUBMIT_SM:
                submit = parse_submit(octets[at:end])
                self.answered += 1
                operator_id = f"{self.answered:010x}"
                said = (RECEIPT % operator_id).encode()
                answers.append(pack_submit_resp(submit.sequence, 0, operator_id))
                receipts.append(pack_deliver(self.answered, "+" + submit.dest, submit.source, 0x04, 0, said))
            at = end
        return b"".join(answers) + b"".join(receipts)

    async def run(self, count: int, per_beat: int) -> None:
        loop = asyncio.get_running_loop()
        while self.answered < count:
            said = self.operator_says()
            packed = [self.batch() for _ in range(max(1, per_beat // CALL_MESSAGES))]
            whole_s, own_s = clock.process_cpu_s(), clock.thread_cpu_s()
            for octets in packed:
                batch = msgspec.convert(msgspec.msgpack.decode(octets), Batch)
                self.beat.batches.append((batch, loop.create_future()))
            read_s = clock.thread_cpu_s()
            for at in range(0, len(said), READ_OCTETS):
                self.bind.data_received(said[at : at + READ_OCTETS])
            heard_s = clock.thread_cpu_s()
            await self.beat.once()
            done_s = clock.thread_cpu_s()
            self.spent["read batches"] += read_s - own_s
            self.spent["hear"] += heard_s - read_s
            self.spent["beat"] += done_s - heard_s
            self.spent["commit"] += clock.process_cpu_s() - whole_s - (done_s - own_s)


def stage_costs(folder: Path, count: int, per_beat: int) -> dict[str, float]:
    """Microseconds of processor time a message, by stage, in an empty folder. The beat's own stages are not counted twice."""
    costs = StageCosts(folder, max(per_beat * 4, 1_000))
    asyncio.run(costs.run(count, per_beat))
    costs.beat.close()
    spent = costs.spent
    spent["choose, pack and the rest"] = spent.pop("beat") - sum(spent[stage.strip("_")] for stage in STAGES)
    out = {stage: round(seconds / costs.answered * 1e6, 2) for stage, seconds in spent.items()}
    return {**out, "all": round(sum(out.values()), 2)}
