"""A store's log moved into its file beside those who write it, so that no commit of theirs waits for that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.errors import Error

from .opening import BUSY_MS, WAL_PAGES, Connection, DatabaseError, open_store

EACH_S: Final = 2.0  # between two rounds: pages that change again and again are then written once
ROUNDS_MAX: Final = 5  # each finds less than the one before; what is whole lets the next writer begin the log anew
TRIES_MAX, PAUSE_S = 200, 0.05  # of who empties the log
BACKSTOP_PAGES: Final = 4 * WAL_PAGES  # where no round comes to an end, a commit does it after all


class Checkpointer:
    """Of one store, in a thread and a connection of its own. A round that fails is left to the next one, or to a commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._conn: Connection | None = None
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._under_way: asyncio.Future[None] | None = None
        self._next_s = 0.0

    def look(self, now_s: float) -> None:
        """Begins a round when one is due and none is under way; from the loop."""
        if now_s >= self._next_s and (self._under_way is None or self._under_way.done()):
            self._next_s = now_s + EACH_S
            self._under_way = asyncio.get_running_loop().run_in_executor(self._thread, self.round)

    def round(self) -> None:
        """Until log and file are one, or for so many times."""
        with suppress(DatabaseError, Error):
            if self._conn is None:
                self._conn = open_store(self._path)
            for _ in range(ROUNDS_MAX):
                busy, pages, moved = self._conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if busy or pages == moved:
                    return

    def close(self) -> None:
        self._thread.submit(self._close)
        self._thread.shutdown(wait=True)

    def _close(self) -> None:
        if self._conn is not None:
            self._conn.close()


def empties(conn: Connection, wait_ms: int = 0) -> bool:
    """Moves all of the log into the file and cuts it to nothing, so that what was erased is in neither; False: somebody stood in the way.

    A reader is waited for so long; while another connection moves the log SQLite waits for nobody (sqlite3_wal_checkpoint_v2).
    """
    conn.execute(f"PRAGMA busy_timeout={wait_ms}")
    try:
        return not conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except DatabaseError:
        return False
    finally:
        conn.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def empty_log(conn: Connection) -> None:
    """`empties`, tried for some seconds: for a thread that may wait. Raises Error `store_busy`."""
    pause = threading.Event()
    for _ in range(TRIES_MAX):
        if empties(conn):
            return
        pause.wait(PAUSE_S)
    raise _busy()


async def log_emptied(scrub: Callable[[], bool]) -> None:
    """The same for an event loop: `scrub` is one try. Raises Error `store_busy`."""
    for _ in range(TRIES_MAX):
        if scrub():
            return
        await asyncio.sleep(PAUSE_S)
    raise _busy()


def _busy() -> Error:
    return Error(
        "store_busy", "what was erased is still in the log of a store that somebody reads", "the same again in a minute"
    )


def leave_to_checkpointer(conn: Connection) -> None:
    """The commits of this connection write the log only, unless it has become far too long."""
    conn.execute(f"PRAGMA wal_autocheckpoint={BACKSTOP_PAGES}")
