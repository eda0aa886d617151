"""What a day's partition holds of what one number's owner wrote: whole messages, and the parts as they came. Never changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .folder import partition_days, partition_path
from .opening import open_store


class Wrote(NamedTuple):
    """A customer's message, whole or one part of it; `number` is sealed with AAD "n" + id, `content` with "h" + id or "c" + id."""

    id: bytes
    at_ms: int
    key_id: int
    number: bytes
    recipient: str
    content: bytes
    whole: bool


_HEARD = "SELECT id,at_ms,key_id,number,recipient,content FROM heard WHERE number_index=? ORDER BY n"
_PARTS = "SELECT id,at_ms,key_id,number,recipient,content FROM inbound WHERE number_index=? ORDER BY n"


def wrote(folder: Path, number_index: bytes) -> Iterator[Wrote]:
    """Everything of one store, oldest day first. Raises Error `store_damaged` for a day that cannot be read."""
    for day in partition_days(folder):
        conn = open_store(partition_path(folder, day), read_only=True)
        try:
            tables = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type='table'")}
            for table, sql, whole in (("heard", _HEARD, True), ("inbound", _PARTS, False)):
                if table in tables:
                    yield from (Wrote._make((*row, whole)) for row in conn.execute(sql, (number_index,)).fetchall())
        finally:
            conn.close()
