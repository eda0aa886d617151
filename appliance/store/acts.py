"""A store that several processes have open and that acts are handed to together: many acts, one commit. Whoever keeps one adds its statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from sqlite_utils.migrations import Migrations

from appliance.errors import Error

from .migrating import migrate
from .opening import Connection, DatabaseError, open_store
from .transaction import transaction


class ActsStore:
    """One connection; not for two threads at once. Several processes may have the store open."""

    unwritten: ClassVar[str]  # what is said when nothing of a commit was written

    def __init__(self, path: Path, migrations: Migrations) -> None:
        self.conn: Connection = open_store(path)
        self.conn.execute("PRAGMA secure_delete=ON")  # what was sealed is gone with its row
        migrate(self.conn, migrations)

    def together(self, acts: Sequence[Callable[[Self], Any]]) -> list[Any]:
        """Each act's result, or the exception it ended with and by which it changed nothing; all in one commit.

        Raises Error `store_full` when nothing of it was written.
        """
        out: list[Any] = []
        conn = self.conn
        try:
            with transaction(conn):
                for act in acts:
                    conn.execute("SAVEPOINT act")
                    try:
                        out.append(act(self))
                    except DatabaseError:
                        raise
                    except Exception as e:
                        conn.execute("ROLLBACK TO act")
                        out.append(e)
                    conn.execute("RELEASE act")
        except DatabaseError as e:
            raise Error("store_full", self.unwritten, f"free space on the disk ({e})") from None
        return out

    def act(self, what: Callable[[Self], Any]) -> Any:
        """One act in a transaction of its own; raises what it raised."""
        (result,) = self.together([what])
        if isinstance(result, Exception):
            raise result
        return result
