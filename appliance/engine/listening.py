"""Customers' messages on their way from parts to what they ask for: joined, decided on, answered, and only then marked as read.

Every step may be done again after a crash: a decision is known by the message it follows from, an answer by an idempotency
key, the whole message by its id. A wish to be left alone is durable in `consent.db`, and what was queued is cancelled, before its confirmation is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from appliance import clock
from appliance.audit import entry
from appliance.consent import Book, ConsentWatch
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.keys import DataKey, Keyring
from appliance.message import id_text
from appliance.settings import Settings
from appliance.store import DatabaseError, letters

from .answering import Answering, Said, swept
from .beat import Beat
from .inbound import Inbound
from .joining import Joiner, Piece, Where, Whole, piece_of
from .ledger import Ledger

log = logging.getLogger(__name__)

ROWS: Final = 500  # read in one pass
RETRY_S: Final = 1.0
LOOK_S: Final = 1.0  # between two looks at what is overdue
RECALLED: Final = 1_000  # decisions that a start looks back on: more than come in a moment
_content: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.msgpack.encode


class Listener:
    """One engine's. `step` between beats reads; what follows runs beside the beats and comes back as acts within one."""

    def __init__(self, ledger: Ledger, beat: Beat, settings: Settings, keyring: Keyring, inbound: Inbound) -> None:
        self.ledger = ledger
        self.beat = beat
        self.keyring = keyring
        self.inbound = inbound
        self.watch = ConsentWatch(settings)
        self.answering = Answering(ledger, settings, self.watch, keyring, inbound)
        self.joiner = Joiner(settings["inbound.parts_s"] * 1000)
        ledger.stops.belongs = self.watch.consent.belongs
        ledger.stops.left = self._left
        self._book: Book | None = None
        self._path = settings.home / "consent.db"
        ledger.quiet = self.watch.quiet or None
        self._alphabets = {link.name: link.alphabet for link in settings.links}
        self._read: dict[int, int] = {}
        self._due: list[Whole] = []
        self._loose: set[Where] = set()  # on disk as such
        self._known: set[Where] = set()  # read and not settled
        self._again_s = self._looked_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def recall(self, now_s: float) -> None:
        """At a start, before anything is accepted: who asked to be left alone last. A face that outlived this process may not know it yet.

        By number, not by time: the clock may have been set.
        """
        try:
            for decided in self._opened_book().newest(RECALLED):
                self.ledger.stops.add(decided.subject, frozenset((decided.programme,)), now_s)
        except (Error, DatabaseError) as e:
            log.error("who asked last to be left alone cannot be read: %s", e)

    def step(self, now_s: float, now_ms: int) -> None:
        """Starts a pass when there is something to do."""
        if (self._task is not None and not self._task.done()) or now_s < self._again_s or self.inbound.keys is None:
            return
        if not self.inbound.took and not self._due and now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        self.ledger.stops.forget(now_s)
        rows: list[tuple[int, tuple[Any, ...]]] = []
        before: list[tuple[int, tuple[Any, ...]]] = []
        read: dict[int, int] = {}
        if self.inbound.took:
            self.inbound.took = False
            try:
                for day in sorted(self.ledger.partitions):
                    before += self._joined_before(day, now_ms)
                    rows += self._rows(day, read)
            except DatabaseError as e:
                log.error("customers' messages cannot be read: %s", e)
        if not rows:  # else one of them may be what is waited for
            self._due += self.joiner.overdue(int(now_s * 1000))
        if rows or self._due:
            self._task = asyncio.get_running_loop().create_task(self._pass(before, rows, read, now_s))

    def _left(self, subject: bytes) -> list[str]:
        """Programmes that a number has left: some microseconds, for odd cases only. Another connection than that of the watch's thread."""
        return self._opened_book().suppressed_in(subject)

    def _opened_book(self) -> Book:
        if self._book is None:
            self._book = Book(self._path)
        return self._book

    def _joined_before(self, day: int, now_ms: int) -> list[tuple[int, tuple[Any, ...]]]:
        """At a start, what may still come once more: an operator repeats what a crash kept us from acknowledging."""
        if day in self._read:
            return []
        partition = self.ledger.partitions[day]
        since_ms = now_ms - self.joiner.wait_ms
        return [(day, row) for row in letters.joined(partition, partition.mark(letters.READ), since_ms)]

    def _rows(self, day: int, read: dict[int, int]) -> list[tuple[int, tuple[Any, ...]]]:
        partition = self.ledger.partitions[day]
        found: list[tuple[Any, ...]] = []
        after = self._read.get(day)
        if after is None:
            after = partition.mark(letters.READ)
            found = letters.loose(partition)
            self._loose.update((day, row[0]) for row in found)
        new = letters.unread(partition, after, ROWS)
        read[day] = new[-1][0] if new else after
        if len(new) == ROWS:
            self.inbound.took = True
        return [(day, row) for row in (*found, *new)]

    async def _pass(
        self,
        before: list[tuple[int, tuple[Any, ...]]],
        rows: list[tuple[int, tuple[Any, ...]]],
        read: dict[int, int],
        now_s: float,
    ) -> None:
        try:
            for day, row in before:
                piece = await self._opened(day, row)
                if piece is not None:
                    self.joiner.remember(piece, int(now_s * 1000))
            pieces = [await self._opened(day, row) for day, row in rows]
        except Error as e:
            log.warning("customers' messages wait: %s", e.code)
            self.inbound.took = True
            self._again_s = now_s + RETRY_S
            return
        unreadable = [(day, row[0]) for (day, row), piece in zip(rows, pieces, strict=True) if piece is None]
        for piece in pieces:
            if piece is not None:
                self._known.add(piece.where)
                self._due += self.joiner.take(piece, int(now_s * 1000))
        self._due += self.joiner.overdue(int(now_s * 1000))
        self._read |= read
        self._forget_heard(unreadable)
        settled: list[tuple[Whole, Said | None]] = []
        try:
            while self._due:
                whole = self._due[0]
                settled.append((whole, await self.answering.decided(whole, self._in_beat, self.beat)))
                self._due.pop(0)
        except Error as e:
            log.warning("what a customer asked for waits: %s", e.code)
            self._again_s = clock.monotonic_s() + RETRY_S
        await self._settle(settled, unreadable, read)

    def _forget_heard(self, gone: list[Where]) -> None:
        """Conversations that a crash left loose although their message was heard, on the day after."""
        for first_id in self.joiner.firsts() if self._loose else ():
            if any(letters.was_heard(partition, first_id) for partition in self.ledger.partitions.values()):
                gone += self.joiner.drop(first_id)

    async def _opened(self, day: int, row: tuple[Any, ...]) -> Piece | None:
        n, message_id, link, _, key_id, _, number, _, content = row
        if not content:
            return None  # erased
        try:
            key: DataKey = await self.keyring.by_id(key_id)
        except Error as e:
            if e.code != "key_destroyed":
                raise
            log.error("a customer's message cannot be read: its key was destroyed")
            return None
        try:
            opened = _content(key.open(content, b"c" + message_id))
            to = key.open(number, b"n" + message_id).decode()
            return piece_of((day, n), row, to, opened, self._alphabets.get(link, "gsm7"))
        except (Error, msgspec.MsgspecError, KeyError, TypeError, ValueError):
            log.error("a customer's message cannot be read: its seal is broken")
            return None

    async def _settle(self, settled: list[tuple[Whole, Said | None]], gone: list[Where], read: dict[int, int]) -> None:
        """Makes durable what was read: today's part first, so that nothing is forgotten before it is kept."""
        wheres = [where for whole, _ in settled for where in whole.wheres] + gone
        self._known.difference_update(wheres)
        today = clock.day_of(clock.now_ms())

        def keep() -> None:
            now_ms = clock.now_ms()
            keys = self.inbound.keys
            if keys is None:
                raise Error("hsm_unavailable", "nothing can be sealed now")
            self.ledger.partition(today)
            work = self.ledger.work[today]
            for whole, said in settled:
                if whole.total:
                    work.heard.append(_row(whole, keys[0]))
                if said is not None:
                    on = f"message:{id_text(whole.first.id)}"
                    self.beat.notes.append(
                        entry(now_ms, f"process:{self.ledger.name}", said.what, on, "ok", **said.detail)
                    )
            note(today)

        def note(day: int) -> None:
            work = self.ledger.work[day]
            new = [w for w in self._known - self._loose if w[0] == day]
            work.loose += [(n,) for _, n in new]
            work.joined += [(n,) for d, n in wheres if d == day and (d, n) in self._loose]
            if read.get(day):
                work.marks.append((letters.READ, read[day]))
            self._loose.update(new)

        def note_others() -> None:
            for day in {*read, *(d for d, _ in wheres)} - {today}:
                if day in self.ledger.partitions and (read.get(day) or any(d == day for d, _ in wheres)):
                    note(day)

        while True:
            try:
                await self._in_beat(keep)
                if {*(day for day in read if read[day]), *(day for day, _ in wheres)} - {today}:
                    await self._in_beat(note_others)
                break
            except Error as e:
                log.warning("what customers wrote is kept in a moment: %s", e.code)
                await asyncio.sleep(RETRY_S)
        self._loose.difference_update(wheres)

    async def _in_beat(self, act: Callable[[], Any]) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.beat.acts.append((act, future))
        self.beat.wake.set()
        return await future

    async def left_alone(self, payload: Any, peer: Peer) -> dict[str, int]:
        """Operation: {subject, programmes, out, who}: a person's or a program's decision, already in `consent.db`, takes effect here."""
        subject, names, who = bytes(payload["subject"]), frozenset(payload["programmes"]), str(payload["who"])
        if not payload["out"]:
            self.ledger.stops.ended(subject)
            return {"cancelled": 0}
        return {"cancelled": int(await self._in_beat(lambda: swept(self.ledger, subject, names, who)))}

    def forget(self, subject: bytes) -> None:
        """A customer is erased: what is in memory of what they wrote is not put together any more."""
        self.joiner.forget(subject)
        self._due = [whole for whole in self._due if whole.first.subject != subject]

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.watch.close()


def _row(whole: Whole, key: DataKey) -> tuple[Any, ...]:
    first = whole.first
    content: dict[str, Any] = {"text": whole.text, "parts": whole.total, "missing": list(whole.missing)}
    content["at"] = list(whole.wheres)  # of its parts: what is erased with it
    return (
        first.id,
        first.at_ms,
        key.key_id,
        first.subject,
        key.seal(first.number.encode(), b"n" + first.id),
        first.recipient,
        key.seal(_encode(content), b"h" + first.id),
    )
