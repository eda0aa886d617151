"""Read-only search over the stores of several engines, as over one: pages are merged in order, a message is read where it is.

With one store it is asked, and nothing is merged. Blocking, like the readers that it has.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from pathlib import Path
from typing import Any, TypeVar

from appliance.errors import Error
from appliance.message import shard_of

from .figures import Counted
from .folder import partition_days, partition_path
from .reader import Found, Heard, Reader, cursor_of, cursor_text

Row = TypeVar("Row", Found, Heard)
_CURSOR = re.compile(r"\d{1,2}=[\w-]{1,40}(,\d{1,2}=[\w-]{1,40})*")


class Readers:
    """A reader for each store of a box; safe for one thread at a time."""

    def __init__(self, folders: Mapping[int, Path]) -> None:
        self.readers = {shard: Reader(folder) for shard, folder in folders.items()}
        self._one = next(iter(self.readers.values())) if len(self.readers) == 1 else None

    def message(self, message_id: bytes) -> Found | None:
        """One message with its events and parts; its store is within its id."""
        reader = self.readers.get(shard_of(message_id))
        return reader.message(message_id) if reader is not None else None

    def search(self, limit: int = 50, cursor: str | None = None, **criteria: Any) -> tuple[list[Found], str | None]:
        """As `Reader.search`: newest first."""
        return self._pages(lambda reader, where: reader.search(limit=limit, cursor=where, **criteria), limit, cursor)

    def reached(self, cursor: str) -> int:
        """The day down to which a search has looked in every store when it gives this cursor."""
        return max(where[0] for text in self._cursors(cursor).values() if (where := cursor_of(text)) is not None)

    def held(self, limit: int = 50, cursor: str | None = None) -> tuple[list[Found], str | None]:
        """As `Reader.held`: newest first."""
        return self._pages(lambda reader, where: reader.held(limit, where), limit, cursor)

    def heard_newest(self, limit: int = 50, cursor: str | None = None) -> tuple[list[Heard], str | None]:
        """As `Reader.heard_newest`."""
        return self._pages(lambda reader, where: reader.heard_newest(limit, where), limit, cursor)

    def _pages(
        self, page: Callable[[Reader, str | None], tuple[list[Row], str | None]], limit: int, cursor: str | None
    ) -> tuple[list[Row], str | None]:
        if self._one is not None:
            return page(self._one, cursor)
        before = self._cursors(cursor)
        runs: list[list[tuple[tuple[int, int], int, Row]]] = []
        more: dict[int, str] = {}
        down = 0  # the day down to which every store was looked through
        for shard, reader in self.readers.items():
            rows, following = page(reader, before.get(shard))
            if following is not None:
                more[shard] = following
                if len(rows) < limit:  # it lost its patience
                    down = max(down, (cursor_of(following) or (0, 0))[0])
            runs.append([((-row.day, -row.accepted_ms), shard, row) for row in rows])
        ordered = [(shard, row) for _, shard, row in merge(*runs, key=lambda each: each[0])]
        taken = [(shard, row) for shard, row in ordered[:limit] if row.day >= down]
        left = {shard for shard, _ in ordered[len(taken) :]}
        if not left and not more:
            return [row for _, row in taken], None
        # A store of which nothing was taken goes on where it was: from its newest, or from the cursor that came.
        for shard, row in taken:
            before[shard] = cursor_text(row.day, row.seq)
        for shard, following in more.items():
            if shard not in left:
                before[shard] = following
        return [row for _, row in taken], _joined(before)

    def totals(self, day: int) -> dict[str, int]:
        """Messages of a day by the status they are in."""
        out: dict[str, int] = {}
        for reader in self.readers.values():
            for name, count in reader.totals(day).items():
                out[name] = out.get(name, 0) + count
        return out

    def counted(self, day: int, from_ms: int = 0, to_ms: int = 1 << 62) -> Counted:
        """As `Reader.counted`, of all stores together."""
        out = Counted()
        for reader in self.readers.values():
            out.add(reader.counted(day, from_ms, to_ms))
        return out

    def customers(self, day: int, from_ms: int, to_ms: int) -> Iterator[tuple[bytes, int, int]]:
        """As `Reader.customers`, of all stores, one after the other."""
        for reader in self.readers.values():
            yield from reader.customers(day, from_ms, to_ms)

    def days(self) -> list[int]:
        """The days that have a partition, oldest first."""
        return sorted({day for reader in self.readers.values() for day in partition_days(reader.folder)})

    def stamp(self, day: int) -> str:
        """Another text after the files of a day were written to; "" for a day that is not there."""
        told = []
        for shard, reader in self.readers.items():
            path = partition_path(reader.folder, day)
            for file in (path, path.with_name(f"{path.name}-wal")):
                with contextlib.suppress(OSError):
                    at = file.stat()
                    if at.st_size:
                        told.append(f"{shard}.{file.suffix}.{at.st_size}.{at.st_mtime_ns}")
        return " ".join(told)

    def heard_one(self, message_id: bytes) -> Heard | None:
        """A customer's message; its store is within its id."""
        reader = self.readers.get(shard_of(message_id))
        return reader.heard_one(message_id) if reader is not None else None

    def heard(
        self, limit: int, cursor: str | None, sees: Callable[[str], bool], rows_max: int
    ) -> tuple[list[Heard], str | None, str | None]:
        """As `Reader.heard`, oldest first; what becomes whole on one engine while another is read is on a later page."""
        if self._one is not None:
            return self._one.heard(limit, cursor, sees, rows_max)
        before = self._cursors(cursor)
        runs: list[list[tuple[int, int, Heard]]] = []
        latest: dict[int, str | None] = {}
        more: dict[int, bool] = {}
        for shard, reader in self.readers.items():
            rows, following, upto = reader.heard(limit, before.get(shard), sees, rows_max)
            latest[shard], more[shard] = upto, following is not None
            runs.append([(row.at_ms, shard, row) for row in rows])
        ordered = list(merge(*runs, key=lambda each: each[0]))
        taken, left = ordered[:limit], {shard for _, shard, _ in ordered[limit:]}
        for shard, upto in latest.items():
            if shard not in left and upto is not None:
                before[shard] = upto  # all that it showed is taken, and what is not the caller's is passed
        for _, shard, row in taken:
            if shard in left:
                before[shard] = cursor_text(*row.place)
        where = _joined(before) if before else None
        return [row for _, _, row in taken], (where if left or any(more.values()) else None), where

    def close(self) -> None:
        for reader in self.readers.values():
            reader.close()

    def _cursors(self, text: str | None) -> dict[int, str]:
        """Where each store goes on. A cursor of the time of one engine is the first store's."""
        if text is None:
            return {}
        try:
            inner = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        except (ValueError, binascii.Error, UnicodeError):
            inner = ""
        if not _CURSOR.fullmatch(inner):
            if re.fullmatch(r"\d+\.\d+", inner):
                return {0: text}
            raise Error(
                "invalid", "the cursor is not one that this search gave", "start again without a cursor", field="cursor"
            )
        pairs = (pair.partition("=") for pair in inner.split(","))
        return {int(shard): where for shard, _, where in pairs if int(shard) in self.readers}


def _joined(cursors: Mapping[int, str]) -> str:
    text = ",".join(f"{shard}={where}" for shard, where in sorted(cursors.items()))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
