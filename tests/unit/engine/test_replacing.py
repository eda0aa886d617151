"""replace_sm as the engine sees it: a message that has not left gets another text, whole or not at all; one that has does not."""

from __future__ import annotations

from pathlib import Path

from appliance import clock
from appliance.engine import acts
from appliance.engine.replacing import Replacement, replace
from appliance.message import CLASSES, GSM7, NOTIFY_DOOR, QUEUED, SCHEDULED, Batch, Content
from appliance.store import OperationalError
from tests.support.engine_alone import KEY, World, _content, batch

HOUR_MS = 3_600_000


def another(b: Batch, text: str = "new", send_at_ms: int = 0, expires_ms: int = 0, segments: int = 1) -> Replacement:
    payload = text.encode()
    content = KEY.seal(_content(Content(GSM7, payload)), b"c" + b.ids[0])
    return Replacement(
        b.ids[0], content, payload, GSM7, segments, send_at_ms, expires_ms or b.expires_ms[0], NOTIFY_DOOR, "door:core"
    )


def done(world: World, new: Replacement, now_ms: int = 0) -> str:
    return replace(world.ledger, clock.day_of(int.from_bytes(new.id[:6], "big")), new, now_ms or clock.now_ms())


def texts(world: World) -> list[bytes]:
    return [s.short_message for s in world.submits()]


def stored(world: World, b: Batch) -> bytes:
    found = world.found(b.ids[0])
    assert found.content is not None
    return bytes(KEY.open(found.content, b"c" + b.ids[0]))


def test_a_queued_message_leaves_with_its_new_text_and_in_its_place(world: World) -> None:
    b = batch("old", "behind")
    world.accept(b)
    assert done(world, another(b, expires_ms=clock.now_ms() + 5 * HOUR_MS)) == "replaced"
    world.run()
    assert b"new" in stored(world, b) and b"old" not in stored(world, b)
    assert ("queued", "replaced") in [e[1:] for e in world.found(b.ids[0]).events]
    world.bind()
    world.run()
    assert texts(world) == [b"new", b"behind"]


def test_again_changes_nothing_more(world: World) -> None:
    b = batch("old")
    world.accept(b)
    new = another(b)
    assert [done(world, new), done(world, new)] == ["replaced", "replaced"]
    world.run()
    assert done(world, new) == "replaced"
    world.run()
    assert [e[2] for e in world.found(b.ids[0]).events].count("replaced") == 1


def test_the_last_of_several_counts(world: World) -> None:
    b = batch("old")
    world.accept(b)
    for text in ("one", "two"):
        assert done(world, another(b, text)) == "replaced"
    world.run()
    world.bind()
    world.run()
    assert texts(world) == [b"two"]


def test_what_is_under_way_stays_as_it_is(world: World) -> None:
    world.bind()
    b = batch("old")
    world.accept(b)
    (submit,) = world.submits()
    assert done(world, another(b)) == "not_cancellable"
    world.answer(submit.sequence, "A1")
    world.run()
    assert done(world, another(b)) == "not_cancellable"
    assert b"old" in stored(world, b)


def test_what_an_operator_put_off_stays_as_it_is(world: World) -> None:
    world.bind()
    b = batch("old")
    world.accept(b)
    (submit,) = world.submits()
    world.answer(submit.sequence, "", 0x14)
    world.run()
    assert done(world, another(b)) == "not_cancellable"


def test_what_nobody_knows_is_not_found(world: World) -> None:
    assert done(world, another(batch("never accepted"))) == "not_found"


def test_cancelled_before_or_after_in_the_same_beat(world: World) -> None:
    b = batch("old")
    world.accept(b)
    assert acts.cancel(world.ledger, b.day, b.ids[0], "api:test", clock.now_ms()) == "cancelled"
    assert done(world, another(b)) == "not_cancellable"
    c = batch("old")
    world.accept(c)
    later = another(c, send_at_ms=clock.now_ms() + HOUR_MS, expires_ms=clock.now_ms() + 2 * HOUR_MS)
    assert done(world, later) == "replaced"
    assert acts.cancel(world.ledger, c.day, c.ids[0], "api:test", clock.now_ms()) == "cancelled"
    world.run()
    world.bind()
    world.run()
    assert texts(world) == [] and world.status(c.ids[0]) == "cancelled"
    assert not world.ledger.partitions[c.day].has_schedule()


def test_a_queued_message_may_be_given_a_time_to_come(world: World) -> None:
    b = batch("old")
    world.accept(b)
    at_ms = clock.now_ms() + HOUR_MS
    assert done(world, another(b, send_at_ms=at_ms, expires_ms=at_ms + HOUR_MS)) == "replaced"
    world.run()
    world.bind()
    world.step()
    assert world.status(b.ids[0]) == "scheduled" and texts(world) == []
    assert world.ledger.queues.lengths == [0] * len(CLASSES)
    assert world.ledger.partitions[b.day].due(at_ms, b.classes[0], 9) == [world.found(b.ids[0]).seq]


def test_a_scheduled_message_keeps_its_time_and_gets_its_text(world: World) -> None:
    at_ms = clock.now_ms() + HOUR_MS
    b = batch("old", at=at_ms)
    world.accept(b)
    assert done(world, another(b, send_at_ms=at_ms)) == "replaced"
    world.run()
    assert world.found(b.ids[0]).status == SCHEDULED and b"new" in stored(world, b)
    assert world.ledger.partitions[b.day].due(at_ms - 1, b.classes[0], 9) == []
    assert done(world, another(b, "now", send_at_ms=0)) == "replaced"
    world.run()
    world.bind()
    world.step()
    world.run()
    assert texts(world) == [b"now"]


def test_a_restart_sends_what_was_committed(world: World, tmp_path: Path) -> None:
    b = batch("old")
    world.accept(b)
    assert done(world, another(b)) == "replaced"
    world.crash()
    again = World(tmp_path)
    again.start()
    assert again.found(b.ids[0]).status == QUEUED
    again.bind()
    again.step()
    assert texts(again) == [b"old"], "it was never committed, so it was never answered"


def test_a_committed_one_is_what_a_restart_sends(world: World, tmp_path: Path) -> None:
    b = batch("old")
    world.accept(b)
    assert done(world, another(b)) == "replaced"
    world.run()
    world.crash()
    again = World(tmp_path)
    again.start()
    again.bind()
    again.step()
    assert texts(again) == [b"new"]


def test_a_disk_that_fails_does_not_mix_old_and_new(world: World) -> None:
    b = batch("old")
    world.accept(b)
    failures = iter([True])

    def fail() -> None:
        if next(failures, False):
            raise OperationalError("database or disk is full")

    world.beat.before_commit.append(fail)
    world.beat.pause_s = 0.0
    assert done(world, another(b)) == "replaced"
    world.run()
    world.bind()
    world.run()
    assert texts(world) == [b"new"] and b"new" in stored(world, b)
