"""A day's messages sealed anew: opened with a compromised key, sealed under the one in its place, some hundred in a beat.

It may be cut off at any time and begun again: what is under the new key already is not found. What is not read any more (its seal is
broken) stays as it is and is counted. Nothing but the seal changes.
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
from appliance.keys import DataKey, Keyring
from appliance.store import Partition, resealing

from .ledger import Ledger
from .left_stores import LeftStores
from .unfolding import batch_now, rewrite

ROWS: Final = 500  # in one transaction: a few milliseconds of a beat
BATCHES: Final = 2  # the same of batches, which have up to some thousand messages
LOOK_S: Final = 0.05
#: Table -> what the sealed content is bound to besides its id.
BOUND: Final = {"message": b"c", "inbound": b"c", "heard": b"h"}
ANSWERS: Final = "idempotency"
TABLES: Final = (*BOUND, "batch", ANSWERS)
_LISTS: Final = {"message": "resealed", "inbound": "parts_resealed", "heard": "heard_resealed"}


class Reseal(msgspec.Struct, forbid_unknown_fields=True):
    """Go on with a table of a day after a place; `after_mac` in place of `after` where rows have no number."""

    key_id: int
    day: int
    table: str
    who: str
    after: int = 0
    after_mac: bytes = b""
    left: int = 0


class Resealed:
    """What one transaction did. `last`: the last place there is."""

    def __init__(self, asked: Reseal) -> None:
        self.rows = 0
        self.unreadable = 0
        self.after = asked.after
        self.after_mac = asked.after_mac
        self.last = 0
        self.more = False


class Resealing:
    """One engine's. `do` runs an act within a beat; `unscrubbed`: days whose logs are to be emptied."""

    def __init__(
        self,
        ledger: Ledger,
        keyring: Keyring,
        do: Callable[[Callable[[], Any]], Awaitable[Any]],
        stores: LeftStores,
        unscrubbed: set[int],
    ) -> None:
        self.ledger = ledger
        self.keyring = keyring
        self._do = do
        self.stores = stores
        self._unscrubbed = unscrubbed

    async def reseal(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Operation: a Reseal -> {rows, unreadable, after, after_mac, last, more}; without more the log is empty, too.

        Raises Error `key_state` unless the key is compromised.
        """
        try:
            asked = msgspec.convert(payload, Reseal)
        except msgspec.ValidationError:
            raise Error("malformed", "a key, a day and a table of it are named") from None
        if asked.table not in TABLES:
            raise Error("malformed", "there is no such table to seal anew")
        if asked.day in self.ledger.damaged and not asked.left:
            raise self.ledger.damaged[asked.day]
        new = await self.keyring.successor(asked.key_id)
        old = await self.keyring.by_id(asked.key_id)
        done: Resealed = await self._do(partial(self._step, asked, old, new))
        while not done.more and asked.day in self._unscrubbed:
            await asyncio.sleep(LOOK_S)
        return vars(done)

    def _step(self, asked: Reseal, old: DataKey, new: DataKey) -> Resealed:
        ledger, done = self.stores.ledger_of(asked.left), Resealed(asked)
        partition = ledger.existing(asked.day)
        if partition is None:
            return done
        if asked.table == ANSWERS:
            self._answers(ledger, partition, asked, old, new, done)
        elif asked.table == "batch":
            self._batches(ledger, partition, asked, old, new, done)
        else:
            self._rows(ledger, partition, asked, old, new, done)
        if done.rows:
            work = ledger.work[asked.day]
            day = clock.day_name(asked.day)
            on = f"key:{asked.key_id}"
            work.audit.append(
                entry(clock.now_ms(), asked.who, "key.resealed", on, day=day, under=f"key {new.key_id}", rows=done.rows)
            )
        if asked.left:
            self.stores.commit(asked.left, asked.day)
        elif not done.more:
            self._unscrubbed.add(asked.day)
        return done

    def _rows(
        self, ledger: Ledger, partition: Partition, asked: Reseal, old: DataKey, new: DataKey, done: Resealed
    ) -> None:
        work, table = ledger.work[asked.day], asked.table
        found = resealing.rows_under(partition, table, asked.key_id, asked.after, ROWS)
        # One that is being given another content in this very beat is left for the next time.
        changing = {row[-1] for row in work.replaced} if table == "message" else set()
        out = getattr(work, _LISTS[table])
        for place, message_id, number, content in found:
            done.after = place
            if place in changing:
                continue
            try:
                number = _anew(old, new, number, b"n" + message_id)
                content = _anew(old, new, content, BOUND[table] + message_id) if content is not None else None
            except Error:
                done.unreadable += 1
                continue
            out.append((number, content, new.key_id, place))
            done.rows += 1
        done.last, done.more = resealing.last_of(partition, table), len(found) == ROWS

    def _batches(
        self, ledger: Ledger, partition: Partition, asked: Reseal, old: DataKey, new: DataKey, done: Resealed
    ) -> None:
        firsts = resealing.batches_after(partition, asked.after, BATCHES)
        for first in firsts:
            done.after = first
            columns, numbers = batch_now(ledger, asked.day, first)
            if columns.key_id != asked.key_id:
                continue
            ids = [columns.id(at) for at in range(len(columns.numbers))]
            try:
                columns.numbers = [_anew(old, new, x, b"n" + i) for x, i in zip(columns.numbers, ids, strict=True)]
                columns.contents = [_anew(old, new, x, b"c" + i) for x, i in zip(columns.contents, ids, strict=True)]
            except Error:
                done.unreadable += 1
                continue
            columns.key_id = new.key_id
            rewrite(ledger, asked.day, first, columns, numbers)
            done.rows += len(ids)
        done.last, done.more = resealing.last_of(partition, "batch"), len(firsts) == BATCHES

    def _answers(
        self, ledger: Ledger, partition: Partition, asked: Reseal, old: DataKey, new: DataKey, done: Resealed
    ) -> None:
        work = ledger.work[asked.day]
        found = resealing.answers_under(partition, asked.key_id, asked.after_mac, ROWS)
        for mac, answer in found:
            done.after_mac = mac
            try:
                work.answers_resealed.append((_anew(old, new, answer, b"a" + mac), new.key_id, mac))
                done.rows += 1
            except Error:
                done.unreadable += 1
        done.more = len(found) == ROWS


def _anew(old: DataKey, new: DataKey, sealed: bytes, aad: bytes) -> bytes:
    """The same under the new key; what was erased stays erased. Raises Error `key_refused`."""
    return new.seal(old.open(sealed, aad), aad) if sealed else sealed
