"""What is on disk when the power fails or the disk does, at the moments that are easily forgotten. Never asleep, no socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import clock, limits
from appliance.engine import acts
from appliance.engine.beat import ATTEMPTS_MAX
from appliance.engine.outward import _consecutive
from appliance.engine.retention import retire
from appliance.errors import Error
from appliance.message import BULK, FAILED, INDETERMINATE, OTP, QUEUED, REJECTED, SENT, TRANSACTION
from appliance.store import SUBMITTED, OperationalError, Partition, doubts, open_store, partition_path, stored
from tests.support.engine_alone import Time, World, batch

THROTTLED, TRY_LATER, FOREVER = 0x58, 0x08, 0x0B


def segments(world: World, day: int) -> list[int]:
    return [row[0] for row in world.ledger.partitions[day].conn.execute("SELECT status FROM segment ORDER BY key")]


def test_sent_again_over_another_link_in_the_same_beat_is_known_to_be_under_way(tmp_path: Path) -> None:
    world = World(tmp_path, ("op", "two"))
    two = world.other("two")
    world.bind()
    two.bind()
    b = batch("123456", class_=OTP)
    world.accept(b)
    assert len(world.submits()) == 1
    world.drop()
    world.run()
    assert len(two.submits()) == 1
    assert segments(world, b.day) == [SUBMITTED]  # else a crash now would send it a third time and not say so
    world.crash()
    again = World(tmp_path, ("op", "two"))
    assert again.start() == 1


def test_queued_again_because_its_bind_went_and_then_sent_is_known_to_be_under_way(world: World) -> None:
    world.bind()
    b = batch("hello")
    world.beat.before_commit.append(lambda: world.drop() if world.link.submitter.transport else None)
    world.accept(b)
    world.beat.before_commit.pop()
    world.bind()
    world.run()
    assert len(world.submits()) == 1
    assert segments(world, b.day) == [SUBMITTED]


def test_a_scheduled_message_below_the_floor_is_known_to_be_under_way(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path)
    world.bind()
    b = batch("later", at=time.ms + 60_000)
    world.accept(b)
    partition = world.ledger.partitions[b.day]
    world.beat.before_commit.append(lambda: (partition.begin(), partition.set_mark("floor", 9)))
    world.run()
    world.beat.before_commit.pop()
    time.pass_(61)
    world.step()
    assert len(world.submits()) == 1
    world.crash()
    assert World(tmp_path).start() == 1


def test_a_segment_given_up_is_failed_on_disk_and_ends_its_message(world: World, time: Time) -> None:
    world.bind()
    b = batch("x" * 200)
    world.accept(b)
    first, second = world.submits()
    world.answer(first.sequence, "A1")
    for _ in range(ATTEMPTS_MAX):
        world.answer(second.sequence, "", TRY_LATER)
        world.run()
        assert world.submits() == []  # it waits
        time.pass_(20)
        world.run()
        (second,) = world.submits()
    world.answer(second.sequence, "", TRY_LATER)
    world.run()
    world.receipt("A1")
    world.run()
    assert world.status(b.ids[0]) == "failed"
    assert world.ledger.statuses[FAILED] == 1


def test_each_segment_has_its_own_attempts(world: World, time: Time) -> None:
    world.bind()
    b = batch("x" * 1_200)
    world.accept(b)
    submits = world.submits()
    assert len(submits) > ATTEMPTS_MAX
    for submit in submits:
        world.answer(submit.sequence, "", TRY_LATER)
    world.run()
    assert world.submits() == []
    time.pass_(2)
    world.run()
    assert len(world.submits()) == len(submits)


def test_a_long_message_that_expired_between_its_segments_ends(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, window=1)
    world.bind()
    b = batch("x" * 400, life_ms=10_000)
    world.accept(b)
    (submit,) = world.submits()
    time.pass_(11)
    world.run()  # the two that are still to do expire
    world.answer(submit.sequence, "", THROTTLED)
    world.run()
    time.pass_(5)
    world.run()
    world.run()
    assert world.submits() == []
    assert world.status(b.ids[0]) == "expired"


def test_what_is_left_of_a_refused_long_message_does_not_leave(tmp_path: Path) -> None:
    world = World(tmp_path, window=1)
    world.bind()
    b = batch("x" * 400)
    world.accept(b)
    (submit,) = world.submits()
    world.answer(submit.sequence, "", FOREVER)
    world.run()
    world.run()
    assert world.submits() == []
    assert world.status(b.ids[0]) == "rejected"
    assert world.ledger.statuses[REJECTED] == 1 and world.ledger.statuses[SENT] == 0


def test_the_rest_of_a_long_message_has_the_same_reference_after_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, window=1)
    world.bind()
    world.accept(batch("x" * 400))
    (first,) = world.submits()
    world.answer(first.sequence, "A1")
    world.crash()
    again = World(tmp_path, window=2)
    again.start()
    again.bind()
    again.run()
    rest = again.submits()
    assert rest and {s.short_message[:5] for s in rest} == {first.short_message[:5]}


def test_a_long_message_is_indeterminate_once(world: World) -> None:
    world.bind()
    b = batch("x" * 400)
    b.notify = [1]
    world.accept(b)
    world.submits()
    world.drop()
    world.run()
    assert world.status(b.ids[0]) == "indeterminate"
    assert world.ledger.statuses[INDETERMINATE] == 1
    assert [e[4] for e in world.ledger.partitions[b.day].webhooks(9)[1]] == [INDETERMINATE]


def test_receipts_are_acknowledged_on_their_own_session_only(world: World) -> None:
    world.bind()
    world.accept(batch("hello"))
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    world.receipt("A1", sequence=2)

    def rebound() -> None:
        world.drop()
        world.bind()

    world.beat.before_commit.append(rebound)
    world.run()
    assert world.heard() == []  # sequence 2 of the new session may be a receipt that is on no disk


def test_the_first_of_two_parked_receipts_counts_also_after_midnight(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path)
    world.bind()
    world.receipt("Z", "DELIVRD")
    world.run()
    time.pass_(86_400)
    world.receipt("Z", "UNDELIV")
    world.run()
    kept = [doubts.parked_receipt(p, 1, "Z") for p in world.ledger.partitions.values()]
    assert [row[0] for row in kept if row] == [4]
    time.pass_(5 * 86_400)
    world.run()
    assert len(world.ledger.parked) == 0  # an operator may give the id again
    world.crash()
    again = World(tmp_path)
    again.start()
    assert len(again.ledger.parked) == 0


# --- a disk that fails ----------------------------------------------------------------------------------------
def failing(world: World, times: int = 1) -> None:
    """The next beats' writing fails so often."""
    left = iter(range(times))

    def fail() -> None:
        if next(left, None) is not None:
            raise OperationalError("database or disk is full")

    world.beat.before_commit.append(fail)
    world.beat.pause_s = 0.0


def refused(world: World, *batches: Any) -> list[Any]:
    async def all_() -> list[Any]:
        futures = [asyncio.get_running_loop().create_future() for _ in batches]
        world.beat.batches += zip(batches, futures, strict=True)
        await world.beat.once()
        return await asyncio.gather(*futures, return_exceptions=True)

    return asyncio.run(all_())


def test_what_ended_in_the_beat_that_is_undone_leaves_nothing(world: World) -> None:
    b = batch("late", "x" * 400, life_ms=-1)
    b.notify = [1, 1]
    world.bind()
    failing(world)
    (answer,) = refused(world, b)
    assert isinstance(answer, Error) and answer.code == "store_full"
    assert sum(world.ledger.statuses) == 0
    assert world.ledger.partitions[b.day].conn.execute("SELECT count(*) FROM webhook_outbox").fetchone() == (0,)


def test_one_day_durable_and_the_other_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    today, tomorrow = batch("today"), batch("tomorrow", now=clock.now_ms() + 86_400_000)
    world.ledger.partition(tomorrow.day)
    failures = iter([True])

    def commit(self: Partition) -> None:
        if self.day == tomorrow.day and next(failures, False):
            raise OperationalError("disk I/O error")
        self.conn.execute("COMMIT")

    monkeypatch.setattr(Partition, "commit", commit)
    world.beat.pause_s = 0.0
    first, second = refused(world, today, tomorrow)
    assert first["accepted"] == 1 and isinstance(second, Error)
    world.bind()
    world.run()
    assert [s.short_message for s in world.submits()] == [b"today"]
    assert world.ledger.statuses[QUEUED] == 1


def test_after_a_long_failure_nothing_that_expired_leaves(world: World, time: Time) -> None:
    b = batch("123456", class_=OTP, life_ms=60_000)
    world.accept(b)
    world.bind()
    failing(world)
    world.beat.before_commit.insert(0, lambda: time.pass_(100))
    world.run()
    world.beat.before_commit.clear()
    time.pass_(2)
    world.run()
    assert world.submits() == []
    assert world.status(b.ids[0]) == "expired"


def test_a_batch_that_no_table_takes_is_refused_and_the_engine_lives(world: World) -> None:
    poison, uneven, good = batch("p"), batch("u"), batch("good")
    poison.expires_ms = [1 << 80]
    uneven.payloads = []
    world.beat.pause_s = 0.0
    for bad in (poison, uneven):
        (answer,) = refused(world, bad)
        assert isinstance(answer, Error)
    world.accept(good)
    world.bind()
    world.run()
    assert [s.short_message for s in world.submits()] == [b"good"]


def test_a_partition_that_cannot_be_made_is_not_half_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("appliance.engine.ledger.link_numbers", full)
        with pytest.raises(Error):
            world.ledger.partition(20_000)
    assert 20_000 not in world.ledger.partitions
    world.ledger.partition(20_000)
    assert world.ledger.link_numbers[20_000] == {"op": 1}


def test_a_day_that_begins_on_a_full_disk_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time: Time
) -> None:
    """The file is there, its tables are not: when there is room again, the day goes on without a restart."""
    world = World(tmp_path)

    def full(path: Path) -> Any:
        conn = open_store(path)
        conn.execute("PRAGMA max_page_count=4")
        return conn

    time.pass_(86_400)
    tomorrow = clock.day_of(time.ms)
    monkeypatch.setattr("appliance.store.partition.open_store", full)
    for attempt in (lambda: world.ledger.partition(tomorrow), lambda: World(tmp_path)):
        with pytest.raises(Error) as caught:
            attempt()
        assert caught.value.code == "store_full"
    assert not world.ledger.damaged and tomorrow not in world.ledger.partitions
    monkeypatch.setattr("appliance.store.partition.open_store", open_store)
    assert world.accept(batch("new", now=time.ms))["accepted"] == 1


def test_a_stopping_engine_gives_a_failing_disk_up(world: World) -> None:
    world.accept(batch("m"))
    world.bind()
    failing(world, 1_000)
    world.beat.draining, world.beat.give_up_s = True, 0.0
    world.link.delivers.clear()
    world.beat.notes.append({})
    with pytest.raises((Error, OperationalError)):
        world.receipt("A")
        world.run()


# --- days and pages -------------------------------------------------------------------------------------------
def test_a_batch_of_yesterday_does_not_make_todays_be_paged_again(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(limits, "QUEUE_MESSAGES_MAX", 3)
    world = World(tmp_path, window=100)
    world.accept(batch("1", "2"))
    world.accept(batch("old", now=clock.now_ms() - 86_400_000, life_ms=2 * 86_400_000))
    world.accept(batch("3", "4"))  # beyond what is held: stays on disk
    world.bind()
    got: list[bytes] = []
    for _ in range(4):
        world.step()
        got += [s.short_message for s in world.submits()]
    assert sorted(got) == [b"1", b"2", b"3", b"4", b"old"]


def test_a_message_scheduled_for_weeks_ahead_survives_a_restart_after_its_hour(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path)
    b = batch("far", at=time.ms + 20 * 86_400_000)
    world.accept(b)
    time.pass_(20 * 86_400 + 5)
    world.ledger.partition(clock.day_of(time.ms))
    world.step()  # its hour has come, no link is there
    assert retire(world.ledger, clock.day_of(time.ms), 5, time.ms, set()) == []
    world.crash()
    again = World(tmp_path)
    again.start()
    again.bind()
    again.run()
    assert [s.short_message for s in again.submits()] == [b"far"]
    again.crash()
    third = World(tmp_path)
    assert third.start() == 1  # and what was under way is known to have been
    assert third.status(b.ids[0]) == "indeterminate"


def test_a_receipt_for_a_day_that_was_closed_is_only_parked(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path)
    world.bind()
    b = batch("m")
    world.accept(b)
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    world.run()
    partition = world.ledger.partitions[b.day]
    world.ledger.outboxes[b.day].settle(1 << 40)
    time.pass_(12 * 86_400)
    retire(world.ledger, clock.day_of(time.ms), 30, time.ms, set())
    assert b.day not in world.ledger.partitions and partition is not None
    world.receipt("A1")
    world.run()
    assert ("op", "A1") in world.ledger.parked and len(world.ledger.parked) == 1


def test_a_row_that_was_tampered_with_fails_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    b = batch("one", "two", "three")
    world.accept(b)
    conn = world.ledger.partitions[b.day].conn
    columns, _ = stored.columns_of(conn, 1)
    columns.contents[1] = b"\0"
    conn.execute("UPDATE batch SET columns=? WHERE first=1", (msgspec.msgpack.encode(columns),))
    world.crash()
    again = World(tmp_path)
    again.start()
    again.bind()
    again.run()
    assert [s.short_message for s in again.submits()] == [b"one", b"three"]
    assert again.status(b.ids[1]) == "failed"


def test_an_idempotent_request_around_midnight(world: World) -> None:
    tomorrow = clock.now_ms() + 86_400_000
    assert world.accept(batch("m", key=b"k" * 16, now=tomorrow))["accepted"] == 1
    assert world.accept(batch("m", key=b"k" * 16))["accepted"] == 0


def test_a_batch_of_another_year_is_refused(world: World) -> None:
    (answer,) = refused(world, batch("m", now=clock.now_ms() + 400 * 86_400_000))
    assert isinstance(answer, Error) and answer.code == "invalid"


# --- acts -----------------------------------------------------------------------------------------------------
def test_an_id_of_a_year_no_calendar_has(world: World) -> None:
    day = clock.day_of((1 << 48) - 1)
    assert acts.cancel(world.ledger, day, b"\xff" * 16, "api:test", clock.now_ms()) == "not_found"
    assert acts.redact(world.ledger, day, b"\xff" * 16, "api:test", clock.now_ms()) == "not_found"


def test_two_cancels_in_one_beat_count_once_and_one_that_may_not_be_recorded_does_nothing(world: World) -> None:
    b = batch("m")
    world.accept(b)
    with pytest.raises(Error):
        acts.cancel(world.ledger, b.day, b.ids[0], "api:+39 347 123 4567", clock.now_ms())
    assert world.ledger.queues.lengths[TRANSACTION] == 1
    assert acts.cancel(world.ledger, b.day, b.ids[0], "api:test", clock.now_ms()) == "cancelled"
    assert acts.cancel(world.ledger, b.day, b.ids[0], "api:test", clock.now_ms()) == "cancelled"
    world.run()
    assert world.ledger.statuses[8] == 1


def test_events_for_the_courier_are_handed_over_in_bounded_calls() -> None:
    rows = [(n, b"i", 1, b"c" * 60_000, SENT, 0, None, 1) for n in range(1, 1_001)]
    assert 100 < len(_consecutive(1, rows)) < 200
    assert len(_consecutive(1, [(1, b"i", 1, b"c" * (16 << 20), SENT, 0, None, 1)])) == 1


def test_an_operator_that_always_throttles_is_tried_less_than_once_a_second(world: World, time: Time) -> None:
    world.bind()
    world.accept(batch("m", class_=BULK))
    tries = len(submits := world.submits())
    for _ in range(1_000):  # ten seconds
        for submit in submits:
            world.answer(submit.sequence, "", THROTTLED)
        world.run()
        submits = world.submits()
        tries += len(submits)
        time.pass_(0.01)
    assert 3 <= tries <= 11  # the pause doubles


# --- a day that is damaged ------------------------------------------------------------------------------------
def damaged_yesterday(tmp_path: Path, how: str) -> tuple[World, Any]:
    """A world that starts with a partition of yesterday that cannot be read, and what was accepted in it."""
    world = World(tmp_path)
    old = batch("old", now=clock.now_ms() - 86_400_000)
    world.accept(old)
    world.crash()
    path = partition_path(world.folder, old.day)
    octets = bytearray(path.read_bytes())
    if how == "no database":
        octets[:100] = b"x" * 100
    elif how == "pages lost":
        octets[4096:] = b"\xff" * (len(octets) - 4096)
    path.write_bytes(octets)
    again = World(tmp_path)
    again.start()
    return again, old


@pytest.mark.parametrize("how", ["no database", "pages lost"])
def test_one_damaged_day_does_not_stop_the_engine(tmp_path: Path, how: str) -> None:
    world, old = damaged_yesterday(tmp_path, how)
    assert list(world.ledger.damaged) == [old.day] and old.day not in world.ledger.partitions
    with pytest.raises(Error) as caught:
        acts.cancel(world.ledger, old.day, old.ids[0], "api:test", clock.now_ms())
    assert caught.value.code == "store_damaged"
    (answer,) = refused(world, batch("late", now=clock.now_ms() - 86_400_000))
    assert isinstance(answer, Error) and answer.code == "store_damaged"
    world.bind()
    b = batch("new", key=b"k" * 16)
    assert world.accept(b)["accepted"] == 1
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    world.receipt("A1")
    world.run()
    assert world.status(b.ids[0]) == "delivered"
    _, noted = world.ledger.outboxes[b.day].pending(1_000)
    assert "partition.quarantined" in str(noted)


def test_a_day_that_turns_out_damaged_is_left_alone_from_then_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.bind()
    old = batch("old", now=clock.now_ms() - 86_400_000)
    world.accept(old)
    world.submits()
    really = Partition.find_operator_id

    def find(partition: Partition, link: int, operator_id: str) -> Any:
        if partition.day == old.day:
            raise OperationalError("database disk image is malformed")
        return really(partition, link, operator_id)

    monkeypatch.setattr(Partition, "find_operator_id", find)
    world.receipt("Z")
    world.run()
    assert list(world.ledger.damaged) == [old.day]
    assert world.accept(batch("new"))["accepted"] == 1


@pytest.mark.parametrize("what", ["answered", "refused", "put off", "throttled", "bind lost"])
def test_what_was_under_way_of_a_day_that_turns_out_damaged_does_not_end_the_engine(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    world.bind()
    yesterday, life = clock.now_ms() - 86_400_000, 2 * 86_400_000
    old, long = (batch(text, now=yesterday, life_ms=life) for text in ("old", "x" * 400))
    world.accept(old)
    world.accept(long)
    submits = world.submits()
    assert len(submits) == 4
    world.ledger.quarantine(old.day, clock.now_ms())
    status = {"refused": 0x0B, "put off": 0x08, "throttled": 0x58}.get(what, 0)
    if what == "bind lost":
        world.drop()
    for submit in submits if what != "bind lost" else ():
        world.answer(submit.sequence, "" if status else f"A{submit.sequence}", status)
        world.receipt(f"A{submit.sequence}")
    world.run()
    if what == "bind lost":
        world.bind()
    world.link.throttle.paused_until_s = 0.0
    b = batch("new")
    world.accept(b)
    world.link.paces.link.set_rate(0)
    world.run()
    assert [s.short_message for s in world.submits()] == [b"new"]


@pytest.mark.parametrize("when", ["write", "commit"])
def test_a_day_that_turns_out_damaged_while_it_is_written_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Waiting mends a full disk, never a damaged file: trying for ever would stop every other day."""
    world.bind()
    b, old = batch("today"), batch("old", now=clock.now_ms() - 86_400_000, life_ms=2 * 86_400_000)
    world.accept(old)
    world.accept(b)
    submits = world.submits()
    really = getattr(Partition, when)

    def failing(partition: Partition, *work: Any) -> None:
        if partition.day == old.day:
            e = OperationalError("database disk image is malformed")
            e.sqlite_errorcode = 11
            raise e
        really(partition, *work)

    monkeypatch.setattr(Partition, when, failing)
    world.beat.pause_s = 0.0
    for submit in submits:
        world.answer(submit.sequence, f"A{submit.sequence}")
    (answer,) = refused(world, batch("with it"))
    assert getattr(answer, "code", "durable") == ("store_damaged" if when == "write" else "durable")
    assert list(world.ledger.damaged) == [old.day] and world.beat.broken == ""
    assert world.status(b.ids[0]) == "sent"
    assert world.accept(batch("new"))["accepted"] == 1
    assert [s.short_message for s in world.submits()][-1] == b"new"


def test_what_was_put_off_of_a_day_that_turns_out_damaged_is_forgotten(world: World, time: Time) -> None:
    world.bind()
    old = batch("old", now=clock.now_ms() - 86_400_000, life_ms=2 * 86_400_000)
    world.accept(old)
    (submit,) = world.submits()
    world.answer(submit.sequence, "", 0x08)
    world.run()
    world.ledger.quarantine(old.day, clock.now_ms())
    time.pass_(60)
    world.run()
    assert world.submits() == [] and len(world.ledger.queues) == 0


# --- room in memory, and what was put off ---------------------------------------------------------------------
def test_what_is_due_waits_on_disk_for_room(tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.limits.QUEUE_MESSAGES_MAX", 3)
    world = World(tmp_path)
    b = batch(*(f"m{n}" for n in range(8)), at=time.ms + 5_000)
    otp = batch("123456", class_=OTP, at=time.ms + 5_000)
    world.accept(b)
    world.accept(otp)
    time.pass_(10)
    for _ in range(3):
        world.step()
        time.pass_(1)
    assert world.ledger.queues.lengths[TRANSACTION] == 3 and world.ledger.queues.lengths[OTP] == 1
    world.bind()
    left = []
    for _ in range(30):
        for submit in world.submits():
            left.append(submit.short_message)
            world.answer(submit.sequence, f"A{len(left)}")
        world.step()
        time.pass_(1)
    assert sorted(left) == sorted([b"123456", *(f"m{n}".encode() for n in range(8))])


@pytest.mark.parametrize("status", [THROTTLED, TRY_LATER])
def test_a_message_that_was_put_off_can_be_cancelled(world: World, time: Time, status: int) -> None:
    world.bind()
    b = batch("m")
    world.accept(b)
    (submit,) = world.submits()
    assert acts.cancel(world.ledger, b.day, b.ids[0], "api:test", time.ms) == "not_cancellable"  # under way
    world.answer(submit.sequence, "", status)
    world.run()
    assert acts.cancel(world.ledger, b.day, b.ids[0], "api:test", time.ms) == "cancelled"
    world.run()
    time.pass_(100)
    world.run()
    world.run()
    assert world.submits() == [] and world.status(b.ids[0]) == "cancelled"


class Erased:
    """A keys process that says that the day's key was destroyed."""

    async def by_id(self, key_id: int) -> Any:
        raise Error("key_destroyed", f"key {key_id} was destroyed")


def test_what_waits_under_a_destroyed_key_ends_and_holds_up_nothing(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path)
    queued, later = batch("m"), batch("later", at=time.ms + 60_000)
    world.accept(queued)
    world.accept(later)
    world.crash()
    again = World(tmp_path)
    again.pager.keyring = Erased()  # type: ignore[assignment]
    again.start()
    time.pass_(61)
    again.step()
    again.run()
    for message_id in (queued.ids[0], later.ids[0]):
        assert again.found(message_id).events[-1][1:] == ("failed", "its content was erased")
    assert not len(again.ledger.queues)
