"""HOT: messages to customers who have just asked to be left alone: those that wait are cancelled, and those still on their way in.

A face asks a snapshot that is a moment old, so what it let through in that moment is caught here, before it can leave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from appliance.message import CANCELLED, QUEUED, Batch
from appliance.store import SUBMITTED, letters

from .unfolding import known_by_number

if TYPE_CHECKING:
    from .ledger import Ledger

LEAVING_MS: Final = 900_000  # longer than any bind waits for an answer
KEPT_MS: Final = 120_000  # a face that has not taken the decision by then has not answered a ping for long
OWN: Final = 0  # caller of the appliance's own answers
WHY: Final = "suppressed: {}"


class Stops:
    """Who asked in the last moments: blind index -> (programmes, until when)."""

    def __init__(self) -> None:
        self.recent: dict[bytes, tuple[frozenset[str], int]] = {}
        #: Messages that were under way when their customer asked: day and seq -> (why, until when). If one comes back it stays.
        self.leaving: dict[tuple[int, int], tuple[str, int]] = {}
        self.belongs: Callable[[int, str], tuple[str, ...]] = lambda class_, sender: ()

    def add(self, subject: bytes, names: frozenset[str], now_ms: int) -> None:
        before = self.recent.get(subject, (frozenset(), 0))[0]
        self.recent[subject] = (before | names, now_ms + KEPT_MS)

    def ended(self, subject: bytes) -> None:
        """The customer may be written to again."""
        self.recent.pop(subject, None)

    def forget(self, now_ms: int) -> None:
        self.recent = {subject: kept for subject, kept in self.recent.items() if kept[1] > now_ms}
        self.leaving = {where: kept for where, kept in self.leaving.items() if kept[1] > now_ms}

    def stays(self, day: int, seq: int) -> str | None:
        """Why a message that came back unsent does not leave again; None: it may."""
        kept = self.leaving.get((day, seq))
        return kept[0] if kept is not None else None

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

    def sweep(self, ledger: Ledger, subject: bytes, cancel: Callable[[int, bytes, str], str], now_ms: int) -> int:
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
                        self.leaving[day, seq] = (why, now_ms + LEAVING_MS)
        return count


def end_new(ledger: Ledger, day: int, seq: int, notify: int, why: str, now_ms: int) -> None:
    """A message of this very beat: its rows are not on disk yet."""
    if (day, seq) in ledger.decided_now:
        return
    ledger.decided_now.add((day, seq))
    ledger.queues.remove(day, frozenset({seq}))
    ledger.work[day].unschedule.append((seq,))
    ledger.message_ended(day, seq, CANCELLED, why, notify, now_ms)
