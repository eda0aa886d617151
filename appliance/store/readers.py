"""Read-only search over the stores of several engines, as over one: pages are merged in order, a message is read where it is.

With one store it is asked, and nothing is merged. Blocking, like the readers that it has.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from heapq import merge
from pathlib import Path
from typing import Any

from appliance.errors import Error
from appliance.message import shard_of

from .reader import Found, Heard, Reader, cursor_text

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

    def held(self, limit: int = 50, cursor: str | None = None) -> tuple[list[Found], str | None]:
        """As `Reader.held`: newest first."""
        return self._pages(lambda reader, where: reader.held(limit, where), limit, cursor)

    def _pages(
        self, page: Callable[[Reader, str | None], tuple[list[Found], str | None]], limit: int, cursor: str | None
    ) -> tuple[list[Found], str | None]:
        if self._one is not None:
            return page(self._one, cursor)
        before = self._cursors(cursor)
        runs: list[list[tuple[tuple[int, int], int, Found]]] = []
        more: set[int] = set()
        for shard, reader in self.readers.items():
            rows, following = page(reader, before.get(shard))
            if following is not None:
                more.add(shard)
            runs.append([((-row.day, -row.accepted_ms), shard, row) for row in rows])
        ordered = [(shard, row) for _, shard, row in merge(*runs, key=lambda each: each[0])]
        taken, left = ordered[:limit], {shard for shard, _ in ordered[limit:]} | more
        if not left:
            return [row for _, row in taken], None
        # A store of which nothing was taken goes on where it was: from its newest, or from the cursor that came.
        for shard, row in taken:
            before[shard] = cursor_text(row.day, row.seq)
        return [row for _, row in taken], _joined(before)

    def totals(self, day: int) -> dict[str, int]:
        """Messages of a day by the status they are in."""
        out: dict[str, int] = {}
        for reader in self.readers.values():
            for name, count in reader.totals(day).items():
                out[name] = out.get(name, 0) + count
        return out

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
