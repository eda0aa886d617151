"""What `verify.db` holds of one number: told to its owner, erased when its owner is.

A verification that is pending ends as cancelled; of all that stays, until a day after its end, is its purpose, state and times under
another blind index. Wrong codes in a row and rates of the number are forgotten with it.
"""

from __future__ import annotations

from typing import Final

from appliance.store import empty_log

from . import handing
from .book import Book, Verification

_ERASE: Final = (
    "UPDATE verification SET state = CASE state WHEN 'pending' THEN 'cancelled' ELSE state END, subject = ?, sealed = x'',"
    " mac = zeroblob(32), bound = CASE WHEN length(bound) THEN zeroblob(32) ELSE x'' END WHERE subject = ? AND caller != 0"
)


def verifications_of(book: Book, subject: bytes) -> list[Verification]:
    """Every verification of a number that is still kept, oldest first."""
    columns = ", ".join(Verification._fields)
    sql = f"SELECT {columns} FROM verification WHERE subject = ? AND caller != 0 ORDER BY created_ms, id"  # noqa: S608 # our own column names
    return [Verification(*row) for row in book.conn.execute(sql, (subject,)).fetchall()]


def forget_subject(book: Book, subject: bytes, stands_for: bytes) -> dict[str, int]:
    """{verifications, rates}: how many were erased. May be done twice."""

    def act(book: Book) -> dict[str, int]:
        execute = book.conn.execute
        handing.forget(book.conn, subject)
        erased = execute(_ERASE, (stands_for, subject)).rowcount
        rates = execute("DELETE FROM failure WHERE subject = ?", (subject,)).rowcount
        rates += execute("DELETE FROM bucket WHERE name = ?", (b"n" + subject,)).rowcount
        return {"verifications": erased, "rates": rates}

    (counts,) = book.together([act])
    if isinstance(counts, Exception):
        raise counts
    empty_log(book.conn)
    return dict(counts)
