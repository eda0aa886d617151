"""HOT: tallies over time: written again so that a restart reads little, read at a start, undone when the disk fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance import clock
from appliance.message import QUEUED, SENT
from appliance.store import GATHERED_MIN, IDLE_MIN, SUBMITTED, Tally, stored

from .straight import keep, write
from .unfolding import tally_of, unfold

if TYPE_CHECKING:
    from .ledger import Ledger

WRITTEN_EACH_MS: Final = (
    5_000  # a tally with moves since it was written is written again: a restart reads these moves only
)
AWAITED_MS_MAX: Final = 60_000  # what has no receipt by then becomes rows
FORGET_EACH_MS: Final = 1_000  # between two looks for moves that every tally has taken in


def keep_short(ledger: Ledger, now_ms: int) -> None:
    """Before the commit of a beat: writes tallies whose moves are old, forgets moves that none needs, ends long waits in memory."""
    for day, moved in ledger.straight.moved.items():
        if day not in ledger.partitions:
            continue
        while moved:
            first, (_, since_ms) = next(iter(moved.items()))
            if 0 <= now_ms - since_ms < WRITTEN_EACH_MS:
                break
            tally = ledger.straight.tallies.get((day, first))
            if tally is None:
                del moved[first]
            else:
                write(ledger, tally)
    end_waits(ledger, now_ms)


def end_waits(ledger: Ledger, now_ms: int) -> None:
    """What has waited long for a receipt becomes rows: these are found by whoever asks about it."""
    began = ledger.straight.began
    while began:
        where, since_ms = next(iter(began.items()))
        if 0 <= now_ms - since_ms < AWAITED_MS_MAX:
            break
        del began[where]
        tally = ledger.straight.tallies.get(where)
        if tally is not None:
            unfold(ledger, tally, [at for at, status in enumerate(tally.statuses) if status == SENT])
            if where in ledger.straight.tallies and SUBMITTED in tally.statuses:
                began[where] = now_ms


def look_after(ledger: Ledger, now_ms: int) -> None:
    """Inside the transactions: moves before the oldest that a tally lacks are forgotten, indexes are built on a little."""
    straight = ledger.straight
    forget = abs(now_ms - straight.forgot_ms) >= FORGET_EACH_MS
    if forget:
        straight.forgot_ms = now_ms
    for day, partition in ledger.partitions.items():
        work = ledger.work.get(day)
        least = GATHERED_MIN
        if work is None or not (work.batches or work.moves):
            least = IDLE_MIN if day >= clock.day_of(now_ms) else 1
            if partition.behind(least):
                partition.begin()
        if not partition.conn.in_transaction:
            continue
        partition.place(least)
        if forget and day in straight.moved:
            moved = straight.moved[day]
            partition.forget_moves(next(iter(moved.values()))[0] if moved else partition.last_moves + 1)


def recover(ledger: Ledger, day: int) -> int:
    """At start: tallies with something under way come into memory; what was left between intention and answer becomes rows."""
    partition = ledger.partitions[day]
    conn = partition.conn
    names = {number: name for name, number in ledger.link_numbers[day].items()}
    moving = set(stored.moving(conn))
    # With the first commit they are in the tallies: none is read at the next start, of a day that is over either.
    if moving:
        ledger.straight.moved.setdefault(day, {})
    undecided = 0
    for first in sorted(moving | set(stored.any_open(conn))):
        columns, _ = stored.columns_of(conn, first)
        tally = stored.tally_of(conn, day, first, columns.ids)
        if first in moving:
            write(ledger, tally)
        cut = [at for at, status in enumerate(tally.statuses) if status == SUBMITTED]
        unfold(ledger, tally, cut)
        undecided += len(cut)
        if not tally.open:
            continue
        if SENT in tally.statuses:
            keep(ledger, tally)
            ledger.straight.began[day, first] = min(each for each in tally.submitted if each)
            for at, status in enumerate(tally.statuses):
                if status == SENT and tally.operator_ids[at]:
                    known = (day, (first + at) << 8 | 1, 1, columns.notify[at], tally)
                    ledger.outstanding[names.get(tally.links[at], ""), tally.operator_ids[at]] = known
    if undecided:
        partition.write_unfolded(ledger.work[day])
    return undecided


def evicted(ledger: Ledger, known: list[tuple[int, int, int, int, Tally | None]]) -> None:
    """Too many receipts are awaited: the oldest become rows and are found on disk."""
    for day, key, _, _, tally in known:
        if tally is not None and day in ledger.partitions and tally.statuses[(key >> 8) - tally.first] == SENT:
            unfold(ledger, tally, [(key >> 8) - tally.first])


def unstage(ledger: Ledger, day: int, seqs: set[int]) -> None:
    """Intentions that are not durable after all are taken back."""
    moves = ledger.work[day].moves
    for link, left_ in list(moves.left.items()):
        for seq in seqs.intersection(left_):
            tally = tally_of(ledger, day, seq)
            if tally is not None and tally.statuses[seq - tally.first] == SUBMITTED:
                tally.statuses[seq - tally.first] = QUEUED
                tally.submitted[seq - tally.first] = 0
        moves.left[link] = [seq for seq in left_ if seq not in seqs]


def forget_new(ledger: Ledger, day: int, first: int) -> None:
    """Batches of this beat that could not be made durable never were."""
    work = ledger.work[day]
    straight = ledger.straight
    firsts = {row[0] for row in work.batches}
    work.batches = []
    work.unfolded_messages = [row for row in work.unfolded_messages if row[0] < first]
    work.unfolded_progress = [row for row in work.unfolded_progress if row[0] < first]
    work.unfolded_segments = [row for row in work.unfolded_segments if row[0] >> 8 < first]
    moved = straight.moved.get(day, {})
    for each in firsts:
        straight.tallies.pop((day, each), None)
        straight.began.pop((day, each), None)
        moved.pop(each, None)
        work.tallies.pop(each, None)
