"""Counting today's messages: no page waits for it, it is done again only after a rest, and what went wrong is said."""

from __future__ import annotations

import threading

import pytest

from appliance.console import today
from appliance.console.today import Today
from appliance.errors import Error


class Clock:
    """Monotonic seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(today, "monotonic_s", found)
    return found


def settled(book: Today, day: int) -> dict[str, int] | None:
    """What is known once no count is under way."""
    counting = book._counting
    if counting is not None:
        counting.exception(60)
    return book.known(day)


def test_a_page_does_not_wait_for_many_millions(clock: Clock) -> None:
    gate, counts = threading.Event(), iter(range(1, 100))

    def count(day: int) -> dict[str, int]:
        gate.wait(60)
        clock.now_s += 2  # so long it took
        return {"delivered": next(counts)}

    book = Today(lambda: count)
    assert book.known(7) is None, "not nought: nobody has counted yet"
    gate.set()
    assert settled(book, 7) == {"delivered": 1}
    clock.now_s += today.SHARE * 2 - 1
    assert settled(book, 7) == {"delivered": 1}, "it rests twenty times as long as it worked"
    clock.now_s += 2
    book.known(7)
    assert settled(book, 7) == {"delivered": 2}
    assert settled(book, 8) == {"delivered": 3}, "another day is another count"


def test_a_small_day_is_there_at_once_and_why_one_cannot_be_counted_is_said(clock: Clock) -> None:
    said: list[dict[str, int] | Error] = [{"queued": 3}, Error("store_damaged", "no")]

    def count(day: int) -> dict[str, int]:
        found = said.pop(0)
        if isinstance(found, Error):
            raise found
        return found

    book = Today(lambda: count)
    book.known(7)
    assert settled(book, 7) == {"queued": 3}
    clock.now_s += 100
    book.known(7)
    with pytest.raises(Error) as raised:
        settled(book, 7)
    assert raised.value.code == "store_damaged"
