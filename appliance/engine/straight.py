"""HOT: the usual life of a message, as marks in the tally of its batch.

`left`, `taken` and `over` are all that a message costs to which nothing odd happens. For everything else it is unfolded
first (`unfolding.py`): it then is rows, and stays rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.errors import Error
from appliance.message import SENT, Batch
from appliance.store import NO_ID, NUMBER_OCTETS, SPAN_MS_MAX, SUBMITTED, Columns, Tally, batch_row

if TYPE_CHECKING:
    from .ledger import Ledger

READ_KEPT_MAX: Final = 16  # batches read from disk for odd messages


class Straight:
    """The tallies in memory: of every batch with a message that is queued, under way or awaits its receipt."""

    def __init__(self) -> None:
        self.tallies: dict[tuple[int, int], Tally] = {}
        self.moved: dict[
            int, dict[int, tuple[int, int]]
        ] = {}  # by day and batch: its first moves since it was written, and when
        self.began: dict[tuple[int, int], int] = {}  # when something of it left first
        self.forgot_ms = 0
        self.read: dict[tuple[int, int], tuple[Columns, bytes]] = {}  # batches read from disk a moment ago

    def tally(self, day: int, first: int) -> Tally | None:
        return self.tallies.get((day, first))

    def forget_day(self, day: int) -> None:
        for where in [where for where in self.tallies if where[0] == day]:
            del self.tallies[where]
        for where in [where for where in self.began if where[0] == day]:
            del self.began[where]
        self.moved.pop(day, None)
        self.read.clear()


def columns_of(batch: Batch, odd: set[int]) -> Columns:
    """A gateway's batch as it is stored, but for those messages that are rows from the beginning."""
    ids, numbers, contents = batch.ids, batch.numbers, batch.contents
    if odd:
        ids = [NO_ID if n in odd else each for n, each in enumerate(ids)]
        numbers = [b"" if n in odd else each for n, each in enumerate(numbers)]
        contents = [b"" if n in odd else each for n, each in enumerate(contents)]
    return Columns(
        batch.accepted_ms,
        batch.key_id,
        b"".join(ids),
        batch.callers,
        batch.classes,
        batch.encodings,
        batch.senders,
        batch.calling_codes,
        numbers,
        contents,
        batch.expires_ms,
        batch.notify,
    )


def odd_ones(batch: Batch) -> set[int]:
    """The places of those messages that are rows from the beginning: long ones, those of another time, all of an odd batch."""
    n = len(batch.ids)
    if any(batch.send_at_ms) or batch.segments.count(1) != n:
        columns = zip(batch.send_at_ms, batch.segments, strict=True)
        odd = {k for k, (at_ms, segments) in enumerate(columns) if at_ms or segments != 1}
    else:
        odd = set()
    spread = int.from_bytes(max(batch.ids)[:6], "big") - int.from_bytes(min(batch.ids)[:6], "big")
    shaped = {*map(len, batch.number_indexes), *map(len, batch.ids)} == {NUMBER_OCTETS}
    if spread > SPAN_MS_MAX or not shaped:
        return set(range(n))
    return odd


def accept(ledger: Ledger, batch: Batch, first: int, odd: set[int]) -> Tally:
    """The row of a batch, and its tally."""
    columns = columns_of(batch, odd)
    indexes = batch.number_indexes
    if odd:
        indexes = [NO_ID if n in odd else each for n, each in enumerate(indexes)]
    try:
        row = batch_row(first, columns, indexes)
    except (TypeError, ValueError, OverflowError):
        raise Error("internal", "the batch cannot be stored") from None
    ledger.work[batch.day].batches.append(row)
    return Tally.fresh(batch.day, first, columns.ids)


def keep(ledger: Ledger, tally: Tally) -> None:
    """Something of it is in memory."""
    ledger.straight.tallies[tally.day, tally.first] = tally


# --- what happens to the usual message ----------------------------------------------------------------------------


def left(ledger: Ledger, tally: Tally, at: int, link: int, now_ms: int) -> None:
    """The intention to submit it."""
    if not tally.moving:
        _moves(ledger, tally, now_ms)
    moves = ledger.work[tally.day].moves
    moves.at_ms = now_ms
    tally.statuses[at] = SUBMITTED
    tally.submitted[at] = now_ms
    tally.links[at] = link
    seqs = moves.left.get(link)
    if seqs is None:
        seqs = moves.left[link] = []
    seqs.append(tally.first + at)


def taken(ledger: Ledger, tally: Tally, at: int, link: int, operator_id: str, now_ms: int) -> None:
    """The operator took it."""
    if not tally.moving:
        _moves(ledger, tally, now_ms)
    moves = ledger.work[tally.day].moves
    moves.at_ms = now_ms
    tally.statuses[at] = SENT
    tally.answered[at] = now_ms
    tally.operator_ids[at] = operator_id
    seqs = moves.taken.get(link)
    if seqs is None:
        seqs = moves.taken[link] = []
        moves.taken_ids[link] = []
    seqs.append(tally.first + at)
    moves.taken_ids[link].append(operator_id)


def over(ledger: Ledger, tally: Tally, at: int, status: int, error: str | None, now_ms: int) -> None:
    """It has its final receipt."""
    if not tally.moving:
        _moves(ledger, tally, now_ms)
    moves = ledger.work[tally.day].moves
    moves.at_ms = now_ms
    seq = tally.first + at
    tally.statuses[at] = status
    tally.receipted[at] = now_ms
    moves.over.append(seq)
    moves.over_statuses.append(status)
    if error is not None:
        tally.errors[at] = moves.errors[seq] = error
    moves.over_ids.append((tally.links[at], tally.operator_ids[at]))
    tally.open -= 1
    if not tally.open:
        finished(ledger, tally)


def _moves(ledger: Ledger, tally: Tally, now_ms: int) -> None:
    """From this beat on, moves say more of it than its tally on disk."""
    tally.moving = True
    day, first = tally.day, tally.first
    ledger.straight.moved.setdefault(day, {})[first] = (ledger.partitions[day].last_moves + 1, now_ms)
    ledger.straight.began.setdefault((day, first), now_ms)


def finished(ledger: Ledger, tally: Tally) -> None:
    write(ledger, tally)
    ledger.straight.tallies.pop((tally.day, tally.first), None)
    ledger.straight.began.pop((tally.day, tally.first), None)


def write(ledger: Ledger, tally: Tally) -> None:
    """The tally as it is at the end of this beat is written with it."""
    ledger.work[tally.day].tallies[tally.first] = tally
    if tally.moving:
        tally.moving = False
        ledger.straight.moved.get(tally.day, {}).pop(tally.first, None)
