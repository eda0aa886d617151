"""What the door keeps sealed is sealed anew: opened with a compromised key, sealed under the one in its place. Nothing else of it changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import Error
from appliance.store import log_emptied

if TYPE_CHECKING:
    from .desk import Desk

LETTERS: Final = 500  # in one transaction


async def reseal(desk: Desk, payload: Any) -> dict[str, int]:
    """Operation: {key_id} -> {rows, unreadable, more}: letters and parts of long messages. Raises Error `key_state`."""
    key_id = payload.get("key_id") if isinstance(payload, dict) else None
    if not isinstance(key_id, int):
        raise Error("malformed", "reseal: `key_id` of a compromised key")
    ring: Any = desk.seals.ring
    new, old = await ring.successor(key_id), await ring.by_id(key_id)

    def anew(sealed: bytes, aad: bytes) -> bytes:
        return new.seal(old.open(sealed, aad), aad) if sealed else sealed  # type: ignore[no-any-return]

    done = unreadable = after = 0
    while letters := desk.post.book.under(key_id, after, LETTERS):
        rows: list[tuple[bytes, bytes, int, int]] = []
        for letter in letters:
            try:
                number = anew(letter.number, b"n" + letter.id)
                rows.append((number, anew(letter.content, b"c" + letter.id), new.key_id, letter.n))
            except Error:
                unreadable += 1
        desk.post.book.reseal(rows)
        done, after = done + len(rows), letters[-1].n
        await asyncio.sleep(0)
    await log_emptied(desk.post.book.scrub)
    parts, broken = await desk.long.reseal(key_id, new.key_id, anew)
    return {"rows": done + parts, "unreadable": unreadable + broken, "more": 0}
