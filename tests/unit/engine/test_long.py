"""Long messages over each way that operators take them: receipts, a lost bind, a restart, another link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.message import OTP
from appliance.smpp import spec
from appliance.store import DatabaseError
from tests.support.engine_alone import World, batch

TEXT = "a" * 400  # three parts
METHODS = [
    pytest.param({"long_message": "udh", "reference_bits": "8"}, 3, id="udh-8"),
    pytest.param({"long_message": "udh"}, 3, id="udh-16"),
    pytest.param({"long_message": "sar"}, 3, id="sar"),
    pytest.param({"long_message": "payload"}, 1, id="payload"),
]


def text_of(submits: list[Any]) -> str:
    """What a handset joins of the parts, in any order they came."""
    parts: dict[int, bytes] = {}
    for heard in submits:
        octets = heard.short_message
        if heard.esm_class & spec.ESM_UDHI:
            header = octets[: octets[0] + 1]
            parts[header[-1]] = octets[len(header) :]
        elif spec.TLV_SAR_SEGMENT_SEQNUM in heard.tlvs:
            assert heard.tlvs[spec.TLV_SAR_TOTAL_SEGMENTS] == b"\3"
            parts[heard.tlvs[spec.TLV_SAR_SEGMENT_SEQNUM][0]] = octets
        else:
            parts[1] = octets
    return b"".join(octets for _, octets in sorted(parts.items())).decode("ascii")


def answer_all(world: World, submits: list[Any]) -> list[str]:
    ids = [f"A{heard.sequence}" for heard in submits]
    for heard, operator_id in zip(submits, ids, strict=True):
        world.answer(heard.sequence, operator_id)
    world.run()
    return ids


@pytest.mark.parametrize(("settings", "submits"), METHODS)
def test_a_long_message_is_delivered_when_every_receipt_says_so(
    tmp_path: Path, settings: dict[str, Any], submits: int
) -> None:
    world = World(tmp_path, **settings)
    world.bind()
    b = batch(TEXT)
    world.accept(b)
    heard = world.submits()
    assert (len(heard), text_of(heard)) == (submits, TEXT)
    ids = answer_all(world, heard)
    assert world.status(b.ids[0]) == "sent"
    for operator_id in ids[:-1]:
        world.receipt(operator_id)
        world.run()
        assert world.status(b.ids[0]) == "sent"
    world.receipt(ids[-1])
    world.run()
    found = world.found(b.ids[0])
    assert world.status(b.ids[0]) == "delivered"
    assert (found.segments, len(found.parts)) == (submits, submits)


@pytest.mark.parametrize(("settings", "submits"), METHODS)
def test_a_long_messages_receipts_after_a_restart(tmp_path: Path, settings: dict[str, Any], submits: int) -> None:
    world = World(tmp_path, **settings)
    world.bind()
    b = batch(TEXT)
    world.accept(b)
    ids = answer_all(world, world.submits())
    world.crash()
    again = World(tmp_path, **settings)
    assert again.start() == 0
    again.bind()
    again.step()
    assert again.submits() == []
    for operator_id in ids:
        again.receipt(operator_id)
    again.run()
    assert again.status(b.ids[0]) == "delivered"


@pytest.mark.parametrize(("settings", "submits"), METHODS)
def test_a_long_message_without_answers_is_held_whole(tmp_path: Path, settings: dict[str, Any], submits: int) -> None:
    world = World(tmp_path, **settings)
    world.bind()
    b = batch(TEXT)
    world.accept(b)
    assert len(world.submits()) == submits
    world.drop()
    world.run()
    assert world.status(b.ids[0]) == "indeterminate"
    world.bind()
    world.run()
    assert world.submits() == []
    world.crash()
    again = World(tmp_path, **settings)
    again.start()
    again.bind()
    again.step()
    assert again.submits() == []
    assert again.status(b.ids[0]) == "indeterminate"


@pytest.mark.parametrize(("settings", "submits"), METHODS)
def test_a_crash_before_the_answers_of_a_long_message(tmp_path: Path, settings: dict[str, Any], submits: int) -> None:
    world = World(tmp_path, **settings)
    world.bind()
    b = batch(TEXT, class_=OTP)
    world.accept(b)
    assert len(world.submits()) == submits
    world.crash()
    again = World(tmp_path, **settings)
    assert again.start() == submits  # a one-time code is sent again
    again.bind()
    again.step()
    heard = again.submits()
    assert (len(heard), text_of(heard)) == (submits, TEXT)
    for operator_id in answer_all(again, heard):
        again.receipt(operator_id)
    again.run()
    assert again.status(b.ids[0]) == "delivered"


@pytest.mark.parametrize(("settings", "submits"), METHODS)
def test_a_throttled_long_message_loses_no_part(tmp_path: Path, settings: dict[str, Any], submits: int) -> None:
    world = World(tmp_path, throttle_pause_s=0.05, **settings)
    world.bind()
    b = batch(TEXT)
    world.accept(b)
    for heard in world.submits():
        world.answer(heard.sequence, "", spec.ESME_RTHROTTLED)
    world.run()
    world.crash()
    again = World(tmp_path, **settings)
    again.start()
    again.bind()
    again.step()
    submitted = again.submits()
    assert (len(submitted), text_of(submitted)) == (submits, TEXT)
    for operator_id in answer_all(again, submitted):
        again.receipt(operator_id)
    again.run()
    assert again.status(b.ids[0]) == "delivered"


@pytest.mark.parametrize(
    ("first", "then", "submits"),
    [
        ({"long_message": "payload"}, {}, 3),
        ({}, {"long_message": "payload"}, 1),
        ({"segment_octets": 100}, {"long_message": "sar"}, 3),
        ({}, {"segment_octets": 100}, 4),
    ],
)
def test_a_message_that_has_not_left_is_cut_anew_for_another_link(
    tmp_path: Path, first: dict[str, Any], then: dict[str, Any], submits: int
) -> None:
    world = World(tmp_path, **first)
    world.bind()
    b = batch(TEXT)
    world.accept(b)
    for heard in world.submits():
        world.answer(heard.sequence, "", spec.ESME_RTHROTTLED)
    world.run()
    world.crash()
    again = World(tmp_path, **then)
    again.start()
    again.bind()
    again.step()
    heard = again.submits()
    assert len(heard) == submits
    assert text_of(heard) == TEXT if submits != 4 else len(heard) == 4
    for operator_id in answer_all(again, heard):
        again.receipt(operator_id)
    again.run()
    found = again.found(b.ids[0])
    assert again.status(b.ids[0]) == "delivered"
    assert (found.segments, len(found.parts)) == (submits, submits)


def test_a_begun_message_does_not_end_over_a_link_that_cuts_otherwise(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.bind()
    b = batch(TEXT)
    world.accept(b)
    first, *rest = world.submits()
    world.answer(first.sequence, "A1")
    for heard in rest:
        world.answer(heard.sequence, "", spec.ESME_RTHROTTLED)
    world.run()
    world.crash()
    again = World(tmp_path, long_message="payload")
    again.start()
    again.bind()
    again.step()
    assert again.submits() == []
    again.receipt("A1")
    again.run()
    found = again.found(b.ids[0])
    assert (again.status(b.ids[0]), len(found.parts)) == ("rejected", 3)


def test_a_short_text_that_needs_two_parts_on_a_link_with_less_room(tmp_path: Path) -> None:
    world = World(tmp_path, segment_octets=139)
    world.bind()
    b = batch("a" * 160)
    world.accept(b)
    heard = world.submits()
    assert len(heard) == 2
    for operator_id in answer_all(world, heard):
        world.receipt(operator_id)
    world.run()
    found = world.found(b.ids[0])
    assert (found.segments, world.status(b.ids[0])) == (2, "delivered")


def test_a_message_of_too_many_parts_for_a_link_is_refused_and_told(tmp_path: Path) -> None:
    world = World(tmp_path, segment_octets=20)
    world.bind()
    b = batch("Ж" * 4000)
    world.accept(b)
    assert world.submits() == []
    assert world.status(b.ids[0]) == "rejected"


def test_a_disk_that_fails_before_a_message_is_cut_anew(tmp_path: Path) -> None:
    """What was decided for a message whose commit failed is decided again, or still holds."""
    world = World(tmp_path, long_message="payload")
    b = batch(TEXT)
    world.accept(b)  # durable, nothing bound yet
    world.bind()
    fail = [True]

    world.beat.pause_s = 0.0

    def once() -> None:
        if fail:
            fail.pop()
            raise DatabaseError("full")

    world.beat.before_commit.append(once)
    world.run()
    world.run()
    (heard,) = world.submits()
    assert text_of([heard]) == TEXT
    assert world.found(b.ids[0]).segments == 1


def test_a_receipt_that_nobody_asked_for_counts(tmp_path: Path) -> None:
    world = World(tmp_path, registered_delivery="none")
    world.bind()
    b = batch("hello")
    world.accept(b)
    (submit,) = world.submits()
    assert submit.registered_delivery == 0
    world.answer(submit.sequence, "A1")
    world.receipt("A1")
    world.run()
    assert world.status(b.ids[0]) == "delivered"
    assert len(world.heard()) == 1
