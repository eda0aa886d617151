"""What the box holds about one telephone number, opened: messages to it, messages from it, what was decided about its consent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec

from appliance.clock import rfc3339
from appliance.consent import ALL_NAME, PURPOSE, Book, number_of, reviews_of
from appliance.errors import Error
from appliance.keys import DataKey
from appliance.message import CLASSES, STATUSES, Content, id_text
from appliance.settings import Settings
from appliance.store import Found, Readers, Wrote, wrote
from appliance.text import decode

PAGE_ROWS = 200
Row = dict[str, Any]

_content = msgspec.msgpack.Decoder(Content).decode
_heard = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Ring(Protocol):
    """The part of `appliance.keys.BlockingKeyring` that is used."""

    def by_id(self, key_id: int) -> DataKey: ...
    def index_of(self, number: str) -> bytes: ...
    def derive(self, purpose: str, subject: str) -> bytes: ...


class Holdings:
    """One number's. Every method reads anew; what was erased is told with `erased`, never left out.

    `others`: what rooms that this one does not know hold, by the name of its file: (blind index) -> rows.
    """

    def __init__(
        self,
        settings: Settings,
        ring: Ring,
        number: str,
        others: Mapping[str, Callable[[bytes], Iterator[Row]]] | None = None,
    ) -> None:
        self.settings = settings
        self.ring = ring
        self.others = others or {}
        self.subject = ring.index_of(number)

    def messages(self) -> Iterator[Row]:
        """Messages to the number, newest first."""
        readers, cursor = Readers(self.settings.stores), None
        try:
            while True:
                page, cursor = readers.search(number_index=self.subject, limit=PAGE_ROWS, cursor=cursor)
                for brief in page:
                    yield self._message(readers.message(brief.id) or brief)
                if cursor is None:
                    return
        finally:
            readers.close()

    def _message(self, found: Found) -> Row:
        to = self._opened(found.key_id, found.number, b"n" + found.id)
        packed = self._opened(found.key_id, found.content, b"c" + found.id)
        content = _content(packed) if packed is not None else None
        return {
            "id": id_text(found.id),
            "to": to.decode() if to is not None else None,
            "from": found.sender or None,
            "text": decode(content.encoding, content.payload) if content is not None else None,
            "reference": content.reference if content is not None else None,
            "metadata": content.metadata if content is not None else None,
            "callback_url": content.callback_url if content is not None else None,
            "erased": content is None,
            "class": CLASSES[found.class_],
            "segments": found.segments,
            "status": STATUSES[found.status],
            "error": found.error,
            "link": found.link,
            "accepted_at": rfc3339(found.accepted_ms),
            "send_at": rfc3339(found.send_at_ms) if found.send_at_ms else None,
            "events": [
                {"at": rfc3339(at_ms), "status": word, "detail": detail} for at_ms, word, detail in found.events
            ],
            "rules": found.basis,
        }

    def inbound(self) -> Iterator[Row]:
        """What was written from the number: whole messages as the bank was told, and the parts as operators delivered them."""
        for folder in self.settings.stores.values():
            for each in wrote(folder, self.subject):
                yield self._inbound(each)

    def _inbound(self, each: Wrote) -> Row:
        number = self._opened(each.key_id, each.number, b"n" + each.id)
        packed = self._opened(each.key_id, each.content, (b"h" if each.whole else b"c") + each.id)
        content = _heard(packed) if packed is not None else {}
        return {
            "id": id_text(each.id),
            "from": number.decode() if number is not None else None,
            "to": each.recipient,
            "at": rfc3339(each.at_ms),
            "whole": each.whole,
            "content": {name: value.hex() if isinstance(value, bytes) else value for name, value in content.items()},
            "erased": packed is None,
        }

    def consent(self) -> Iterator[Row]:
        """Decisions about being left alone, oldest first; `counts`: it is why the number is suppressed now."""
        key = DataKey(0, self.ring.derive(PURPOSE, ""))
        book = Book(self.settings.home / "consent.db")
        try:
            now = set(book.suppressed_in(self.subject))
            for d in book.history(self.subject):
                counting = book.counting(self.subject, d.programme) if d.programme in now else None
                yield {
                    "number": number_of(d, key),
                    "programme": d.programme or ALL_NAME,
                    "action": d.action,
                    "source": d.source,
                    "word": d.word,
                    "message": id_text(d.evidence) if d.evidence else None,
                    "at": rfc3339(d.at_ms),
                    "by": d.who,
                    "counts": counting is not None and counting.n == d.n,
                }
        finally:
            book.close()

    def reviews(self) -> Iterator[Row]:
        """Messages of theirs that a person is to read, or has read, because they may be a wish to be left alone."""
        key = DataKey(0, self.ring.derive(PURPOSE, ""))
        book = Book(self.settings.home / "consent.db")
        try:
            for n, at_ms, number, programme, word, evidence, closed_ms, closed_by, outcome in reviews_of(
                book, self.subject
            ):
                yield {
                    "entry": n,
                    "number": key.open(number, b"s" + self.subject).decode() if number else None,
                    "programme": programme or ALL_NAME,
                    "word": word,
                    "message": id_text(evidence),
                    "at": rfc3339(at_ms),
                    "closed_at": rfc3339(closed_ms) if closed_ms else None,
                    "by": closed_by,
                    "outcome": outcome,
                }
        finally:
            book.close()

    def tables(self) -> tuple[tuple[str, Callable[[], Iterator[Row]]], ...]:
        """(name of the file, its rows)."""
        own = (
            ("messages", self.messages),
            ("inbound", self.inbound),
            ("consent", self.consent),
            ("reviews", self.reviews),
        )
        return (*own, *((name, partial(rows, self.subject)) for name, rows in self.others.items()))

    def _opened(self, key_id: int, sealed: bytes | None, aad: bytes) -> bytes | None:
        """None for what was erased. Raises Error `key_refused` for what was changed."""
        if not sealed:
            return None
        try:
            return self.ring.by_id(key_id).open(sealed, aad)
        except Error as e:
            if e.code != "key_destroyed":
                raise
            return None
