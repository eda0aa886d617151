"""A small store of a desk (who may come in, templates, senders): one connection for each thread, transactions written out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils.migrations import Migrations

from .migrating import migrate
from .opening import Connection, open_store
from .transaction import transaction


class DeskStore:
    """Opened by each thread on its first use and migrated by the first of the process."""

    def __init__(self, path: Path, migrations: Migrations) -> None:
        self.path = path
        self._migrations = migrations
        self._local = threading.local()
        self._first = threading.Lock()
        self._migrated = False

    @property
    def conn(self) -> Connection:
        """This thread's connection."""
        conn = getattr(self._local, "conn", None)
        if conn is None:
            with self._first:
                conn = open_store(self.path)
                if not self._migrated:
                    migrate(conn, self._migrations)
                    self._migrated = True
            self._local.conn = conn
        return conn

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back on any exception."""
        conn = self.conn
        with transaction(conn):
            yield conn

    def row(self, sql: str, *given: Any) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self.conn.execute(sql, given).fetchone()
        return found

    def rows(self, sql: str, *given: Any) -> list[tuple[Any, ...]]:
        return list(self.conn.execute(sql, given).fetchall())

    def stamp(self) -> tuple[int, ...]:
        """Another value after any change of the store; microseconds. Only comparable with one taken on the same thread."""
        # data_version (sqlite.org/pragma.html#pragma_data_version) tells of others' commits, total_changes of our own.
        # Both are this connection's own count, so the connection belongs to the stamp: on another thread nothing is fresh.
        conn = self.conn
        return id(conn), int(conn.execute("PRAGMA data_version").fetchone()[0]), int(conn.total_changes)

    def close(self) -> None:
        """Closes this thread's connection."""
        conn = getattr(self._local, "conn", None)
        if conn is not None:
            conn.close()
            self._local.conn = None
