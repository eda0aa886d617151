"""What `flows.db` holds of one number: told to its owner, erased when its owner is.

A run that has not ended does, as erased; what stays is which workflow ran when and how it ended, under another blind index.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.clock import now_ms
from appliance.store import empty_log

from .book import Book, Row
from .states import ENDED, ERASED


def runs_of(book: Book, subject: bytes) -> list[Row]:
    """Every run of a number that is still kept, oldest first."""
    return book.runs_with(subject)


def forget_subject(book: Book, subject: bytes, stands_for: bytes, at_ms: Callable[[], int] = now_ms) -> dict[str, int]:
    """{workflows}: how many runs were erased. May be done twice."""

    def act(book: Book) -> dict[str, int]:
        rows = book.runs_with(subject)
        for row in rows:
            if row.machine.phase != ENDED:
                book.cancel(row, at_ms(), ERASED, "erased")
        book.conn.execute("UPDATE run SET subject = ?, sealed = x'' WHERE subject = ?", (stands_for, subject))
        return {"workflows": len(rows)}

    counts: dict[str, int] = book.act(act)
    empty_log(book.conn)
    return counts
