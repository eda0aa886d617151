"""While one-time codes are about beats are short: what they may hold, what is kept free, and that nothing is left lying."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.engine.brief import (
    ABOUT_S,
    AIM_S,
    SEGMENTS_FIRST,
    SEGMENTS_MAX,
    SEGMENTS_MIN,
    Brief,
    codes_first,
    next_segments,
    taken,
)
from appliance.engine.pace import UNLIMITED
from appliance.message import ALERT, BULK, OTP, TRANSACTION, Batch
from appliance.router import RouteTable
from tests.support.engine_alone import Time, World, batch

MS = 0.001


@pytest.mark.parametrize(
    ("segments", "held", "lasted_s", "quick_s", "then"),
    [
        (128, 128, 5 * MS, 1 * MS, 136),  # short and full: a sixteenth more
        (128, 127, 5 * MS, 1 * MS, 128),  # not full: nothing is known of a larger one
        (128, 128, 12.5 * MS, 1 * MS, 102),  # too long by a quarter
        (128, 128, 900 * MS, 1 * MS, 64),  # one slow sync halves it at most
        (512, 64, 20 * MS, 1 * MS, 32),  # so few were too many
        (512, 32, 900 * MS, 1 * MS, 512),  # it was not for these that it lasted
        (33, 33, 900 * MS, 1 * MS, SEGMENTS_MIN),
        (128, 128, 40 * MS, 25 * MS, 136),  # the disk takes most of it: smaller beats would not be quicker
        (128, 128, 80 * MS, 25 * MS, 80),
        (SEGMENTS_MAX, 4_000, 9 * MS, 1 * MS, SEGMENTS_MAX),
        (128, 500, 12.5 * MS, 1 * MS, 102),  # one batch held more than the beat should have
    ],
)
def test_what_the_next_beat_may_hold(segments: int, held: int, lasted_s: float, quick_s: float, then: int) -> None:
    assert next_segments(segments, held, lasted_s, quick_s) == then


@pytest.mark.parametrize(("sync_s", "each_s"), [(1 * MS, 50e-6), (4 * MS, 250e-6), (30 * MS, 250e-6), (0, 1e-6)])
def test_beats_come_to_last_what_they_may(sync_s: float, each_s: float) -> None:
    brief = Brief()
    brief.seen(0.0)
    lasts = []
    for n in range(2_000):
        held = 0 if n % 10 == 0 else brief.most(0.0)  # bulk comes in waves
        lasts.append(sync_s + held * each_s)
        brief.lasted(lasts[-1], held)
    aim_s = max(AIM_S, 2 * sync_s, sync_s + SEGMENTS_MIN * each_s)
    assert max(lasts[-500:]) <= aim_s * 1.2
    full = [each for n, each in enumerate(lasts[-500:]) if n % 10]
    assert min(full) >= min(aim_s * 0.6, sync_s + SEGMENTS_MAX * each_s)


def test_a_disk_that_was_slow_once_is_measured_anew() -> None:
    brief = Brief()
    for _ in range(100):
        brief.lasted(0.2, 0)
    assert brief.quick_s > 0.19
    for _ in range(2_000):
        brief.lasted(0.001 + brief.segments * 50e-6, brief.segments)
    assert 0.001 + brief.segments * 50e-6 <= AIM_S * 1.2


def test_codes_are_about_for_a_while() -> None:
    brief = Brief()
    assert brief.most(0.0) == UNLIMITED
    brief.seen(7.0)
    assert brief.most(7.0 + ABOUT_S) == SEGMENTS_FIRST
    assert brief.most(7.01 + ABOUT_S) == UNLIMITED


def test_batches_with_codes_are_accepted_first_and_all_of_them() -> None:
    bulk, more = batch(*"abc", class_=BULK), batch(*"de", class_=TRANSACTION)
    codes, mixed = batch(*"fghijk", class_=OTP), batch(*"lm", class_=BULK)
    mixed.classes[1] = OTP
    waiting: list[tuple[Batch, Any]] = [(bulk, 1), (codes, 2), (more, 3), (mixed, 4)]
    assert codes_first(waiting) == 2
    assert [n for _, n in waiting] == [2, 4, 1, 3]
    assert [taken(waiting, 2, most) for most in (0, 3, 4, 5, UNLIMITED)] == [3, 3, 3, 4, 4]
    assert taken([], 0, 5) == 0
    waiting = [(bulk, 1), (more, 2)]
    assert codes_first(waiting) == 0
    assert [taken(waiting, 0, most) for most in (1, 5)] == [1, 2]


def brief_world(tmp_path: Path, segments: int, **link: Any) -> World:
    world = World(tmp_path, **link)
    world.bind()
    world.beat.brief.segments = segments
    return world


def texts(world: World) -> list[str]:
    """What arrived; each is answered."""
    out = []
    for submit in world.submits():
        out.append(submit.short_message.decode())
        world.answer(submit.sequence, f"A{submit.sequence}")
    return out


def test_without_codes_a_beat_fills_the_window(tmp_path: Path) -> None:
    world = brief_world(tmp_path, 3, window=20)
    world.accept(batch(*"abcdefghij", class_=BULK))
    assert texts(world) == list("abcdefghij")
    assert not world.beat.more


def test_bulk_leaves_a_little_at_a_time_while_codes_are_about(tmp_path: Path, time: Time) -> None:
    world = brief_world(tmp_path, 3, window=80)
    world.accept(batch("code", class_=OTP))
    assert texts(world) == ["code"]
    world.accept(batch(*"abcdefgh", class_=BULK))
    assert texts(world) == list("abc")
    assert world.beat.more  # the next beat waits for nothing
    world.beat.brief.segments = 3  # it had grown by one
    world.accept(batch("another", "one", class_=OTP))
    assert texts(world) == ["another", "one", "d", "e", "f"]
    world.beat.brief.segments = 3
    world.run()
    assert texts(world) == ["g", "h"]
    assert not world.beat.more
    time.pass_(ABOUT_S + 0.1)
    world.accept(batch(*"ijklmnop", class_=BULK))
    assert texts(world) == list("ijklmnop")


def test_classes_share_a_beat_by_priority(tmp_path: Path, time: Time) -> None:
    world = brief_world(tmp_path, 3, window=80)
    world.drop()
    for class_ in (BULK, TRANSACTION, ALERT, OTP):
        world.accept(batch(f"{class_}a", f"{class_}b", class_=class_))
    world.bind()
    world.run()
    assert texts(world) == ["0a", "0b", "1a", "1b", "2a"]


def test_part_of_a_window_is_kept_for_codes_and_alerts(tmp_path: Path, time: Time) -> None:
    world = brief_world(tmp_path, 100, window=16)
    world.accept(batch("code", class_=OTP))
    texts(world)
    world.run()
    world.accept(batch(*"abcdefghijklmnopqrst", class_=BULK))
    assert len(world.submits()) == 14  # nothing is answered: two places stay free
    assert not world.beat.more  # only an answer makes room
    world.accept(batch("now", class_=OTP))
    world.accept(batch("alert", class_=ALERT))
    assert [s.short_message for s in world.submits()] == [b"now", b"alert"]


def test_two_links_share_a_beat(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, ("op", "two"), window=80)
    world.ledger.routes = RouteTable([("", ("op",)), ("44", ("two",))])
    two = world.other("two")
    world.bind()
    two.bind()
    world.beat.brief.segments = 6
    world.accept(batch("code", class_=OTP))
    texts(world)
    both = batch(*"abcdefghij", *"klmnopqrst", class_=BULK)
    both.to[10:] = ["+447700900123"] * 10
    world.accept(both)
    assert (texts(world), texts(two)) == (list("abc"), list("klm"))


def test_large_batches_wait_for_the_next_beats_and_are_all_answered(tmp_path: Path, time: Time) -> None:
    world = brief_world(tmp_path, 3, window=80)
    those = [batch(*"abcd", class_=BULK), batch(*"efgh", class_=BULK), batch("code", class_=OTP)]

    async def go() -> list[Any]:
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Any]] = [loop.create_future() for _ in those]
        world.beat.batches += zip(those, futures, strict=True)
        seen = []
        for _ in range(3):
            await world.beat.once()
            seen.append([f.done() for f in futures])
        return seen

    assert asyncio.run(go()) == [[True, False, True], [True, True, True], [True, True, True]]
    assert len(world.ledger.queues) + len(world.submits()) == 9


def test_receipts_by_the_thousand_are_heard_over_several_beats(tmp_path: Path, time: Time) -> None:
    world = brief_world(tmp_path, 2, window=80)
    world.accept(batch(*"abcdefghijkl", class_=BULK))
    texts(world)
    world.accept(batch("code", class_=OTP))
    world.submits()
    for n in range(12):
        world.receipt(f"A{n + 2}", sequence=100 + n)
    acknowledged = []
    while world.link.delivers or world.ledger.work:
        world.run()
        acknowledged.append(len(world.heard()))
    assert sum(acknowledged) == 12 and max(acknowledged) <= 4
    assert world.ledger.statuses[4] == 12
    assert len(world.ledger.parked) == 0
