"""Requests joined into batches: columns stay level, every request gets its own outcome, and what must not meet does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.errors import Error
from appliance.intake import CONFLICT, Funnel, empty_batch
from appliance.limits import COMMIT_ROWS_MAX, GATEWAY_FLIGHTS_MAX
from appliance.message import Batch, IdempotentRequest


def batch(rows: int, tag: int = 0, mac: bytes = b"", day: int = 1, payload: bytes = b"x", basis: str = "") -> Batch:
    made = empty_batch(day, day * 86_400_000 + tag, 7)
    made.basis = basis
    for name in made.__struct_fields__[3:-3]:
        getattr(made, name).extend([tag] * rows if name not in ("ids", "payloads") else [payload] * rows)
    if mac:
        made.requests.append(IdempotentRequest(0, rows, mac, b"b", b"a"))
    return made


class Engine:
    """Notes what it gets; answers when told to."""

    def __init__(self) -> None:
        self.got: list[Batch] = []
        self.gate = asyncio.Event()
        self.reply: dict[str, Any] = {"replays": [], "conflicts": []}
        self.error: Exception | None = None

    async def accept(self, given: Batch) -> dict[str, Any]:
        self.got.append(given)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.reply


async def turns(n: int = 5) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def test_what_arrives_during_a_commit_leaves_together() -> None:
    async def story() -> None:
        engine = Engine()
        funnel = Funnel(engine.accept)
        first = asyncio.ensure_future(funnel.commit(batch(1)))
        await turns()
        rest = [asyncio.ensure_future(funnel.commit(batch(2, n))) for n in range(1, 6)]
        await turns()
        assert [len(b.ids) for b in engine.got] == [1]
        assert funnel.pending == 11
        engine.gate.set()
        await asyncio.gather(first, *rest)
        assert [len(b.ids) for b in engine.got] == [1, 10]
        assert engine.got[1].callers == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
        assert engine.got[1].accepted_ms == 86_400_005
        assert funnel.pending == funnel.flights == 0

    asyncio.run(story())


def test_several_may_be_under_way_at_once_then_the_rest_gathers() -> None:
    async def story() -> None:
        engine = Engine()
        funnel = Funnel(engine.accept, at_once=2)
        all_ = []
        for n in range(4):
            all_.append(asyncio.ensure_future(funnel.commit(batch(1, n))))
            await turns()
        assert [b.callers for b in engine.got] == [[0], [1]]
        engine.gate.set()
        await asyncio.gather(*all_)
        assert [b.callers for b in engine.got] == [[0], [1], [2, 3]]
        assert funnel.pending == funnel.flights == 0

    asyncio.run(story())


def test_outcomes_find_their_request() -> None:
    async def story() -> None:
        engine = Engine()
        engine.gate.set()
        engine.reply = {"replays": [[1, 9, b"sealed"]], "conflicts": [2]}
        funnel = Funnel(engine.accept)
        outcomes = await asyncio.gather(
            funnel.commit(batch(1, 1)),
            funnel.commit(batch(2, 2, b"k1")),
            funnel.commit(batch(3, 3)),
            funnel.commit(batch(1, 4, b"k2")),
            funnel.commit(batch(1, 5, b"k3")),
        )
        assert outcomes == [None, None, None, (9, b"sealed"), CONFLICT]
        assert [(r.first, r.count) for r in engine.got[0].requests] == [(1, 2), (6, 1), (7, 1)]

    asyncio.run(story())


@pytest.mark.parametrize(
    "parts",
    [
        [batch(1, 1, b"k"), batch(1, 2, b"k")],
        [batch(1, 1, day=1), batch(1, 2, day=2)],
        [batch(1, 1, basis="consent=1"), batch(1, 2, basis="consent=2")],
        [batch(COMMIT_ROWS_MAX - 1, 1), batch(2, 2)],
        [batch(1, 1, payload=bytes(12 << 20)), batch(1, 2, payload=bytes(12 << 20))],
    ],
    ids=["same idempotency key", "midnight", "rules", "rows of a transaction", "octets of a frame"],
)
def test_what_must_not_meet_does_not(parts: list[Batch]) -> None:
    async def story() -> None:
        engine = Engine()
        engine.gate.set()
        funnel = Funnel(engine.accept)
        await asyncio.gather(*(funnel.commit(p) for p in parts))
        assert [b.callers[0] for b in engine.got] == [1, 2]

    asyncio.run(story())


def test_large_batches_do_not_wait_and_flights_are_few() -> None:
    async def story() -> None:
        engine = Engine()
        funnel = Funnel(engine.accept)
        tasks = [asyncio.ensure_future(funnel.commit(batch(COMMIT_ROWS_MAX, n))) for n in range(8)]
        await turns()
        assert len(engine.got) == GATEWAY_FLIGHTS_MAX
        engine.gate.set()
        await asyncio.gather(*tasks)
        assert [b.callers[0] for b in engine.got] == list(range(8))

    asyncio.run(story())


def test_every_request_of_a_failed_batch_is_told_and_the_next_goes_on() -> None:
    async def story() -> None:
        engine = Engine()
        engine.gate.set()
        engine.error = Error("store_full", "no room")
        funnel = Funnel(engine.accept)
        results = await asyncio.gather(*(funnel.commit(batch(1)) for _ in range(3)), return_exceptions=True)
        assert [r.code for r in results if isinstance(r, Error)] == ["store_full"] * 3
        assert len({id(r) for r in results}) == 3
        engine.error = None
        assert await funnel.commit(batch(1)) is None
        await funnel.settle()
        assert funnel.pending == 0

    asyncio.run(story())


def test_a_caller_that_went_away_holds_up_nobody() -> None:
    async def story() -> None:
        engine = Engine()
        funnel = Funnel(engine.accept)
        gone = asyncio.ensure_future(funnel.commit(batch(1)))
        await turns()
        gone.cancel()
        stays = asyncio.ensure_future(funnel.commit(batch(1)))
        await turns()
        engine.gate.set()
        assert await stays is None
        assert funnel.pending == 0

    asyncio.run(story())


def test_the_bound_on_what_is_pending() -> None:
    async def story() -> None:
        engine = Engine()
        funnel = Funnel(engine.accept, pending_max=10)
        task = asyncio.ensure_future(funnel.commit(batch(8)))
        await turns()
        with pytest.raises(Error) as e:
            await funnel.commit(batch(3))
        assert e.value.code == "overloaded"
        engine.gate.set()
        await task

    asyncio.run(story())
