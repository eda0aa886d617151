"""The book for an event loop: acts that wait share one commit, in a thread of their own."""

from __future__ import annotations

from typing import Any

from appliance.clock import now_ms
from appliance.limits import FLOW_RUNS_AT_ONCE
from appliance.settings import Settings
from appliance.store import ActingWatch

from .book import Book
from .shipped import shipped
from .versions import ship


def path_of(settings: Settings) -> Any:
    return settings.home / "flows.db"


def book_of(settings: Settings) -> Book:
    """The book, with what comes with the appliance in it."""
    book = Book(path_of(settings))
    book.act(lambda b: ship(b.conn, shipped(), now_ms()))
    return book


class FlowWatch(ActingWatch[Book]):
    """`act` is how requests change the book."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("the workflows", lambda: book_of(settings), FLOW_RUNS_AT_ONCE)

    def read(self, book: Book) -> None:
        """Nothing is kept in memory."""
