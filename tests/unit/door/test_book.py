"""The book: every letter once whatever is repeated or lost, in order per account, nothing in clear, nothing held for ever."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from appliance.door.book import INBOUND, Book, Letter
from appliance.message import DELIVERED, NOTIFY_ACCOUNT_SHIFT, NOTIFY_DOOR, REDACTED, UNDELIVERED, new_ids

NOW = 1_800_000_000_000
SOURCE = "engine-0/2026-11-22/doors"


def to_account(account: int, caller: int) -> int | None:
    return account if account in (1, 2) else None


def event(
    account: int = 1, status: int = DELIVERED, message_id: bytes | None = None, content: bytes = b"sealed"
) -> list[Any]:
    notify = NOTIFY_DOOR | account << NOTIFY_ACCOUNT_SHIFT
    return [message_id or new_ids(1, NOW)[0], 1, content, status, NOW, "", 7, notify]


def wrote(recipient: str) -> list[Any]:
    return [new_ids(1, NOW)[0], 1, b"number", recipient, b"content", NOW, "op"]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "door.db")


def ids(book: Book, account: int = 1) -> list[bytes]:
    return [letter.id for letter in book.due(account, 0, 10_000)]


class Engine:
    """Hands events over as the engine does: the oldest it has not heard settled, again until it hears so."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.outbox: list[list[Any]] = []
        self.first = 1
        self.made: list[bytes] = []

    def make(self, count: int) -> None:
        for _ in range(count):
            row = event(self.dice.choice((1, 2)))
            self.outbox.append(row)
            self.made.append(row[0])

    def send(self, book: Book) -> None:
        rows = self.outbox[: self.dice.randint(1, 20)]
        if not rows:
            return
        book.take_events(SOURCE, self.first, rows, to_account, NOW)
        if self.dice.random() < 0.6:  # else the answer is lost, or the engine dies before it is written down
            self.outbox = self.outbox[len(rows) :]
            self.first += len(rows)


@pytest.mark.parametrize("seed", range(20))
def test_every_letter_once_although_calls_are_repeated_and_the_door_dies(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    engine, path = Engine(dice), tmp_path / "door.db"
    book = Book(path)
    handed: dict[int, list[bytes]] = {1: [], 2: []}
    under_way: list[Letter] = []
    for _ in range(200):
        what = dice.random()
        if what < 0.3:
            engine.make(dice.randint(1, 8))
        elif what < 0.7:
            engine.send(book)
        elif what < 0.9:
            account = dice.choice((1, 2))
            under_way = book.due(account, 0, dice.randint(1, 10))
            if dice.random() < 0.7:
                book.settle(under_way, [])
                handed[account] += [letter.id for letter in under_way]
        else:
            book.close()  # what was under way and not settled is due again
            book = Book(path)
    while engine.outbox:
        engine.send(book)
    for account in (1, 2):
        handed[account] += ids(book, account)
    assert sorted(handed[1] + handed[2]) == sorted(engine.made), "each once"
    for account in (1, 2):
        assert handed[account] == [m for m in engine.made if m in set(handed[account])], "in order"
    assert sum(due for due, _ in book.counts().values()) == len(ids(book, 1)) + len(ids(book, 2))


def test_a_call_that_overlaps_what_was_taken_adds_only_the_rest(book: Book) -> None:
    rows = [event() for _ in range(6)]
    assert book.take_events(SOURCE, 1, rows[:4], to_account, NOW).upto == 4
    assert book.take_events(SOURCE, 3, rows[2:], to_account, NOW).upto == 6
    assert book.take_events(SOURCE, 1, rows[:2], to_account, NOW).upto == 6
    assert ids(book) == [row[0] for row in rows]
    assert book.take_events("engine-0/2026-11-23/doors", 1, [event()], to_account, NOW).upto == 1


def test_what_is_for_nobody_is_counted_and_not_kept(book: Book) -> None:
    taken = book.take_events(SOURCE, 1, [event(9), event(1)], to_account, NOW)
    assert taken.accounts == {1} and taken.upto == 2
    taken = book.take_inbound("i", 1, [wrote("4040"), wrote("5050")], {"4040": 2}.get, NOW)
    assert taken.accounts == {2} and taken.upto == 2
    (letter,) = book.due(2, 0, 10)
    assert (letter.status, letter.recipient, letter.link) == (INBOUND, "4040", "op")
    assert book.tallies() == {"unclaimed": 2}


def test_a_redacted_message_is_forgotten_also_when_it_comes_without_content(book: Book) -> None:
    kept, erased = event(), event()
    book.take_events(SOURCE, 1, [kept, erased, event(2, message_id=erased[0])], to_account, NOW)
    taken = book.take_events(SOURCE, 4, [event(status=REDACTED, message_id=erased[0], content=b"")], to_account, NOW)
    assert [(gone.n, gone.account) for gone in taken.gone] == [(2, 1), (3, 2)]
    assert ids(book) == [kept[0]] and book.counts() == {1: (1, 0)}
    book.take_events(SOURCE, 5, [event(content=b"")], to_account, NOW)
    assert len(ids(book)) == 1 and book.tallies()["forgotten"] == 2


def test_what_is_refused_is_set_aside_shown_and_can_be_brought_back(tmp_path: Path, book: Book) -> None:
    rows = [event(status=status) for status in (DELIVERED, UNDELIVERED, DELIVERED)]
    book.take_events(SOURCE, 1, rows, to_account, NOW)
    first, second, third = book.due(1, 0, 10)
    book.settle([first], [(second, "ESME_RX_P_APPN")])
    assert book.due(1, 0, 10) == [third] and book.counts() == {1: (1, 1)}
    assert book.reasons() == {1: {"ESME_RX_P_APPN": 1}}
    book.close()
    again = Book(tmp_path / "door.db")
    assert again.counts() == {1: (1, 1)} and again.bring_back(1) == 1
    assert again.due(1, 0, 10) == [second, third] and again.counts() == {1: (2, 0)}


def test_letters_nobody_comes_for_end_a_bounded_number_at_a_time(book: Book) -> None:
    book.take_events(SOURCE, 1, [event() for _ in range(5)], to_account, NOW)
    book.take_events(SOURCE, 6, [event()], to_account, NOW + 100)
    assert book.oldest_ms(1) == NOW and book.oldest_ms(2) is None
    assert len(book.sweep(NOW + 50, 3)) == 3 and len(book.sweep(NOW + 50, 3)) == 2
    assert book.sweep(NOW + 50, 3) == [] and book.counts() == {1: (1, 0)} and book.oldest_ms(1) == NOW + 100
    assert book.tallies() == {"expired": 5}


def test_a_number_is_never_given_twice_although_the_book_was_empty(book: Book) -> None:
    book.take_events(SOURCE, 1, [event()], to_account, NOW)
    (letter,) = book.due(1, 0, 1)
    book.settle([letter], [])
    book.take_events(SOURCE, 2, [event()], to_account, NOW)
    assert book.due(1, letter.n, 1)[0].n == letter.n + 1


def test_the_letters_due_are_found_by_an_index(book: Book) -> None:
    """A million letters cost no more than one to find the next of."""
    from appliance.door import book as module

    plan = book._conn.execute(f"EXPLAIN QUERY PLAN {module._DUE}", (1, 0, 10)).fetchall()
    assert "USING INDEX letter_due (account=? AND n>?)" in str(plan) and "TEMP B-TREE" not in str(plan)
