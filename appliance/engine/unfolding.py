"""HOT: how a message that something odd happens to is unfolded: from its place in a batch it becomes rows, and stays rows.

Whatever is refused, throttled, lost, cancelled, replaced or asked about says so here first. What follows looks at rows and
changes rows, in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.message import FINAL
from appliance.store import NO_ID, NUMBER_OCTETS, ODD, Columns, Tally, decode_columns, message_row, packed, stored

from .straight import READ_KEPT_MAX, finished, write

if TYPE_CHECKING:
    from .ledger import Ledger
    from .waiting import Waiting


def odd(ledger: Ledger, waiting: Waiting) -> None:
    """Something odd is about to happen to a message: it becomes rows, unless it is already."""
    tally, waiting.tally = waiting.tally, None
    if tally is not None:
        unfold(ledger, tally, [waiting.seq - tally.first])


def odd_seq(ledger: Ledger, day: int, seq: int) -> None:
    """The same for one whose entry is not at hand."""
    tally = tally_of(ledger, day, seq)
    if tally is not None:
        unfold(ledger, tally, [seq - tally.first])


def tally_of(ledger: Ledger, day: int, seq: int) -> Tally | None:
    """The tally that a message is in, None when it is rows from the beginning."""
    work = ledger.work.get(day)
    first: int | None = None
    if work is not None:
        first = next((row[0] for row in work.batches if row[0] <= seq <= row[1]), None)
    conn = ledger.partitions[day].conn
    if first is None:
        first = stored.holder(conn, seq)
    if first is None:
        return None
    tally = ledger.straight.tallies.get((day, first))
    if tally is None and work is not None:
        tally = work.tallies.get(first)
    if tally is None:
        columns = _columns(ledger, day, first)[0]
        tally = stored.tally_of(conn, day, first, columns.ids)
    return tally


def _columns(ledger: Ledger, day: int, first: int) -> tuple[Columns, bytes]:
    """Columns and blind indexes of a batch, also of one that this beat will write."""
    read = ledger.straight.read
    found = read.get((day, first))
    if found is not None:
        return found
    for row in ledger.work[day].batches:
        if row[0] == first:
            return decode_columns(row[7]), row[6]
    if len(read) >= READ_KEPT_MAX:
        read.clear()
    found = read[day, first] = stored.columns_of(ledger.partitions[day].conn, first)
    return found


def unfold(ledger: Ledger, tally: Tally, places: list[int]) -> None:
    """Messages of one batch become rows: as they are now, in the transaction of this beat before anything else happens to them."""
    places = [at for at in places if tally.statuses[at] != ODD]
    if not places:
        return
    day = tally.day
    columns, indexes = _columns(ledger, day, tally.first)
    work = ledger.work[day]
    for at in places:
        seq = tally.first + at
        index = indexes[NUMBER_OCTETS * at : NUMBER_OCTETS * (at + 1)]
        work.unfolded_messages.append(message_row(seq, columns, at, index))
        work.unfolded_progress.append((seq, *tally.progress(at, columns.accepted_ms)))
        segment = tally.segment(at)
        if segment is not None:
            work.unfolded_segments.append(segment)
        if tally.statuses[at] not in FINAL:
            tally.open -= 1
        tally.statuses[at] = ODD
    if tally.open:
        write(ledger, tally)
    else:
        finished(ledger, tally)


def unfold_now(ledger: Ledger, day: int, seqs: list[int], statuses: frozenset[int] | None = None) -> None:
    """The same at once, for those who look at rows before the beat is written. `statuses`: only messages in these."""
    partition = ledger.partitions[day]
    for seq in seqs:
        tally = tally_of(ledger, day, seq)
        if tally is None or (statuses is not None and tally.statuses[seq - tally.first] not in statuses):
            continue
        if tally.statuses[seq - tally.first] != ODD:
            unfold(ledger, tally, [seq - tally.first])
    work = ledger.work.get(day)
    if work is not None and len(work.unfolded_messages) > work.unfolded_written[0]:
        partition.write_unfolded(work)


def known_by_id(ledger: Ledger, day: int, message_id: bytes) -> None:
    """Makes sure that a message named by its id is rows: what follows looks at these."""
    partition = ledger.existing(day)
    if partition is None:
        return
    place = stored.by_id(partition.conn, message_id)
    if place is not None:
        unfold_now(ledger, day, [place.first + place.at])


def known_by_number(ledger: Ledger, day: int, number_index: bytes, *statuses: int) -> None:
    """The same for the messages to a number that are in one of these statuses."""
    unfold_now(ledger, day, ledger.partitions[day].batched_to(number_index), frozenset(statuses))


def erase(ledger: Ledger, day: int, seq: int) -> None:
    """The content of a message that was redacted goes from its batch, too."""
    _without(ledger, day, [seq], number=False)


def erase_whole(ledger: Ledger, day: int, seqs: list[int]) -> None:
    """The same of messages whose numbers go as well, sealed and blind; they are rows already."""
    _without(ledger, day, seqs, number=True)


def _without(ledger: Ledger, day: int, seqs: list[int], number: bool) -> None:
    conn = ledger.partitions[day].conn
    places: dict[int, list[int]] = {}
    for seq in seqs:
        first = stored.holder(conn, seq)
        if first is not None:
            places.setdefault(first, []).append(seq - first)
    for first, ats in places.items():
        columns, numbers = batch_now(ledger, day, first)
        octets = bytearray(numbers)
        for at in ats:
            columns.contents[at] = b""
            if number:
                columns.numbers[at] = b""
                octets[NUMBER_OCTETS * at : NUMBER_OCTETS * (at + 1)] = NO_ID
        rewrite(ledger, day, first, columns, bytes(octets))


def batch_now(ledger: Ledger, day: int, first: int) -> tuple[Columns, bytes]:
    """Columns and blind indexes of a batch as this beat leaves them."""
    for columns, numbers, of in reversed(ledger.work[day].rewritten):
        if of == first:
            return decode_columns(columns), numbers
    return stored.columns_of(ledger.partitions[day].conn, first)


def rewrite(ledger: Ledger, day: int, first: int, columns: Columns, numbers: bytes) -> None:
    """Another in the place of a batch: the same messages."""
    ledger.work[day].rewritten.append((packed(columns), numbers, first))
    ledger.straight.read.pop((day, first), None)
