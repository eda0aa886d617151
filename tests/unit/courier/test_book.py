"""What waits in the book: of one message, to one host; and telling it at once, by the book alone and by the rounds with their pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from appliance.errors import Error
from appliance.message import DELIVERED, SENT

from .test_rounds import IDS, Desk

HOST, DEAD = "hooks.bank.example:443", "dead.bank.example:443"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    it = Desk(tmp_path / "courier.db")
    yield it
    it.book.close()


def failing(desk: Desk) -> None:
    """Two messages, two statuses the one; all tried once, none told."""
    desk.answer = lambda request: httpx.Response(500)
    desk.bring(desk.event(IDS[0], SENT), desk.event(IDS[0], DELIVERED), desk.event(IDS[1], SENT))
    desk.bring(desk.event(IDS[2], SENT, f"https://{DEAD}/x"))


def test_what_waits_of_one_message_newest_first(desk: Desk) -> None:
    failing(desk)
    asyncio.run(desk.turn())
    rows = desk.book.waiting("", None, 50, IDS[0])
    assert [(row[1], row[2]) for row in rows] == [(IDS[0], DELIVERED), (IDS[0], SENT)]
    assert rows[1][5] == 1 and rows[0][5] == 0, "the second waits behind the first and was not tried"
    assert desk.book.waiting("", None, 50, IDS[9]) == [] and len(desk.book.waiting("", None, 1, IDS[0])) == 1
    assert len(desk.book.waiting("", None, 50)) == 4


def test_hastening_makes_due_what_waits_for_one_host_and_counts_messages(desk: Desk) -> None:
    failing(desk)
    asyncio.run(desk.turn())
    assert desk.book.hasten(HOST, desk.now) == 2, "the first of each message: the others wait behind it"
    assert {row[6] for row in desk.book.waiting(HOST, None, 50) if row[5]} == {desk.now}
    assert desk.book.waiting(DEAD, None, 50)[0][6] > desk.now
    assert desk.book.hasten(HOST, desk.now) == 0, "what is due already is not counted again"
    assert desk.book.hasten("unknown:443", desk.now) == 0


def test_hastening_ends_the_hosts_own_pause_and_is_told_at_the_next_turn(desk: Desk) -> None:
    async def story() -> None:
        desk.answer = lambda request: httpx.Response(429, headers={"retry-after": "3600"})
        desk.bring(desk.event(IDS[0], DELIVERED), desk.event(IDS[1], DELIVERED))
        await desk.turn()
        heard = len(desk.heard)
        desk.answer = lambda request: httpx.Response(204)
        await desk.turn()
        assert len(desk.heard) == heard, "the host asked for an hour"
        assert desk.rounds.hasten(HOST) == len(IDS[:2])
        await desk.turn()

    asyncio.run(story())
    assert desk.book.pending() == (0, None) and desk.book.tallies()["told"] == 2


def test_nobody_hastens_a_host_that_nothing_was_told_to(desk: Desk) -> None:
    with pytest.raises(Error) as caught:
        desk.rounds.hasten("elsewhere.example:443")
    assert caught.value.code == "not_found"
