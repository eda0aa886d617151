"""Looks at receipts whose message is not known and at segments whose fate is not: before a beat, a few numbers at a time.

The only place beside paging where the engine opens what is sealed, and only where a receipt's text must be compared.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from appliance.errors import Error
from appliance.keys import DataKey, Keyring, blind_index
from appliance.message import CLASSES, INDETERMINATE, SENT, Content
from appliance.store import SUBMITTED, Candidate, Claim, DatabaseError, doubts
from appliance.text import decode, split

from .awaited import Pair
from .inbound import Inbound
from .ledger import Ledger
from .link import Link
from .matching import Fit, Known, fits, plain, sender_of
from .receipts import has_ended
from .undecided import AGAIN, resolve, send_again, unpark
from .unfolding import known_by_number
from .unsent import report

LOOKS_EACH: Final = 50  # numbers in one beat: some milliseconds
KEY_S_MAX: Final = 1.0
RETRY_S: Final = 1.0

_decode = msgspec.msgpack.Decoder(Content).decode


class Resolver:
    """Matches parked receipts to segments that have none, by what they say beside an unknown id."""

    def __init__(self, ledger: Ledger, links: dict[str, Link], inbound: Inbound, keyring: Keyring) -> None:
        self.ledger = ledger
        self.links = links
        self.inbound = inbound
        self.keyring = keyring
        self._again_s = 0.0

    async def look(self, now_s: float, now_ms: int) -> None:
        """What can be told apart now is settled in the beat that follows; the rest is looked at again, ever more rarely."""
        if now_s < self._again_s:
            return
        pairs = self.ledger.doubts.take(now_s, LOOKS_EACH)
        for n, pair in enumerate(pairs):
            try:
                await self._pair(pair, now_s, now_ms)
            except (Error, TimeoutError):  # no key now: nothing was decided
                self._again_s = now_s + RETRY_S
                for each in pairs[n:]:
                    self.ledger.doubts.soon(each)
                return

    async def _pair(self, pair: Pair, now_s: float, now_ms: int) -> None:
        ledger = self.ledger
        name, number_index = pair
        claims: list[Claim] = []
        candidates: list[Candidate] = []
        for day, partition in list(ledger.partitions.items()):
            number = ledger.link_numbers[day].get(name)
            if number is None:
                continue
            try:
                claims += doubts.claims(partition, number, number_index)
            except DatabaseError:
                ledger.quarantine(day, now_ms)
        for day, partition in list(ledger.partitions.items()):
            number = ledger.link_numbers[day].get(name)
            if number is None:
                continue
            try:
                if claims:  # without one nothing of a batch is in question
                    known_by_number(ledger, day, number_index, SENT, SUBMITTED)
                candidates += doubts.owners(partition, number, number_index)
            except DatabaseError:
                ledger.quarantine(day, now_ms)
        candidates = [c for c in candidates if c.day in ledger.partitions]
        # A receipt that was heard while the last commit was under way is not in the rows yet; of a segment sent again it is one copy's.
        candidates = [
            c for c in candidates if c.again or not c.operator_id or not ledger.ends_now((name, c.operator_id))
        ]
        claims = [c for c in claims if c.day in ledger.partitions and not self._had(name, c, now_ms)]
        link = self.links.get(name)
        settled: set[tuple[int, int]] = set()
        used = 0
        if claims and link is not None and any(_open(c, claims) for c in candidates):
            for fit in await self._fits(link, claims, candidates):
                how = {"time": "time of acceptance"}.get(fit.how, fit.how)
                resolve(ledger, name, fit.claim, fit.candidate, how, now_ms)
                settled.add((fit.candidate.day, fit.candidate.key))
                used += 1
        left = [c for c in candidates if (c.day, c.key) not in settled]
        for c in left:
            if c.act != doubts.TO_RESEND or not c.here:
                continue
            why = ledger.stops.unwanted(number_index, c.class_, c.sender)
            if why is not None:
                report(ledger, c.day, c.key, ledger.link_numbers[c.day][name], why, now_ms)
            else:
                ledger.lost_on[c.day, c.key >> 8] = name
                send_again(ledger, c.day, c.key >> 8, c.class_, [c.key], AGAIN, now_ms)
        if len(claims) > used and any(_open(c, claims) for c in left):
            ledger.doubts.later(pair, now_s)
        else:
            ledger.doubts.done(pair)

    def _had(self, name: str, claim: Claim, now_ms: int) -> bool:
        """Whether its segment has it, in the file of another day: power may go before it is taken out of its own."""
        had = has_ended(self.ledger, name, claim.operator_id, now_ms)
        if had:
            unpark(self.ledger, name, claim)
        return had

    async def _fits(self, link: Link, claims: list[Claim], candidates: list[Candidate]) -> list[Fit]:
        if self.inbound.keys is None:
            raise Error("hsm_unavailable", "the key of the blind index is not here yet")
        index_key = self.inbound.keys[1]
        keys: dict[int, DataKey | None] = {}
        for key_id in {c.key_id for c in candidates}:
            try:
                async with asyncio.timeout(KEY_S_MAX):
                    keys[key_id] = await self.keyring.by_id(key_id)
            except Error as e:
                if e.code not in ("key_destroyed", "key_missing"):
                    raise
                keys[key_id] = None  # it was destroyed: what it sealed may be anything
        compared = any(claim.text_index is not None for claim in claims)
        known = Known(
            [self._senders(link, c, keys[c.key_id]) for c in candidates],
            [_text(link, c, keys[c.key_id]) if compared else None for c in candidates],
            lambda text: blind_index(index_key, "text:" + text),
            link.settings.user_message_reference,
            self.ledger.steps,
            not self.ledger.damaged,
        )
        return fits(claims, candidates, known)

    def _senders(self, link: Link, candidate: Candidate, key: DataKey | None) -> frozenset[str] | None:
        """Every sender that the segment may have left with on the link: its own, the link's, or what its route puts."""
        default = link.settings.default_sender
        forms = {candidate.sender or default}
        try:
            to = key.open(candidate.number, b"n" + candidate.message_id).decode() if key is not None else ""
        except (Error, UnicodeDecodeError):
            to = ""
        if not to:
            return None
        group = self.ledger.routes.group(to, candidate.class_, candidate.sender)
        if group.rewrites:
            forms |= {way.put(candidate.sender, CLASSES[candidate.class_]) or default for way in group.ways}
        return frozenset(map(sender_of, forms))


def _open(candidate: Candidate, claims: list[Claim]) -> bool:
    """Whether a receipt may still settle it."""
    return candidate.here and (
        candidate.status == INDETERMINATE
        or (candidate.status in (SENT, SUBMITTED) and any(claim.nameless for claim in claims))
    )


def _text(link: Link, candidate: Candidate, key: DataKey | None) -> str | None:
    """The plain text of a segment; None when it cannot be read or was cut in another way than usual."""
    if key is None:
        return None
    try:
        content = _decode(key.open(candidate.content or b"", b"c" + candidate.message_id))
        if candidate.segments == 1:
            return plain(decode(content.encoding, content.payload))
        parts = split(content.encoding, content.payload, link.settings.reference_bits)
        if len(parts) != candidate.segments:
            return None
        return plain(decode(content.encoding, parts[(candidate.key & 255) - 1]))
    except (Error, msgspec.MsgspecError, ValueError):
        return None
