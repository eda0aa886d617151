"""What verifications keep sealed is sealed anew, when the key it is under was compromised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from appliance.errors import Error
from appliance.store import empty_log

from .book import Book
from .handing import letter_aad, sealed_under
from .sealed import aad

_UPDATES: Final = (
    "UPDATE verification SET sealed = ?, key_id = ? WHERE id = ? AND sealed = ?",
    "UPDATE handing SET sealed = ?, key_id = ? WHERE id = ? AND sealed = ?",
)


def reseal(book: Book, old: int, new: int, anew: Callable[[bytes, bytes], bytes]) -> tuple[int, int]:
    """How many were sealed anew, and how many cannot be read. `anew`: (sealed, bound to) -> sealed under key `new`."""
    sql = "SELECT id, sealed FROM verification WHERE key_id = ? AND sealed != x''"
    done = unreadable = 0
    found = [(0, aad(one), one, sealed) for one, sealed in book.conn.execute(sql, (old,)).fetchall()]
    found += [(1, letter_aad(one), one, sealed) for one, sealed in sealed_under(book.conn, old)]
    for which, bound_to, verification, sealed in found:
        try:
            row = (anew(sealed, bound_to), new, verification, sealed)
        except Error:
            unreadable += 1
            continue

        def act(book: Book, row: tuple[bytes, int, bytes, bytes] = row, update: str = _UPDATES[which]) -> int:
            return int(book.conn.execute(update, row).rowcount)

        done += int(book.together([act])[0])
    empty_log(book.conn)
    return done, unreadable
