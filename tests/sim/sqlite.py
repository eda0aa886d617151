"""Connections of apsw that look like those of the `sqlcipher3` wheel: as much of the DB-API as the stores use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
from sqlcipher3 import dbapi2

from .disk import Disk

_KINDS: tuple[tuple[type[apsw.Error], Any], ...] = (
    (apsw.ConstraintError, dbapi2.IntegrityError),
    (apsw.MismatchError, dbapi2.IntegrityError),
    (apsw.CorruptError, dbapi2.DatabaseError),
    (apsw.NotADBError, dbapi2.DatabaseError),
    (apsw.MisuseError, dbapi2.ProgrammingError),
    (apsw.BindingsError, dbapi2.ProgrammingError),
    (apsw.ConnectionClosedError, dbapi2.ProgrammingError),
    (apsw.CursorClosedError, dbapi2.ProgrammingError),
)


#: Statements that nobody asks for the names of their columns.
ROWLESS = ("INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT")


def told(error: apsw.Error) -> Exception:
    """The same error as the wheel raises it."""
    kind = next((theirs for ours, theirs in _KINDS if isinstance(error, ours)), dbapi2.OperationalError)
    out: Exception = kind(str(error))
    out.sqlite_errorcode = getattr(error, "extendedresult", 0) or 0  # type: ignore[attr-defined]
    return out


class Cursor:
    """Rows of one statement."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._cursor = conn.inner.cursor()
        self._described: list[Any] = [None]
        self.rowcount = -1

    @property
    def description(self) -> Any:
        return self._described[0]

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        self._conn.touched()
        if not sql.startswith(ROWLESS):
            described = self._described  # and not `self`: a statement ends when nothing refers to its cursor any more

            def begins(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
                described[0] = cursor.description or None  # afterwards apsw no longer tells
                return True

            self._cursor.exec_trace = begins
        try:
            self._cursor.execute(sql, parameters)
        except apsw.Error as e:
            if not getattr(e, "benign", False) or sql.startswith("PRAGMA") or self._conn.in_transaction:
                raise told(e) from None
        self.rowcount = self._conn.inner.changes()
        if sql == "COMMIT":
            self._conn.committed()
        return self

    def executemany(self, sql: str, rows: Iterable[Any]) -> Cursor:
        self._conn.touched()
        before = self._conn.inner.total_changes()
        try:
            self._cursor.executemany(sql, rows)
        except apsw.Error as e:
            raise told(e) from None
        self.rowcount = self._conn.inner.total_changes() - before
        return self

    def fetchone(self) -> Any:
        try:
            return next(self._cursor, None)
        except apsw.Error as e:
            raise told(e) from None

    def fetchall(self) -> list[Any]:
        try:
            return list(self._cursor)
        except apsw.Error as e:
            raise told(e) from None

    def fetchmany(self, size: int = 1) -> list[Any]:
        return [row for _, row in zip(range(size), self._cursor, strict=False)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    @property
    def lastrowid(self) -> int:
        return self._conn.inner.last_insert_rowid()

    def close(self) -> None:
        self._cursor.close()


class Connection:
    """A connection to a file on the simulated disk. `guard` is told of each statement: nothing writes while a commit waits; `committed` of each commit."""

    def __init__(
        self,
        disk: Disk,
        path: Path,
        read_only: bool,
        guard: Callable[[Connection], None],
        committed: Callable[[Connection], None],
    ) -> None:
        disk.remove_gone()
        flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        self.path = path
        self._guard = guard
        self._committed = committed
        try:
            self.inner = apsw.Connection(str(path), flags=flags, vfs=disk.name)
            # A VFS written in Python has no shared memory: the index of the log is in this connection's own.
            self.inner.execute("PRAGMA locking_mode=EXCLUSIVE")
        except apsw.Error as e:
            raise told(e) from None

    def touched(self) -> None:
        self._guard(self)

    def committed(self) -> None:
        self._committed(self)

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        return Cursor(self).execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Any]) -> Cursor:
        return Cursor(self).executemany(sql, rows)

    def cursor(self) -> Cursor:
        return Cursor(self)

    @property
    def in_transaction(self) -> bool:
        return bool(self.inner.in_transaction)

    @property
    def total_changes(self) -> int:
        return self.inner.total_changes()

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        """Never fails: what a last checkpoint met is nobody's business (sqlite.org/c3ref/close.html)."""
        with suppress(Exception):
            self.inner.close(True)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()
