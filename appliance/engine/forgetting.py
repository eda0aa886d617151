"""One person is erased from one day (GDPR art. 17): content and number, sealed and blind, of every message to and from a number.

What stays is the skeleton: id, times, class, segments, sender, country, link, statuses. It is found by another blind index, whose key
nobody has. Courier and door are asked before and after, as with a redaction; nothing is told as done before the write-ahead log is empty.
Every step may be done twice: what was erased is not found again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec

from appliance import clock
from appliance.audit import entry
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.keys import Keyring
from appliance.message import ACCEPTED, NOTIFY_DOOR, NOTIFY_DOOR_FAILURES, NOTIFY_WEBHOOK, QUEUED, REDACTED, SCHEDULED
from appliance.store import NUMBER_OCTETS, forgetting

from .acts import cancel
from .ledger import Ledger
from .left_stores import LeftStores
from .outward import Outward
from .unfolding import erase_whole, unfold_now

AT_ONCE: Final = 500  # messages in one transaction: some ten milliseconds of a beat
LOOK_S: Final = 0.05
WHY: Final = "the person was erased"
KINDS: Final = ("messages", "cancelled", "inbound", "parts", "receipts")


class Erasure(msgspec.Struct, forbid_unknown_fields=True):
    """`request`: the two persons' request with the keys process; `stands_for`: blind index under a key that nobody has any more."""

    request: int
    subject: bytes
    stands_for: bytes
    number: str
    day: int
    who: str
    left: int = 0  # number of a store that no engine has any more; 0: this engine's own


class Forgotten:
    """What one transaction of an erasure did."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(KINDS, 0)
        self.messages: list[bytes] = []
        self.heard: list[bytes] = []
        self.parts: list[bytes] = []
        self.waiting = 0  # messages that are leaving just now: nothing of them is erased
        self.upto = 0  # number of the last message looked at
        self.more = False

    @property
    def ids(self) -> list[bytes]:
        return [*self.messages, *self.heard, *self.parts]


class Forgetting:
    """One engine's. `do` runs an act within a beat; `forget` has the listener forget; `unscrubbed`: days whose logs are to be emptied."""

    def __init__(
        self,
        ledger: Ledger,
        outward: Outward,
        keyring: Keyring,
        do: Callable[[Callable[[], Any]], Awaitable[Any]],
        forget: Callable[[bytes], None],
        stores: LeftStores,
        unscrubbed: set[int],
    ) -> None:
        self.ledger = ledger
        self.outward = outward
        self.keyring = keyring
        self._do = do
        self._forget = forget
        self.stores = stores
        self._unscrubbed = unscrubbed

    async def subject(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Operation: an Erasure of one day -> {messages, cancelled, inbound, parts, receipts, waiting}, durable and out of the log file.

        Raises Error `legal_hold`, `forbidden` without two persons' request, what courier and door say.
        """
        asked = _asked(payload)
        await self._allowed(asked)
        if asked.day in self.ledger.damaged:
            raise self.ledger.damaged[asked.day]
        told: dict[str, Any] = dict.fromkeys(KINDS, 0)
        waiting, after = 0, 0
        learned = self.ledger.routes.numbers.learned if self.ledger.routes.numbers is not None else None
        if learned is not None:
            learned.put(asked.number, None)
        while True:
            found: Forgotten = await self._do(partial(self._look_now, asked, after))
            await self._dropped(found)
            done: Forgotten = await self._do(partial(self._erase, asked, after))
            while any((kind, asked.day) in self.outward.busy for kind in ("webhooks", "doors", "heard", "inbound")):
                await asyncio.sleep(LOOK_S)
            await self._dropped(done)
            for kind, count in done.counts.items():
                told[kind] += count
            waiting += done.waiting
            after = done.upto
            if not done.more:
                break
        while asked.day in self._unscrubbed:
            await asyncio.sleep(LOOK_S)
        return {**told, "waiting": waiting}

    async def _allowed(self, asked: Erasure) -> None:
        held = await self.keyring.held()
        if held is None:
            raise Error("peer_unavailable", "the keys process does not say which days are under a legal hold")
        if asked.day in held:
            raise Error(
                "legal_hold",
                f"{clock.day_name(asked.day)} is under a legal hold",
                "nothing of it is erased before two persons lift it: `casemate keys ask lift-hold`",
            )
        await self.keyring.erasure(asked.request)

    async def _dropped(self, found: Forgotten) -> None:
        if found.ids:
            await self.outward.courier.call("forget", {"ids": found.heard, "messages": found.messages})
            if self.outward.door is not None:
                await self.outward.door.call("forget", {"ids": found.ids})

    def _look_now(self, asked: Erasure, after: int) -> Forgotten:
        return self._look(self.stores.ledger_of(asked.left), asked, after)

    def _look(self, ledger: Ledger, asked: Erasure, after: int) -> Forgotten:
        """What is about to be erased. Messages of batches become rows for it."""
        found = Forgotten()
        partition = ledger.existing(asked.day)
        if partition is None:
            return found
        batched = [seq for seq in partition.batched_to(asked.subject) if seq > after]
        unfold_now(ledger, asked.day, batched[:AT_ONCE])
        rows = forgetting.rows_to(partition, asked.subject, after, AT_ONCE)
        if batched[AT_ONCE:]:  # rows beyond are looked at in their turn
            rows = [row for row in rows if row.seq <= batched[AT_ONCE - 1]]
        found.messages = [row.id for row in rows]
        found.heard = [each for _, each in forgetting.heard_from(partition, asked.subject, AT_ONCE)]
        found.parts = [each for _, each in forgetting.parts_from(partition, asked.subject, AT_ONCE)]
        found.upto = max([row.seq for row in rows] + batched[:AT_ONCE], default=after)
        found.more = bool(batched[AT_ONCE:]) or AT_ONCE in (len(rows), len(found.heard), len(found.parts))
        return found

    def _erase(self, asked: Erasure, after: int) -> Forgotten:
        """What was looked at is erased, in this beat's transaction, with its entry in the audit log."""
        ledger, day, now_ms = self.stores.ledger_of(asked.left), asked.day, clock.now_ms()
        self._forget(asked.subject)
        done = self._look(ledger, asked, after)
        partition = ledger.existing(day)
        if partition is None:
            return done
        work = ledger.work[day]
        seqs: list[int] = []
        for row in forgetting.rows_to(partition, asked.subject, after, AT_ONCE):
            if row.seq > done.upto:
                break
            if row.status in (ACCEPTED, QUEUED, SCHEDULED):
                if cancel(ledger, day, row.id, asked.who, now_ms, WHY) != "cancelled":
                    done.waiting += 1
                    done.messages.remove(row.id)
                    continue
                done.counts["cancelled"] += 1
            seqs.append(row.seq)
            if row.notify & NOTIFY_WEBHOOK:
                work.webhooks.append((row.seq, REDACTED, now_ms, None))
            if row.notify & (NOTIFY_DOOR | NOTIFY_DOOR_FAILURES):
                work.doors.append((row.seq, REDACTED, now_ms, None))
        self._write(ledger, asked, done, seqs, now_ms)
        if asked.left:
            self.stores.commit(asked.left, day)
        return done

    def _write(self, ledger: Ledger, asked: Erasure, done: Forgotten, seqs: list[int], now_ms: int) -> None:
        day, subject, other = asked.day, asked.subject, asked.stands_for
        partition, work = ledger.partitions[day], ledger.work[day]
        erase_whole(ledger, day, seqs)
        work.forgotten += [(other, seq) for seq in seqs]
        work.placed_anew += forgetting.placed_without(partition, subject, set(seqs))
        partition.unplaced(forgetting.unplaced_of(subject, set(seqs)))
        heard = forgetting.heard_from(partition, subject, AT_ONCE)
        parts = forgetting.parts_from(partition, subject, AT_ONCE)
        work.heard_forgotten += [(other, n) for n, _ in heard]
        work.parts_forgotten += [(other, n) for n, _ in parts]
        receipts = forgetting.parked_for(partition, subject)
        if receipts:
            work.nameless_forgotten.append((subject,))
            work.parked_forgotten.append((subject,))
        counts = (len(seqs), done.counts["cancelled"], len(heard), len(parts), receipts)
        done.counts = dict(zip(KINDS, counts, strict=True))
        if any(counts):
            found = len(seqs) + len(heard) + len(parts)
            on = f"partition:{clock.day_name(day)}"
            work.audit.append(entry(now_ms, asked.who, "subject.day_erased", on, rows=found, request=asked.request))
        if not asked.left and (any(counts) or not done.more):
            # Also when nothing was found: a process that died between commit and scrubbing left it to this one.
            self._unscrubbed.add(day)


def _asked(payload: Any) -> Erasure:
    try:
        asked = msgspec.convert(payload, Erasure)
    except msgspec.ValidationError:
        raise Error("malformed", "an erasure names a request, a day, a number and its blind indexes") from None
    if {len(asked.subject), len(asked.stands_for)} != {NUMBER_OCTETS} or asked.subject == asked.stands_for:
        raise Error("malformed", "an erasure's blind indexes are two, of 16 octets")
    return asked
