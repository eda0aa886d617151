"""One person is erased from what the door alone has: parts of long messages, receipts of messages that never became whole, what ENUM said.

Letters of messages that an engine has are named by it, by their ids (`forget`). These here are under no blind index: they are opened,
a few at a time, and compared.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from appliance.errors import Error
from appliance.intercom import Peer
from appliance.message import Content
from appliance.numbering import normalise

from .book import Letter

if TYPE_CHECKING:
    from .desk import Desk

LETTERS: Final = 500  # opened between two turns of the loop
_content: Final = msgspec.msgpack.Decoder(Content).decode


async def known_number(desk: Desk, payload: Any) -> dict[str, int]:
    """Operation: {number} in E.164 -> {parts, letters}: how many of them are here, for the number's owner."""
    number = _number(payload)
    parts = [len(waiting.parts) for waiting in await desk.long.of(number)]
    return {"parts": sum(parts), "letters": len(await _letters(desk, number))}


async def forget_number(desk: Desk, payload: Any) -> dict[str, int]:
    """Operation: {number} in E.164 -> {parts, letters, forgotten}."""
    number = _number(payload)
    known = desk.portability.forget(number) if desk.portability is not None else 0
    gone = await desk.post.forget({"ids": await _letters(desk, number)}, Peer(0, 0, 0))
    return {"parts": await desk.long.forget(number), "letters": gone["forgotten"], "forgotten": known}


def _number(payload: Any) -> str:
    number = payload.get("number") if isinstance(payload, dict) else None
    if not isinstance(number, str) or not number.startswith("+"):
        raise Error("malformed", "a `number` in E.164 is asked for")
    return number


async def _letters(desk: Desk, number: str) -> list[bytes]:
    """Messages to a number that no engine may have and of which a receipt is due."""
    ids: list[bytes] = []
    after = 0
    while letters := desk.post.book.ended_without_engine(after, LETTERS):
        ids += [letter.id for letter in letters if await _to(desk, letter) == number]
        after = letters[-1].n
        await asyncio.sleep(0)
    return ids


async def _to(desk: Desk, letter: Letter) -> str:
    """The number a receipt's message was to; empty when it cannot be read."""
    try:
        key = await desk.seals.ring.by_id(letter.key_id)
        note = _content(key.open(letter.content, b"c" + letter.id)).door
        if note is None:
            return ""
        _, _, address = note.dest
        return normalise(address if address.startswith(("+", "00")) else "+" + address)[0]
    except (Error, ValueError, msgspec.MsgspecError):
        return ""
