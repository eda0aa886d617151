"""What workflows hear of through the courier: receipts of their messages, what customers wrote, whether the bank was told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from appliance.flows import Heard, address_of
from appliance.message import CANCELLED, DELIVERED, EXPIRED, FAILED, REJECTED, UNDELIVERED, id_text

from .received import Heard as Wrote

#: Status of a message -> what its run hears; others say nothing yet.
RECEIPTS: Final = {
    DELIVERED: "delivered",
    **dict.fromkeys((UNDELIVERED, FAILED, EXPIRED, REJECTED, CANCELLED), "undelivered"),
}


class Inbox(Protocol):
    """The part of `appliance.flows.Book` that is used."""

    def together(self, acts: Sequence[Any]) -> list[Any]: ...


class Runs:
    """Each is durable in the workflows' store before the courier forgets it; the same again changes nothing."""

    def __init__(self, book: Inbox) -> None:
        self.book = book

    def receipts(self, message: bytes, url: str, events: list[tuple[int, int, str]], now_ms: int) -> None:
        """What became of a message that belongs to a run. Raises Error `store_full`."""
        found = address_of(url)
        if found is None:
            return
        run, step = found
        heard = [
            (b"s" + message + bytes((status,)), Heard(RECEIPTS[status], message=id_text(message), step=step))
            for status, _, _ in events
            if status in RECEIPTS
        ]
        self._done([lambda b, s=s, h=h: b.bring(s, run, h, now_ms) for s, h in heard])

    def wrote(self, messages: list[Wrote]) -> None:
        """What customers wrote. Raises Error `store_full`."""
        self._done(
            [
                lambda b, m=m: b.bring_reply(m.id, m.at_ms, m.key_id, m.number, m.content, m.recipient)
                for m in messages
                if m.content  # else it was erased
            ]
        )

    def told(self, letters: list[tuple[bytes, bytes, bool]], now_ms: int) -> None:
        """(id, run and step, whether the bank said 2xx) of letters that are over. Raises Error `store_full`."""
        self._done(
            [
                lambda b, i=i, f=f, ok=ok: b.bring(
                    b"w" + i, f[:16], Heard("told" if ok else "untold", step=int.from_bytes(f[16:], "big")), now_ms
                )
                for i, f, ok in letters
            ]
        )

    def _done(self, acts: list[Any]) -> None:
        if acts:
            for result in self.book.together(acts):
                if isinstance(result, Exception):
                    raise result
