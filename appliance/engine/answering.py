"""What a customer's message asks for, and the one answer to it: STOP, START and HELP in the words of the programme that was written to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec

from appliance import clock
from appliance.consent import (
    ALL_NAME,
    EVERY,
    HELP,
    REVIEW,
    START,
    STOP,
    STOP_ALL,
    Book,
    ConsentWatch,
    Decision,
    Keywords,
)
from appliance.errors import Error
from appliance.keys import DataKey, Keyring
from appliance.limits import SHORT_CODE_DIGITS_MAX, VALIDITY_S_DEFAULT
from appliance.message import CLASSES, Batch, Content, IdempotentRequest, new_ids
from appliance.numbering import normalise, sender_kind
from appliance.settings import Programme, Settings
from appliance.text import encode

from . import acts
from .beat import Beat
from .inbound import Inbound
from .joining import Whole
from .ledger import Ledger
from .left_alone import OWN

ALERT: Final = CLASSES.index("alert")
_pack: Final = msgspec.msgpack.encode

#: Where a programme has no words of its own.
PLAIN: Final[dict[str, str]] = {
    STOP: "You will receive no more messages of this kind from us. Reply START to receive them again.",
    START: "You will receive our messages again. Reply STOP to end them.",
    HELP: "Reply STOP to receive no more messages of this kind, START to receive them again.",
}
EVENTS: Final = {
    STOP: "consent.stopped",
    START: "consent.started",
    HELP: "consent.help_asked",
    REVIEW: "consent.review_listed",
}
InBeat = Callable[[Callable[[], Any]], Awaitable[Any]]


class Said(NamedTuple):
    """What goes on the audit log about it."""

    what: str
    detail: dict[str, str | int | bool]


class Answering:
    """`decided` does all that a message asks for; it may be called again for the same one."""

    def __init__(
        self, ledger: Ledger, settings: Settings, watch: ConsentWatch, keyring: Keyring, inbound: Inbound
    ) -> None:
        self.ledger = ledger
        self.watch = watch
        self.keyring = keyring
        self.inbound = inbound
        self._keywords = {
            (programme.name, country): Keywords(
                country,
                {STOP: programme.keywords_stop, START: programme.keywords_start, HELP: programme.keywords_help},
            )
            for programme in settings.programmes
            for country in ("", "US")
        }

    async def decided(self, whole: Whole, in_beat: InBeat, beat: Beat) -> Said | None:
        """Durable when it returns. Raises Error when something of it has to be done again."""
        if not whole.text or whole.missing or not whole.total:
            return None
        programmes = self.watch.consent.addressed(whole.first.recipient)
        country = "US" if whole.first.number.startswith("+1") else ""
        found = [(p, self._keywords[p.name, country].decide(whole.text)) for p in programmes]
        asked = [(p, decision) for p, decision in found if decision is not None]
        if not asked:
            return None
        # A word that decides counts before one that a person is to read.
        programme, decision = next(((p, d) for p, d in asked if d.action != REVIEW), asked[0])
        if decision.action == HELP:
            await self._answer(whole, programme, decision, beat)
            return Said(EVENTS[HELP], {"programme": programme.name})
        number = await self._sealed(whole)
        if decision.action == REVIEW:
            first = whole.first
            await self.watch.do(
                lambda book: book.to_review(first.subject, number, programme.name, decision.word, first.id, first.at_ms)
            )
            return Said(EVENTS[REVIEW], {"programme": programme.name})
        same = [p.name for p, d in asked if d.action == decision.action]
        changed = await self.watch.do(lambda book: self._decide(book, whole, number, decision, same))
        if not changed:
            return None  # it was so before: nothing is said twice
        action = START if decision.action == START else STOP
        subject = whole.first.subject
        await in_beat(lambda: self._effective(subject, changed, action))
        if self.inbound.exchange is not None:  # first everywhere, then it is confirmed
            who = f"process:{self.ledger.name}"
            asked_for = {"subject": subject, "programmes": changed, "out": action == STOP, "who": who}
            await self.inbound.exchange.tell_all("left_alone", asked_for)
        await self._answer(whole, programme, decision._replace(action=action), beat)
        return Said(EVENTS[action], {"programme": ", ".join(n or ALL_NAME for n in changed)[:64], "source": "keyword"})

    def _decide(self, book: Book, whole: Whole, number: bytes, decision: Decision, names: list[str]) -> list[str]:
        """In the book's thread: names of the programmes that this message changed something in."""
        first = whole.first
        known = book.by_evidence(first.id)
        if known:
            return known
        if decision.action == STOP_ALL or (decision.action == STOP and self.watch.consent.revoke_all):
            names = [EVERY]
        action = START if decision.action == START else STOP
        if action == START and EVERY in book.suppressed_in(first.subject):
            names = [EVERY]
        who = f"process:{self.ledger.name}"
        return book.heard(first.subject, number, names, action, decision.word, first.id, clock.now_ms(), who)

    def _effective(self, subject: bytes, names: list[str], action: str) -> int:
        if action == START:
            self.ledger.stops.ended(subject)
            return 0
        return swept(self.ledger, subject, frozenset(names), f"process:{self.ledger.name}")

    async def _sealed(self, whole: Whole) -> bytes:
        key = DataKey(0, await self.keyring.derive("suppressed number", ""))
        return key.seal(whole.first.number.encode(), b"s" + whole.first.subject)

    async def _answer(self, whole: Whole, programme: Programme, decision: Decision, beat: Beat) -> None:
        """Queues the answer as an alert from the number that was written to, once; nothing where no link would take it."""
        texts = {STOP: programme.confirmation, START: programme.welcome, HELP: programme.help}[decision.action]
        text = texts.get(decision.language) or next(iter(texts.values()), PLAIN[decision.action])
        sender = answer_sender(whole.first.recipient)
        try:
            to, calling_code = normalise(whole.first.number)
            sender_kind(sender)
        except Error:
            return  # a short code or a name wrote: nobody can be answered there
        if not self.ledger.routes.serves(to, ALERT, sender):
            return
        if self.inbound.keys is None:
            raise Error("hsm_unavailable", "nothing can be sealed now")
        key, _ = self.inbound.keys
        now_ms = clock.now_ms()
        (message_id,) = new_ids(1, now_ms, self.inbound.shard)
        encoding, payload, segments = encode(text)
        mac = hashlib.sha256(b"answer" + whole.first.id).digest()[:16]
        batch = Batch(
            day=clock.day_of(now_ms), accepted_ms=now_ms, key_id=key.key_id, ids=[message_id], callers=[OWN],
            classes=[ALERT], encodings=[encoding], segments=[segments], senders=[sender], calling_codes=[calling_code],
            number_indexes=[whole.first.subject], numbers=[key.seal(to.encode(), b"n" + message_id)],
            contents=[key.seal(_pack(Content(encoding, payload)), b"c" + message_id)], send_at_ms=[0],
            expires_ms=[now_ms + VALIDITY_S_DEFAULT[ALERT] * 1000], notify=[0], to=[to], payloads=[payload],
            requests=[IdempotentRequest(0, 1, mac, mac, b"")],
        )  # fmt: skip
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        beat.batches.append((batch, future))
        beat.wake.set()
        await future


def swept(ledger: Ledger, subject: bytes, names: frozenset[str], who: str) -> int:
    """Within a beat: from now on nothing of these programmes leaves for a number; how many messages were cancelled."""
    now_ms, now_s = clock.now_ms(), clock.monotonic_s()
    ledger.stops.add(subject, names, now_s)

    def cancel(day: int, message_id: bytes, why: str) -> str:
        return acts.cancel(ledger, day, message_id, who, now_ms, why)

    return ledger.stops.sweep(ledger, subject, cancel, now_ms, now_s)


def answer_sender(recipient: str) -> str:
    """The sender of an answer: what the customer wrote to, a long number with its plus."""
    digits = recipient.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return digits if len(digits) <= SHORT_CODE_DIGITS_MAX else "+" + digits
    return recipient
