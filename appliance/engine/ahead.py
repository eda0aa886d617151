"""HOT: what is decided of a beat while the commit of the one before waits for the disk: all that needs no look at the store.

The usual answers, receipts and batches. They become part of the beat that follows, and are told when that is durable; if the
commit fails, the two are one beat. What is odd waits until the store is free.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from appliance import clock
from appliance.message import OTP

from .accepting import needs_store
from .brief import codes_first, taken
from .inbound import Acknowledgement
from .link import Answer, Link
from .receipts import answered

if TYPE_CHECKING:
    from .beat import Beat, Reply
    from .ledger import Ledger

MOST: Final = 4_000  # messages, and receipts of a link: a slow disk must not let what is decided grow
AT_ONCE: Final = 256  # receipts of a link: half a millisecond, which is what a commit that has ended waits for


class Wake:
    """Something has come for a beat. Of one waiter, in whatever loop that runs."""

    __slots__ = ("_set", "_waiter")

    def __init__(self) -> None:
        self._set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        self._set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        self._set = False

    async def wait(self) -> None:
        """At once when it is set."""
        if not self._set:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None


class Ahead:
    """The beginning of a beat. `beat` takes it over with `take`."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.delivered: list[Acknowledgement] = []
        self.messages = 0  # accepted
        self.held = 0  # of these, in batches without one-time codes
        self.heard: dict[str, int] = {}  # by link: receipts taken in
        #: By link: answers, and what was delivered, that were looked at and are left for the beat.
        self.odd_answers: dict[str, int] = {}
        self.odd_delivers: dict[str, int] = {}


async def committed(done: asyncio.Future[Any], beat: Beat) -> None:
    """Waits for a commit, and decides meanwhile. Raises what the commit raises."""
    done.add_done_callback(lambda _: beat.wake.set())
    await asyncio.sleep(0)  # the commit's thread begins first
    while not done.done():
        if step(beat):
            await asyncio.sleep(0)  # between two steps it is seen whether the commit has ended
        else:
            beat.wake.clear()
            await beat.wake.wait()
    await done


def step(beat: Beat) -> bool:
    """Takes in some of what has come: answers, receipts, a batch. Whether there may be more."""
    now_ms = clock.now_ms()
    more = False
    for link in beat.links.values():
        if link.answers:
            _answers(beat, link, now_ms)
    for link in beat.links.values():
        if link.delivers:
            more |= _delivers(beat, link, now_ms)
    return (bool(beat.batches) and _batch(beat, now_ms)) or more


def _answers(beat: Beat, link: Link, now_ms: int) -> None:
    ledger = beat.ledger
    ahead, name = beat.ahead, link.name
    odd = ahead.odd_answers.get(name, 0)
    answers, link.answers = link.answers[odd:], link.answers[:odd]
    canonical = beat.inbound.canonical(link)
    raw = link.settings.query_sm
    left: list[Answer] = link.answers
    for answer in answers:
        _, waiting, part, status, operator_id = answer
        own = canonical(operator_id)
        if status or waiting.day in ledger.damaged or not _usual(ledger, name, own):
            left.append(answer)
            continue
        link.answered += 1
        answered(ledger, name, waiting, part, own, now_ms)
        if raw and own != operator_id:
            ledger.work[waiting.day].raw_ids.append((waiting.seq << 8 | part, operator_id))
    ahead.odd_answers[name] = len(left)


def _usual(ledger: Ledger, link: str, operator_id: str) -> bool:
    """Whether no receipt came before the answer, and there is room to wait for one."""
    outstanding = ledger.outstanding
    return len(outstanding) < outstanding.MOST and not (len(ledger.parked) and (link, operator_id) in ledger.parked)


def _delivers(beat: Beat, link: Link, now_ms: int) -> bool:
    """Whether there were any."""
    ahead, name = beat.ahead, link.name
    odd, heard = ahead.odd_delivers.get(name, 0), ahead.heard.get(name, 0)
    upto = odd + min(AT_ONCE, min(MOST, beat.delivers_most()) - heard)
    delivers = link.delivers[odd:upto]
    if not delivers:
        return False
    told, left = beat.inbound.heard_ahead(beat.ledger, link, delivers, now_ms)
    ahead.delivered += told
    ahead.heard[name] = heard + len(delivers) - len(left)
    ahead.odd_delivers[name] = odd + len(left)
    link.delivers[odd:upto] = left
    return True


def _batch(beat: Beat, now_ms: int) -> bool:
    """Accepts the next, as far as this beat may; whether it did."""
    ahead = beat.ahead
    now_s = clock.monotonic_s()
    codes = codes_first(beat.batches)
    if codes:
        beat.brief.seen(now_s)
    if not taken(beat.batches, codes, beat.brief.most(now_s), ahead.held):
        return False
    batch, future = beat.batches[0]
    if ahead.messages >= MOST or needs_store(beat.ledger, batch):
        return False
    del beat.batches[0]
    ahead.messages += len(batch.ids)
    if OTP not in batch.classes:
        ahead.held += len(batch.ids)
    ahead.replies += beat.accept([(batch, future)], now_ms)
    return True
