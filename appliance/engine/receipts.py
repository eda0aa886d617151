"""HOT: answers and receipts: matched by link and the operator's id, before or after each other, on any bind, on any day that is open.

Never across links, never by likeness. What waits for its other half is on disk; what is final stays as it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance import clock, limits
from appliance.message import DELIVERED, INDETERMINATE, SENT
from appliance.store import ODD, DatabaseError, Tally, doubts

from .ledger import Ledger
from .straight import over, taken
from .tending import evicted
from .waiting import Waiting

#: How much older than its segment's leaving a receipt may look: clocks that are set back, and the minute to which it is known.
EARLY_MS_MAX: Final = (600 + limits.CLOCK_BACK_S_MAX) * 1_000

Known = tuple[
    int, int, int, int, Tally | None
]  # day, segment key, segments, notify, tally; key -1: its segment has ended


class Signs(NamedTuple):
    """What a receipt says of its message beside the id, nothing of it readable but sender and time."""

    number_index: bytes | None = None  # blind index of the handset's number
    sender: str | None = None
    reference: int | None = None  # user_message_reference
    text_length: int | None = None  # characters that `text_index` is of
    text_index: bytes | None = None  # keyed digest of the text's beginning
    accepted_ms: int | None = None


#: Of a receipt about which more than one engine might guess.
NOTHING_SAID: Final = Signs()


def answered(ledger: Ledger, link: str, waiting: Waiting, part: int, operator_id: str, now_ms: int) -> None:
    """An operator took a segment and gave it an id (in its canonical form; "" when it gives none)."""
    day, seq = waiting.day, waiting.seq
    work = ledger.work[day]
    key = seq << 8 | part
    ledger.segments["answered"] += 1
    tally = waiting.tally
    if tally is not None and tally.statuses[seq - tally.first] != ODD:
        taken(ledger, tally, seq - tally.first, ledger.link_numbers[day][link], operator_id, now_ms)
        ledger.statuses[SENT] += 1
        if waiting.notify:
            work.tell(waiting.notify, seq, SENT, now_ms, None)
    elif waiting.segments == 1:
        tally = None
        work.answers.append((SENT, now_ms, operator_id or None, None, key))
        work.sent_progress.append((SENT, ledger.link_numbers[day][link], now_ms, now_ms, None, seq))
        ledger.statuses[SENT] += 1
        work.tell(waiting.notify, seq, SENT, now_ms, None)
    else:
        work.answers.append((SENT, now_ms, operator_id or None, None, key))
        ledger.touched.add((day, seq))
    if not operator_id:
        return
    where = (link, operator_id)
    known = (day, key, waiting.segments, waiting.notify, tally)
    forgotten = ledger.outstanding.remember(where, known)
    if forgotten:
        evicted(ledger, forgotten)
    if ledger.signpost is not None:
        ledger.signpost.put(link, operator_id)  # its receipt may come to another engine
    if len(ledger.parked) and where in ledger.parked:
        _unpark(ledger, link, operator_id, known, now_ms)


def _unpark(ledger: Ledger, link: str, operator_id: str, known: Known, now_ms: int) -> None:
    """The receipt of a segment came before its answer."""
    kept = ledger.parked.pop(link, operator_id)
    if kept is None:
        return
    at_ms, status = kept
    parked_day = clock.day_of(at_ms)
    if parked_day not in ledger.partitions:
        return
    number = ledger.link_numbers[parked_day][link]
    ledger.work[parked_day].unparked.append((number, operator_id))
    # Not by the time now: the clock may have been set forth since the receipt came.
    if at_ms < _left_ms(ledger, known, now_ms) - EARLY_MS_MAX:
        return  # it came long before this segment left: the operator gives its ids again
    error = None
    if status != DELIVERED:
        row = doubts.parked_receipt(ledger.partitions[parked_day], number, operator_id)
        error = row[2] if row is not None else None
    ledger.outstanding.pop((link, operator_id), None)
    ledger.just_ended.add((link, operator_id))
    settle(ledger, link, known, status, error, now_ms)


def _left_ms(ledger: Ledger, known: Known, now_ms: int) -> int:
    """When the intention of a segment was committed."""
    day, key, _, _, tally = known
    if tally is not None and tally.statuses[(key >> 8) - tally.first] != ODD:
        return tally.submitted[(key >> 8) - tally.first] or now_ms
    return doubts.submitted_ms(ledger.partitions[day], key) or now_ms


def receipted(ledger: Ledger, link: str, operator_id: str, status: int, error: str | None, now_ms: int) -> bool:
    """A final receipt. False when no segment of the link has that id yet: it is then to be parked."""
    where = (link, operator_id)
    known = ledger.outstanding.pop(where, None)
    if known is None:
        if ledger.ends_now(where):
            return True  # a duplicate within one beat
        if where in ledger.parked:
            return True  # the first counts
        known = _find(ledger, link, operator_id, now_ms)
        if known is None:
            return False
    if known[1] < 0:  # already final: a duplicate
        return True
    ledger.just_ended.add(where)
    settle(ledger, link, known, status, error, now_ms)
    return True


def settle(ledger: Ledger, link: str, known: Known, status: int, error: str | None, now_ms: int) -> None:
    """A segment has its final status, and a message of one segment with it."""
    day, key, segments, notify, tally = known
    ledger.segments["receipted"] += 1
    work = ledger.work[day]
    if tally is not None:
        at = (key >> 8) - tally.first
        if tally.statuses[at] != ODD:
            over(ledger, tally, at, status, error, now_ms)
            ledger.statuses[status] += 1
            if notify:
                work.tell(notify, key >> 8, status, now_ms, error)
            return
    work.receipts.append((status, now_ms, error, key))
    if segments == 1:
        work.progress.append((status, ledger.link_numbers[day][link], now_ms, error, key >> 8))
        ledger.statuses[status] += 1
        work.tell(notify, key >> 8, status, now_ms, error)
    else:
        ledger.touched.add((day, key >> 8))


def park(
    ledger: Ledger, link: str, operator_id: str, status: int, error: str | None, signs: Signs, now_ms: int
) -> None:
    """Keeps a receipt whose message is not known: its response may be under way, or was lost with a bind."""
    today = clock.day_of(now_ms)
    ledger.partition(today)
    number = ledger.link_numbers[today][link]
    ledger.work[today].parked.append((number, operator_id, status, now_ms, error, *signs))
    ledger.parked.add(link, operator_id, now_ms, status)
    if signs.number_index is not None and (operator_id.startswith("?") or ledger.doubts.of(link)):
        ledger.doubts.soon((link, signs.number_index))


def any_candidate(ledger: Ledger, link: str, number_index: bytes, now_ms: int) -> bool:
    """Whether a segment went over the link to that number and has no receipt."""
    for day, partition in list(ledger.partitions.items()):
        number = ledger.link_numbers[day].get(link)
        try:
            if number is None:
                continue
            # A message of a batch may have its receipt: then it only keeps others from guessing.
            if partition.batched_to(number_index) or doubts.owners(partition, number, number_index):
                return True
        except DatabaseError:
            ledger.quarantine(day, now_ms)
    return False


def parked_error(ledger: Ledger, link: str, operator_id: str) -> tuple[int, str | None] | None:
    """(status, error) of a receipt that is parked, None when it is not."""
    kept = ledger.parked.by_link.get(link, {}).get(operator_id)
    for day, partition in ledger.partitions.items() if kept is not None else ():
        number = ledger.link_numbers[day].get(link)
        row = doubts.parked_receipt(partition, number, operator_id) if number is not None else None
        if row is not None:
            return row[0], row[2]
    return None


def has_ended(ledger: Ledger, link: str, operator_id: str, now_ms: int) -> bool:
    """Whether the segment with that id has its final receipt, in whatever day it is."""
    known = _find(ledger, link, operator_id, now_ms)
    return known is not None and known[1] < 0


def unparked(ledger: Ledger, gone: list[tuple[str, str]]) -> None:
    """Another engine has these."""
    for link, operator_id in gone:
        kept = ledger.parked.pop(link, operator_id)
        if kept is not None and (day := clock.day_of(kept[0])) in ledger.partitions:
            ledger.work[day].unparked.append((ledger.link_numbers[day][link], operator_id))


def _find(ledger: Ledger, link: str, operator_id: str, now_ms: int) -> Known | None:
    """A segment by its operator's id in the partitions that are open; key -1 when it has already ended."""
    for day in sorted(ledger.partitions, reverse=True):
        number = ledger.link_numbers[day].get(link)
        try:
            found = ledger.partitions[day].find_operator_id(number, operator_id) if number is not None else None
            ended = found is None and number is not None and ledger.partitions[day].was_ended(number, operator_id)
        except DatabaseError:
            ledger.quarantine(day, now_ms)
            continue
        if ended:
            return day, -1, 1, 0, None
        if found is not None:
            open_ = found.status in (SENT, INDETERMINATE)
            return day, (found.key if open_ else -1), found.segments, found.notify, None
    return None
