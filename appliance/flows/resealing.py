"""What runs keep sealed is sealed anew, when the key it is under was compromised."""

from __future__ import annotations

from collections.abc import Callable

from appliance.errors import Error
from appliance.store import empty_log

from .book import Book
from .sealed import aad


def reseal(book: Book, old: int, new: int, anew: Callable[[bytes, bytes], bytes]) -> tuple[int, int]:
    """How many were sealed anew, and how many cannot be read. `anew`: (sealed, bound to) -> sealed under key `new`."""
    done = unreadable = 0
    sql = "SELECT id, sealed FROM run WHERE key_id = ? AND sealed != x''"
    for run, sealed in book.conn.execute(sql, (old,)).fetchall():
        try:
            row = (anew(sealed, aad(run)), new, run, sealed)
        except Error:
            unreadable += 1
            continue

        def act(book: Book, row: tuple[bytes, int, bytes, bytes] = row) -> int:
            update = "UPDATE run SET sealed = ?, key_id = ? WHERE id = ? AND sealed = ?"
            return int(book.conn.execute(update, row).rowcount)

        done += int(book.act(act))
    empty_log(book.conn)
    return done, unreadable
