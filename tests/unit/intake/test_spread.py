"""Requests over several engines: each where its routes and its key allow, and what is urgent ahead of bulk."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.errors import Error
from appliance.intake import Spread, empty_batch, least_urgent
from appliance.message import BULK, OTP, TRANSACTION, Batch, new_ids, shard_of
from appliance.shards import Layout

AT = 1_795_305_600_000
EVEN = Layout(3, 3, {"big": 3}, frozenset({3}))
UNEVEN = Layout(3, 3, {"big": 3, "small": 1}, frozenset({1, 3}))
MAC = (5).to_bytes(8, "big") + bytes(8)  # its home is 2 of 3


class Table:
    """+39 goes over `big`, all else over `small`."""

    def group(self, to: str, class_: int, sender: str) -> Any:
        return SimpleNamespace(links=("big",) if to.startswith("+39") else ("big", "small"))


def row(to: str, class_: str | None = None) -> Any:
    return SimpleNamespace(to=to, class_=class_, from_=None)


def batch(shard: int, class_: int = TRANSACTION, rows: int = 1) -> Batch:
    made = empty_batch(1, AT, 7)
    made.ids += new_ids(rows, AT, shard)
    made.classes += [class_] * rows
    return made


async def nothing(_: Batch) -> dict[str, Any]:
    return {"replays": [], "conflicts": []}


def owner(spread: Spread, rows: list[Any] | None, mac: bytes = b"") -> int:
    return asyncio.run(spread.owner(rows, Table(), mac))


def test_equals_take_turns_and_a_dead_one_is_passed_over() -> None:
    spread = Spread(nothing, None, EVEN)
    assert {owner(spread, [row("+393331234567")]) for _ in range(3)} == {0, 1, 2}
    spread.look({1: (False, "gone")})
    assert {owner(spread, [row("+393331234567")]) for _ in range(6)} == {0, 2}
    spread.look({0: (False, "gone"), 2: (False, "gone")})
    with pytest.raises(Error, match="durable"):
        owner(spread, [])


def test_a_request_goes_where_every_row_can_leave() -> None:
    spread = Spread(nothing, None, UNEVEN)
    assert {owner(spread, [row("+393331234567")]) for _ in range(6)} == {0, 1, 2}
    assert {owner(spread, [row("+393331234567"), row("+441632960961")]) for _ in range(6)} == {0}
    assert {owner(spread, None) for _ in range(6)} == {0}, "of what nobody has read yet nothing is known"
    assert {owner(spread, [row("nonsense"), Error("invalid", "x")]) for _ in range(6)} == {0, 1, 2}


def test_a_key_stays_where_it_is_also_while_that_engine_is_away() -> None:
    spread = Spread(nothing, None, EVEN)
    spread.look({2: (False, "gone")})
    assert {owner(spread, [row("+393331234567")], MAC) for _ in range(5)} == {2}


def test_a_key_that_was_spread_otherwise_is_found() -> None:
    asked: list[int] = []

    async def seen(shard: int, macs: list[bytes]) -> list[bytes]:
        asked.append(shard)
        return macs if shard == 0 else []

    spread = Spread(nothing, seen, UNEVEN)
    assert owner(spread, [row("+393331234567")], MAC) == 0
    assert asked == [0], "asked once, and only where it may be"

    async def never(shard: int, macs: list[bytes]) -> list[bytes]:
        return []

    assert owner(Spread(nothing, never, UNEVEN), [row("+393331234567")], MAC) == 2


def test_bulk_is_refused_first_and_one_time_codes_last() -> None:
    async def story() -> None:
        gate = asyncio.Event()

        async def slow(given: Batch) -> dict[str, Any]:
            await gate.wait()
            return {"replays": [], "conflicts": []}

        spread = Spread(slow, None, EVEN, pending_max=100)
        waits = asyncio.ensure_future(spread.commit(batch(1, BULK, 50)))
        await asyncio.sleep(0)
        with pytest.raises(Error, match="too many"):
            spread.check_room(1, BULK)
        for class_ in (OTP, 1, TRANSACTION):
            spread.check_room(1, class_)
        more = asyncio.ensure_future(spread.commit(batch(0, OTP, 48)))
        await asyncio.sleep(0)
        spread.check_room(1, OTP)
        with pytest.raises(Error, match="too many"):
            spread.check_room(1, 1)
        gate.set()
        await asyncio.gather(waits, more)
        assert spread.pending == 0

    asyncio.run(story())


def test_a_one_time_code_does_not_wait_for_bulk_under_way() -> None:
    async def story() -> None:
        gate = asyncio.Event()
        got: list[Batch] = []

        async def slow(given: Batch) -> dict[str, Any]:
            got.append(given)
            if given.classes[0] == BULK:
                await gate.wait()
            return {"replays": [], "conflicts": []}

        spread = Spread(slow)
        bulk = [asyncio.ensure_future(spread.commit(batch(0, BULK, 1_000))) for _ in range(20)]
        await asyncio.sleep(0.01)
        async with asyncio.timeout(1.0):
            await spread.commit(batch(0, OTP))
        assert not any(each.done() for each in bulk)
        gate.set()
        await asyncio.gather(*bulk)
        await spread.settle()

    asyncio.run(story())


def test_every_batch_goes_to_its_owners_funnel() -> None:
    async def story() -> None:
        got: list[int] = []

        async def note(given: Batch) -> dict[str, Any]:
            got.append(shard_of(given.ids[0]))
            return {"replays": [], "conflicts": []}

        spread = Spread(note, None, EVEN)
        await asyncio.gather(*(spread.commit(batch(shard)) for shard in (0, 1, 2, 1)))
        assert sorted(got) == [0, 1, 2], "two requests to one engine left together, no batch has two owners"

    asyncio.run(story())


def test_the_least_urgent_row_counts() -> None:
    assert least_urgent([row("+1", "otp"), row("+1")]) == TRANSACTION
    assert least_urgent([row("+1", "otp")]) == OTP
    assert least_urgent([Error("invalid", "x"), row("+1", "bulk")]) == BULK
