"""One person's number goes from `consent.db`; that they asked to be left alone stays, under the blind index: a STOP outlives the erasure.

A message that waited for a person to read whether it is a STOP counts as one from then on: nobody can read it any more.
"""

from __future__ import annotations

from typing import Final

from appliance.store import Connection, empty_log

from .book import Book

WHO: Final = "process:erasure"
_REVIEWS: Final = "SELECT n FROM review WHERE subject = ? AND closed_ms IS NULL"
_DECISIONS: Final = "UPDATE decision SET number = x'' WHERE subject = ? AND number != x''"
_READ: Final = "UPDATE review SET number = x'' WHERE subject = ? AND number != x''"


def forget_number(book: Book, subject: bytes, at_ms: int) -> dict[str, int]:
    """{decisions, reviews, suppressions}: numbers erased, reviews that became a STOP, suppressions kept. May be done twice."""
    conn: Connection = book.conn
    waiting = [n for (n,) in conn.execute(_REVIEWS, (subject,)).fetchall()]
    for n in waiting:
        book.close_review(n, "stop", at_ms, WHO)
    with book.writing():
        decisions = conn.execute(_DECISIONS, (subject,)).rowcount
        conn.execute(_READ, (subject,))
    empty_log(conn)
    return {"decisions": decisions, "reviews": len(waiting), "suppressions": len(book.suppressed_in(subject))}


def reviews_of(
    book: Book, subject: bytes
) -> list[tuple[int, int, bytes, str, str, bytes, int | None, str | None, str | None]]:
    """Every entry of the list that people read about one number: (n, at_ms, sealed number, programme, word, message, closed_ms, closed_by, outcome)."""
    sql = "SELECT n, at_ms, number, programme, word, evidence, closed_ms, closed_by, outcome FROM review WHERE subject = ? ORDER BY n"
    return list(book.conn.execute(sql, (subject,)).fetchall())
