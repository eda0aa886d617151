"""HOT: the heart of the engine: hear, decide, commit, tell. One beat is one transaction a day touched.

While a commit waits for the disk (in a thread) the event loop hears what the next beat will decide; nothing else
writes. What a beat could not make durable is told to nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any

from appliance import clock, limits
from appliance.audit import entry
from appliance.errors import Error
from appliance.message import OTP, QUEUED, Batch
from appliance.smpp import status_name, verdict
from appliance.store import DatabaseError, is_damage

from .accepting import accept
from .ahead import Ahead, Wake, committed
from .brief import Brief, codes_first, taken
from .choosing import dispatch, group_of
from .inbound import Acknowledgement, Inbound
from .ledger import Ledger
from .left_alone import stayed
from .link import Link
from .pace import UNLIMITED
from .packing import Staged
from .receipts import answered
from .refusing import refuse_new, write_over
from .telling import acknowledge, settle, submit, tried
from .tending import keep_short, look_after
from .undecided import count, lost
from .unfolding import odd
from .waiting import Waiting

ATTEMPTS_MAX = 5  # submits of one segment that an operator answered with 'try later'
RETRY_S = (1, 2, 4, 8, 16)
SWEPT_PER_S = 25_000  # queued messages looked at for their validity: looking holds up the beat

Act = Callable[[], Any]
Reply = tuple[asyncio.Future[Any], Any, int]  # what to answer once this day is durable


class Beat:
    """Owns the ledger and the links; everything that changes either is done inside `once`."""

    def __init__(self, ledger: Ledger, links: dict[str, Link], inbound: Inbound) -> None:
        self.ledger = ledger
        self.links = links
        self.inbound = inbound
        self.batches: list[tuple[Batch, asyncio.Future[Any]]] = []
        self.acts: list[tuple[Act, asyncio.Future[Any]]] = []
        self.notes: list[dict[str, Any]] = []  # audit entries of the engine itself
        self.before_commit: list[Callable[[], None]] = []
        self.wake = Wake()
        self.brief = Brief()
        self.more = False  # something could leave at once and was left for the next beat
        self.draining = False
        self.give_up_s = inf  # while draining: a disk that still fails then is given up
        self.broken = ""
        self.pause_s = 1.0  # between two tries to write on a disk that fails
        self.beats = 0
        self.rows = 0
        self.write_s = self.commit_s = 0.0
        self.changed_days: set[int] = set()
        self.pool = ThreadPoolExecutor(1, "commit")
        self.frames: list[Staged] = []
        self._delivered: list[Acknowledgement] = []  # to be acknowledged by this beat
        self.ahead = Ahead()  # of the next beat
        self._left = 0  # segments that the last beat submitted
        self._day = 0  # that is being written, 0: nobody can say
        self._counts: dict[int, list[int]] = {}
        self._sweep_s = 0.0

    async def once(self) -> None:
        """One beat. Never raises for what operators or callers did."""
        ledger = self.ledger
        now_ms, now_s = clock.now_ms(), clock.monotonic_s()
        self.more = False
        ahead, self.ahead = self.ahead, Ahead()
        batches, most = self._of_this_beat(now_s, ahead.held)
        acts, self.acts = self.acts, []
        self._lost(now_ms)
        self._answers(now_ms, now_s)
        self._delivered = ahead.delivered + self._delivers(now_ms, most, ahead.heard)
        replies = ahead.replies + self.accept(batches, now_ms)
        results = [(future, tried(act)) for act, future in acts]
        self._timed(now_ms, now_s)
        keep_short(ledger, now_ms)
        held = 0
        if most < UNLIMITED:
            held = ahead.held + sum(len(batch.ids) for batch, _ in batches if OTP not in batch.classes)
        if not self.draining:
            held = max(held, self._dispatch(now_ms, now_s, most))
        self.notes += ledger.notes
        ledger.notes = []
        if self.notes:
            ledger.partition(clock.day_of(now_ms))
            ledger.work[clock.day_of(now_ms)].audit += self.notes
            self.notes = []
        if ledger.damaged:
            replies = self._of_sound_days(replies)
        await self._make_durable(now_ms, replies)
        self._tell(now_s)
        for future, reply, _ in replies:
            settle(future, reply)
        for future, result in results:
            settle(future, result)
        self.beats += 1
        if most < UNLIMITED:
            self.brief.lasted(clock.monotonic_s() - now_s, held)

    def _of_this_beat(self, now_s: float, held: int) -> tuple[list[tuple[Batch, asyncio.Future[Any]]], int]:
        """The batches that this beat accepts beside `held`, and how many segments beside one-time codes it may take."""
        codes = codes_first(self.batches)
        if codes:
            self.brief.seen(now_s)
        most = UNLIMITED if self.draining else self.brief.most(now_s)
        at = taken(self.batches, codes, most, held)
        batches, self.batches = self.batches[:at], self.batches[at:]
        return batches, most

    def _dispatch(self, now_ms: int, now_s: float, most: int) -> int:
        """Segments beside one-time codes that are about to leave."""
        codes = self.ledger.queues.lengths[OTP]
        self.frames, held = dispatch(self.ledger, self.links, now_ms, now_s, most)
        if self.ledger.queues.lengths[OTP] < codes:
            self.brief.seen(now_s)
        self.more = held >= most
        return held

    def accept(self, batches: list[tuple[Batch, asyncio.Future[Any]]], now_ms: int) -> list[Reply]:
        replies: list[Reply] = []
        for batch, future in batches:
            try:
                replies.append((future, accept(self.ledger, batch, now_ms), batch.day))
            except Error as e:
                settle(future, e)
            except DatabaseError:
                settle(future, Error("store_damaged", "the message store cannot be read", "see the engine's log"))
        return replies

    def _of_sound_days(self, replies: list[Reply]) -> list[Reply]:
        """A day that turned out to be damaged after a batch of it was accepted takes that with it."""
        for future, _, day in replies:
            if day in self.ledger.damaged:
                settle(future, self.ledger.damaged[day])
        return [each for each in replies if each[2] not in self.ledger.damaged]

    # --- hearing ----------------------------------------------------------------------------------------

    def _lost(self, now_ms: int) -> None:
        for link in self.links.values():
            gone, link.lost = link.lost, []
            for _, unanswered in gone:
                unanswered = self._readable(unanswered)
                again = [(w, part) for w, part in unanswered if lost(self.ledger, link.name, w, part, now_ms)]
                self.requeue(again)
                self.ledger.health.of(link.name).unanswered += len(unanswered)
                self.notes.append(
                    entry(
                        now_ms,
                        f"process:{self.ledger.name}",
                        "messages.indeterminate",
                        f"link:{link.name}",
                        segments=len(unanswered),
                        sent_again=len(again),
                    )
                )

    def _answers(self, now_ms: int, now_s: float) -> None:
        ledger = self.ledger
        for link in self.links.values():
            if not link.answers:
                continue
            answers, link.answers = link.answers, []
            link.answered += len(answers)
            if ledger.damaged:
                answers = [answer for answer in answers if answer[1].day not in ledger.damaged]
            back: list[tuple[Waiting, int]] = []
            canonical = self.inbound.canonical(link)
            for _, waiting, part, status, operator_id in answers:
                if status == 0:
                    own = canonical(operator_id)
                    answered(ledger, link.name, waiting, part, own, now_ms)
                    if own != operator_id and link.settings.query_sm:  # it is asked by what it wrote
                        ledger.work[waiting.day].raw_ids.append((waiting.seq << 8 | part, operator_id))
                    continue
                link.errors += 1
                self._not_taken(link, waiting, part, status, back, now_ms, now_s)
            self.requeue(back)

    def _not_taken(
        self,
        link: Link,
        waiting: Waiting,
        part: int,
        status: int,
        back: list[tuple[Waiting, int]],
        now_ms: int,
        now_s: float,
    ) -> None:
        word = verdict(status)
        if word == "permanent":
            self.ledger.health.of(link.name).refused += 1
            self.ledger.refused(link.name, waiting, part, status_name(status), now_ms)
            return
        odd(self.ledger, waiting)
        if stayed(self.ledger, link.name, waiting, part, now_ms):
            return
        self.ledger.work[waiting.day].requeued.append((QUEUED, status_name(status), waiting.seq << 8 | part))
        if word == "throttled":
            link.throttled_at(now_s)
            if link.throttle.policy == "delay":
                due_s = now_s + link.throttle.delay_s(waiting.tried(-part))  # counted apart: it never gives up for this
                self.ledger.delayed.push(due_s, waiting, part)
            else:
                back.append((waiting, part))
            return
        attempts = waiting.tried(part)
        if attempts > ATTEMPTS_MAX:
            self.ledger.gave_up(link.name, waiting, part, status_name(status), now_ms)
        else:
            self.ledger.delayed.push(now_s + RETRY_S[attempts - 1], waiting, part)

    def _readable(self, segments: list[tuple[Waiting, int]]) -> list[tuple[Waiting, int]]:
        """Those of days whose partition can be read: of the others nothing can be written any more."""
        damaged = self.ledger.damaged
        return [each for each in segments if each[0].day not in damaged] if damaged else segments

    def requeue(self, back: list[tuple[Waiting, int]]) -> None:
        """Puts segments back at the head of their queues, in their order."""
        back = self._readable(back)
        self.ledger.queues.put_back([(group_of(self.ledger, w), w) for w, part in back if w.give_back(part)])

    def delivers_most(self) -> int:
        """How much of what a link's operator delivers a beat takes in."""
        return 2 * max(self.brief.most(clock.monotonic_s()), self._left)

    def _delivers(self, now_ms: int, most: int, heard: dict[str, int]) -> list[Acknowledgement]:
        """Receipts may come in thousands at once; in order and after all answers, none is parked for being left to the next beat.

        `heard`: how many were taken in ahead, by link.
        """
        out: list[Acknowledgement] = []
        for link in self.links.values():
            at = max(0, 2 * max(most, self._left) - heard.get(link.name, 0))
            if link.delivers and at:
                delivers, link.delivers = link.delivers[:at], link.delivers[at:]
                out += self.inbound.heard(self.ledger, link, delivers, now_ms)
        return out

    # --- sending ----------------------------------------------------------------------------------------

    def _timed(self, now_ms: int, now_s: float) -> None:
        for waiting, part in self.ledger.delayed.due(now_s):
            self.requeue([(waiting, part)])
        if now_s - self._sweep_s >= 1.0 + len(self.ledger.queues) / SWEPT_PER_S:
            self._sweep_s = now_s
            for waiting in self.ledger.queues.sweep(now_ms):
                self.ledger.expired(waiting, now_ms)
            # An operator may give the ids of receipts again that waited for so long for a response.
            self.ledger.parked.forget(now_ms - limits.PARKED_RECEIPT_S * 1_000)

    # --- committing and telling --------------------------------------------------------------------------

    async def _make_durable(self, now_ms: int, replies: list[Reply]) -> None:
        """Writes and commits every day's work; on failure refuses what is new and tries the rest until it holds."""
        ledger = self.ledger
        loop = asyncio.get_running_loop()
        done: set[int] = set()
        while True:
            try:
                t0 = clock.monotonic_s()
                self._write(done, now_ms)
                t1 = clock.monotonic_s()
                pending = [
                    ledger.partitions[day]
                    for day in ledger.partitions
                    if day not in done and ledger.partitions[day].conn.in_transaction
                ]
                # A parked receipt is taken out of its day after the day of its segment has it: power may go in between.
                pending.sort(key=lambda each: each.day in ledger.work and bool(ledger.work[each.day].unparked))
                for partition in pending:
                    self._day = partition.day
                    done_now = loop.run_in_executor(self.pool, partition.commit)
                    if len(pending) == 1 and not done and not self.draining:
                        ledger.begin_next()
                        await committed(done_now, self)
                    else:
                        await done_now
                    done.add(partition.day)
                self.write_s += t1 - t0
                self.commit_s += clock.monotonic_s() - t1
                break
            except DatabaseError as e:
                self._rejoin(replies)
                error = Error("store_full", "the message store cannot be written", f"free space on the disk ({e})")
                damaged = self._day if is_damage(e) else 0
                if damaged:
                    error = Error("store_damaged", "a day of the message store is damaged", "send again")
                else:
                    await write_over(self, done, now_ms)
                await refuse_new(self, replies, done, error, damaged)
            except (Error, TypeError, ValueError, OverflowError):
                # Something that no table takes. If it came with a new batch, that is refused and all is well.
                if not any(day not in done for _, _, day in replies):
                    raise
                await refuse_new(self, replies, done, Error("internal", "the batch cannot be stored"))
        self.broken = ""
        self.changed_days |= ledger.committed()
        for counts in self._counts.values():
            for status in counts:
                ledger.statuses[status] += 1
        self._counts = {}

    def _rejoin(self, replies: list[Reply]) -> None:
        """The commit failed: what was decided meanwhile is of this beat."""
        self.ledger.rejoin()
        ahead, self.ahead = self.ahead, Ahead()
        replies += ahead.replies
        self._delivered += ahead.delivered

    def _write(self, done: set[int], now_ms: int) -> None:
        ledger = self.ledger
        for day, work in list(ledger.work.items()):
            if day not in done and work:
                self._day = day
                partition = ledger.partition(day)
                partition.write(work)
                self.rows += len(work.messages) + len(work.intents) + len(work.answers) + len(work.receipts)
                self.rows += len(work.batches) + len(work.tallies) + bool(work.moves)
        self._day = 0
        self._counts = {day: counts for day, counts in self._counts.items() if day in done}
        if ledger.touched:
            long, counts = ledger.settle_long(now_ms, done)
            self._counts |= counts
            for day, work in long.items():
                self._day = day
                ledger.partition(day).write(work)
        for day, work in ledger.work.items():
            self._day = day
            if day not in done and work.audit:
                ledger.outboxes[day].put(work.audit)
            if work.doubts or work.decided:
                count(ledger, ledger.partitions[day])
        self._day = 0
        for step in self.before_commit:
            step()
        look_after(ledger, now_ms)

    def _tell(self, now_s: float) -> None:
        frames, self.frames = self.frames, []
        self._left = sum(len(staged.parts) for staged in frames)
        self.requeue(submit(self.ledger, frames, now_s))
        acknowledge(self._delivered)

    def refuse(self, error: Error) -> None:
        """Nothing can be written: every batch that waits is refused, and new ones are until a beat succeeds."""
        self.broken = error.code
        for _, future in self.batches:
            settle(future, error)
        self.batches = []

    def staged(self) -> list[Waiting]:
        """The messages this beat is about to submit."""
        return [w for staged in self.frames for w, _ in staged.parts]

    def close(self) -> None:
        self.pool.shutdown(wait=True)
        for partition in self.ledger.partitions.values():
            partition.close()
