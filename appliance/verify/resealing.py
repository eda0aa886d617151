"""What verifications keep sealed is sealed anew, when the key it is under was compromised."""

from __future__ import annotations

from collections.abc import Callable

from appliance.errors import Error

from .book import Book
from .sealed import aad


def reseal(book: Book, old: int, new: int, anew: Callable[[bytes, bytes], bytes]) -> tuple[int, int]:
    """How many were sealed anew, and how many cannot be read. `anew`: (sealed, bound to) -> sealed under key `new`."""
    sql = "SELECT id, sealed FROM verification WHERE key_id = ? AND sealed != x''"
    done = unreadable = 0
    for verification, sealed in book.conn.execute(sql, (old,)).fetchall():
        try:
            row = (anew(sealed, aad(verification)), new, verification, sealed)
        except Error:
            unreadable += 1
            continue

        def act(book: Book, row: tuple[bytes, int, bytes, bytes] = row) -> int:
            update = "UPDATE verification SET sealed = ?, key_id = ? WHERE id = ? AND sealed = ?"
            return int(book.conn.execute(update, row).rowcount)

        done += int(book.together([act])[0])
    book.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return done, unreadable
