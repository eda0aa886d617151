"""Parts of long messages on disk: in any order, again, after a restart, with a reference that comes round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.door.long import message_of, part_id
from appliance.door.parts import NewPart, Parts
from appliance.message import new_ids

A, B, C = new_ids(3, 1_795_000_000_000)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    made = Parts(tmp_path / "parts.db")
    yield made
    made.close()


def part(number: int, text: bytes = b"", total: int = 3, message_id: bytes = A, whole: bytes = b"w" * 16) -> NewPart:
    mac = (text or b"p%d" % number).ljust(16, b".")
    return NewPart(message_id, whole, 5, total, number, mac, 1, b"sealed " + mac)


def test_parts_in_any_order_become_whole_with_the_last(parts: Parts) -> None:
    assert parts.keep([part(3)], 10) == [(A, False)]
    assert parts.keep([part(1, message_id=B), part(2, message_id=C)], 20) == [(A, False), (A, True)]
    waiting = parts.read(A)
    assert waiting is not None
    assert (waiting.account, waiting.total, waiting.first_ms) == (5, 3, 10)
    assert [number for number, *_ in waiting.parts] == [1, 2, 3]
    assert parts.whole() == [A]
    parts.drop([A])
    assert (parts.read(A), parts.whole(), parts.count()) == (None, [], 0)


def test_the_same_part_again_keeps_its_id(parts: Parts) -> None:
    parts.keep([part(1)], 10)
    assert parts.keep([part(1, message_id=B)], 20) == [(A, False)]
    assert parts.count() == 1


def test_a_reference_that_comes_round_begins_a_new_message(parts: Parts) -> None:
    parts.keep([part(1, b"old")], 10)
    assert parts.keep([part(1, b"new", message_id=B)], 20) == [(B, False)]
    assert parts.keep([part(2, message_id=C), part(3, message_id=C)], 30) == [(B, False), (B, True)]
    assert parts.late(15) == [A]


def test_a_whole_takes_no_more_parts(parts: Parts) -> None:
    parts.keep([part(1, total=2), part(2, total=2)], 10)
    assert parts.keep([part(2, total=2, message_id=B)], 20) == [(B, False)], (
        "the same text sent again is a message again"
    )


def test_messages_of_others_do_not_mix(parts: Parts) -> None:
    assert parts.keep([part(1), part(2, message_id=B, whole=b"x" * 16)], 10) == [(A, False), (B, False)]


def test_what_waits_survives(tmp_path: Path) -> None:
    first = Parts(tmp_path / "parts.db")
    first.keep([part(1), part(2)], 10)
    first.close()
    again = Parts(tmp_path / "parts.db")
    assert again.keep([part(3, message_id=B)], 20) == [(A, True)]
    again.close()


def test_a_call_that_fails_leaves_nothing(parts: Parts) -> None:
    with pytest.raises(Exception):  # noqa: B017  # the driver's own
        parts.keep([part(1), part(2)._replace(sealed=None)], 10)  # type: ignore[arg-type]
    assert parts.count() == 0
    assert parts.keep([part(1)], 20) == [(A, False)]


def test_dropping_that_fails_stops_nobody_after_it(parts: Parts) -> None:
    """As a full disk did: the transaction stayed open, and the door took no part of a long message until it was started anew."""
    parts.keep([part(1)], 10)
    with pytest.raises(Exception, match=r"bind|support"):
        parts.drop([A, object()])  # type: ignore[list-item]
    parts.drop([A])
    assert parts.count() == 0


def test_a_part_is_named_by_its_message() -> None:
    assert message_of(part_id(A, 12)) == message_of(part_id(A, 1)[:36]) == A
    assert message_of(part_id(A, 12).upper()) == A
    for wrong in (
        "",
        "x",
        part_id(A, 1) + "x",
        part_id(A, 1)[:36] + "+1",
        part_id(A, 1)[:36] + "-",
        part_id(A, 1)[:36] + "-1234",
    ):
        assert message_of(wrong) is None
