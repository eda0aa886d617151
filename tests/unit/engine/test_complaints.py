"""What users of other gateways complained of, as dialogues with the whole engine: each test is named after the complaint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine_alone import World, batch

THROTTLED = 0x58


def sent(world: World, *ids: str, long: bool = False) -> list[bytes]:
    """One message an id, or one long message whose segments have them; all answered."""
    world.bind()
    b = batch("x" * 400) if long else batch(*(f"message {n}" for n in range(len(ids))))
    world.accept(b)
    for submit, operator_id in zip(world.submits(), ids, strict=True):
        world.answer(submit.sequence, operator_id)
    world.run()
    return b.ids


def test_jasmin_796_a_throttled_retry_keeps_its_receipt_also_over_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.bind()
    b = batch("hello")
    world.accept(b)
    (submit,) = world.submits()
    world.answer(submit.sequence, "", THROTTLED)
    world.run()
    world.crash()
    again = World(tmp_path)
    again.start()
    again.bind()
    again.step()
    (submit,) = again.submits()
    again.answer(submit.sequence, "A1")
    again.receipt("A1")
    again.run()
    assert again.status(b.ids[0]) == "delivered"


def test_jasmin_706_receipts_are_taken_while_nobody_of_the_bank_is_connected(tmp_path: Path) -> None:
    world = World(tmp_path)
    (message,) = sent(world, "A1")
    world.receipt("A1", sequence=5)
    world.run()
    (answer,) = world.heard()
    assert answer.status == 0 and answer.sequence == 5  # acknowledged once it is on disk, whoever listens
    assert world.status(message) == "delivered"


def test_jasmin_729_five_receipts_in_one_piece_are_five(tmp_path: Path) -> None:
    world = World(tmp_path)
    messages = sent(world, *(f"A{n}" for n in range(5)))
    octets: list[bytes] = []
    really, world.say = world.say, octets.append  # type: ignore[method-assign]
    for n in range(5):
        world.receipt(f"A{n}", sequence=n + 1)
    really(b"".join(octets))
    world.run()
    assert {world.status(message) for message in messages} == {"delivered"}
    assert len(world.heard()) == 5


@pytest.mark.parametrize(
    ("link", "answered", "receipted"),
    [
        pytest.param({"id_zeros": "ignore"}, "913121205", "0913121205", id="jasmin_1123 a leading zero"),
        pytest.param(
            {}, "0e999f21-81ef-4ba3-a6f9-40bafd06bc9b", "0e999f21-81ef-4ba3-a6f9-40bafd06bc9b", id="jasmin_643 a uuid"
        ),
        pytest.param({"id_base": "hex_dec"}, "5AFB4D06", "1526418694", id="jasmin_616 hexadecimal and decimal"),
        pytest.param({"id_case": "ignore"}, "1eedf843", "1EEDF843", id="jasmin_418 another case"),
    ],
)
def test_jasmin_ids_that_its_map_does_not_find(
    link: dict[str, str], answered: str, receipted: str, tmp_path: Path
) -> None:
    world = World(tmp_path, **link)
    (message,) = sent(world, answered)
    world.receipt(receipted)
    world.run()
    assert world.status(message) == "delivered" and len(world.ledger.parked) == 0


def test_jasmin_418_every_segment_of_a_long_message_has_its_own_id(tmp_path: Path) -> None:
    world = World(tmp_path)
    ids = [f"SAR-234001-{n}-3" for n in (1, 2, 3)]
    (message,) = sent(world, *ids, long=True)
    for each in ids:
        assert world.status(message) == "sent"
        world.receipt(each)
        world.run()
    assert world.status(message) == "delivered"


def test_jasmin_891_a_receipt_is_taken_after_the_bind_that_submitted_went(tmp_path: Path) -> None:
    world = World(tmp_path)
    (message,) = sent(world, "A1")
    world.drop()
    world.run()
    world.bind()
    world.receipt("A1")
    world.run()
    assert world.status(message) == "delivered"
