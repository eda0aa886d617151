"""HOT: messages to customers who have just asked to be left alone: those that wait are cancelled, and those still on their way in.

A face asks a snapshot that is a moment old, so what it let through in that moment is caught here, before it can leave. Of what has
begun to leave, the rest stays; what was in doubt and waited to be sent again is reported instead, because nobody can say that it never left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from appliance.errors import Error
from appliance.message import CANCELLED, FINAL, QUEUED, Batch
from appliance.store import SUBMITTED, DatabaseError, doubts, letters

from .unfolding import known_by_number
from .unsent import not_again

if TYPE_CHECKING:
    from .ledger import Ledger
    from .waiting import Waiting

LEAVING_S: Final = 900.0  # longer than any bind waits for an answer
KEPT_S: Final = 120.0  # a face that has not taken the decision by then has not answered a ping for long
OWN: Final = 0  # caller of the appliance's own answers
WHY: Final = "suppressed: {}"
UNKNOWN: Final = WHY.format("nobody can tell")


class Stops:
    """Who asked in the last moments: blind index -> (programmes, until when). Times are of the clock that nobody sets."""

    def __init__(self) -> None:
        self.recent: dict[bytes, tuple[frozenset[str], float]] = {}
        #: Messages that were under way when their customer asked: day and seq -> (why, until when, who). If one comes back it stays.
        self.leaving: dict[tuple[int, int], tuple[str, float, bytes]] = {}
        self.belongs: Callable[[int, str], tuple[str, ...]] = lambda class_, sender: ()
        #: Programmes that a number has left, as the book has them on disk; may raise Error or DatabaseError.
        self.left: Callable[[bytes], Collection[str]] = lambda subject: ()

    def add(self, subject: bytes, names: frozenset[str], now_s: float) -> None:
        before = self.recent.get(subject, (frozenset(), 0.0))[0]
        self.recent[subject] = (before | names, now_s + KEPT_S)

    def ended(self, subject: bytes) -> None:
        """The customer may be written to again."""
        self.recent.pop(subject, None)
        self.leaving = {where: kept for where, kept in self.leaving.items() if kept[2] != subject}

    def forget(self, now_s: float) -> None:
        self.recent = {subject: kept for subject, kept in self.recent.items() if kept[1] > now_s}
        self.leaving = {where: kept for where, kept in self.leaving.items() if kept[1] > now_s}

    def stays(self, day: int, seq: int) -> str | None:
        """Why a message that came back unsent does not leave again; None: it may."""
        kept = self.leaving.get((day, seq))
        return kept[0] if kept is not None else None

    def unwanted(self, subject: bytes, class_: int, sender: str) -> str | None:
        """Why a message that was in doubt does not leave again, asked of the book: for what this process cannot remember."""
        names = self.belongs(class_, sender)
        if not names:
            return None
        try:
            left = self.left(subject)
        except (Error, DatabaseError):
            return UNKNOWN  # it is reported: what may not be sent is not sent because a file cannot be read
        name = next((name for name in names if name in left), None)
        return WHY.format(name or "all") if name is not None else None

    def accepted(self, ledger: Ledger, batch: Batch, seqs: range, now_ms: int) -> None:
        """Ends those rows of a new batch that a customer asked not to get."""
        for n, (seq, subject) in enumerate(zip(seqs, batch.number_indexes, strict=True)):
            if subject in self.recent and batch.callers[n] != OWN:
                name = self._held_by(subject, batch.classes[n], batch.senders[n])
                if name is not None:
                    end_new(ledger, batch.day, seq, batch.notify[n], WHY.format(name or "all"), now_ms)

    def _held_by(self, subject: bytes, class_: int, sender: str) -> str | None:
        names = self.recent[subject][0]
        return next((name for name in self.belongs(class_, sender) if name in names), None)

    def sweep(
        self, ledger: Ledger, subject: bytes, cancel: Callable[[int, bytes, str], str], now_ms: int, now_s: float
    ) -> int:
        """Ends every message that waits and that `recent` says the customer does not want; how many. `cancel` by day and id."""
        count = 0
        for day in list(ledger.partitions):
            for batch, seqs in ledger.fresh:
                if batch.day != day:
                    continue
                for n, seq in enumerate(seqs):
                    if batch.number_indexes[n] != subject or batch.callers[n] == OWN:
                        continue
                    name = self._held_by(subject, batch.classes[n], batch.senders[n])
                    if name is not None:
                        end_new(ledger, day, seq, batch.notify[n], WHY.format(name or "all"), now_ms)
                        count += 1
            known_by_number(ledger, day, subject, QUEUED, SUBMITTED)
            for message_id, seq, class_, sender in letters.unsent_to(ledger.partitions[day], subject):
                name = self._held_by(subject, class_, sender)
                if name is not None:
                    why = WHY.format(name or "all")
                    if cancel(day, message_id, why) == "cancelled":
                        count += 1
                    else:
                        self.leaving[day, seq] = (why, now_s + LEAVING_S, subject)
                        withhold(ledger, day, seq, why, now_ms)
            self._sent_again(ledger, day, subject, now_s)
        return count

    def _sent_again(self, ledger: Ledger, day: int, subject: bytes, now_s: float) -> None:
        """Messages that this very beat decided to send again, the book having been asked a moment too early: they stay when they are due."""
        new_from = ledger.new_from.get(day, 1 << 62)
        for seq in [row[0] for row in ledger.work[day].schedule if row[0] < new_from]:
            found, class_, sender = doubts.addressed(ledger.partitions[day], seq)
            name = self._held_by(subject, class_, sender) if found == subject else None
            if name is not None:
                self.leaving[day, seq] = (WHY.format(name or "all"), now_s + LEAVING_S, subject)


def end_new(ledger: Ledger, day: int, seq: int, notify: int, why: str, now_ms: int) -> None:
    """A message of this very beat: its rows are not on disk yet."""
    if (day, seq) in ledger.decided_now:
        return
    ledger.decided_now.add((day, seq))
    ledger.queues.remove(day, frozenset({seq}))
    ledger.work[day].unschedule.append((seq,))
    ledger.message_ended(day, seq, CANCELLED, why, notify, now_ms)


# --- what cannot be cancelled any more -----------------------------------------------------------------------


def withhold(ledger: Ledger, day: int, seq: int, why: str, now_ms: int) -> None:
    """Of a message that has begun to leave, or that may have left, nothing leaves any more; wherever the rest waits, also on disk only.

    What is under way is left to its answer: it `stays` if it comes back.
    """
    work = ledger.work[day]
    if (day, seq) in ledger.decided_now or any(row[-1] == seq and row[0] in FINAL for row in work.progress):
        return
    for waiting in ledger.queues.remove(day, frozenset({seq})):
        waiting.todo = []
    ledger.delayed.remove(day, seq)
    ledger.lost_on.pop((day, seq), None)
    work.unschedule.append((seq,))
    _, segments, notify, _ = ledger.partitions[day].state(seq)
    states = _states(ledger, day, seq)
    for part in range(1, segments + 1):
        if states.get(part, QUEUED) == QUEUED:
            not_again(ledger, day, seq << 8 | part, segments, notify, CANCELLED, why, now_ms)


def stayed(ledger: Ledger, link: str, waiting: Waiting, part: int, now_ms: int) -> bool:
    """Whether a segment that an operator put off does not leave again, because its customer asked for that meanwhile."""
    why = ledger.stops.stays(waiting.day, waiting.seq)
    if why is not None:
        key = waiting.seq << 8 | part
        not_again(ledger, waiting.day, key, waiting.segments, waiting.notify, CANCELLED, why, now_ms, link)
    return why is not None


def _states(ledger: Ledger, day: int, seq: int) -> dict[int, int]:
    """By part: the status of each segment that ever left, with what this beat has decided so far."""
    states = {part: status for part, status, *_ in ledger.partitions[day].parts(seq)}
    work = ledger.work[day]
    # In the order of their execution.
    for rows in (work.requeued, work.answers, work.receipts, work.segment_status, work.abandoned):
        states.update({row[-1] & 255: row[0] for row in rows if row[-1] >> 8 == seq})
    return states
