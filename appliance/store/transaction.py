"""One transaction of a small store, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .opening import Connection, DatabaseError


@contextmanager
def transaction(conn: Connection) -> Iterator[None]:
    """Committed at the end, rolled back on any exception, also of the commit: a full disk leaves none open.

    Within a larger one it is part of that, which commits or rolls back the whole.
    """
    if conn.in_transaction:
        yield
        return
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
        conn.execute("COMMIT")
    except BaseException:
        with suppress(DatabaseError):
            if conn.in_transaction:
                conn.execute("ROLLBACK")
        raise
