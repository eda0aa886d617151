"""HOT: segments that may or may not have left: what their class's policy does with them, and how a late receipt settles one.

Nothing is guessed away: what is sent again may be a duplicate and says so, what is held stays held until a receipt, an
answer to query_sm or a person decides.
"""

from __future__ import annotations

from collections import Counter

from appliance.limits import RESENDS_MAX
from appliance.message import INDETERMINATE, QUEUED, SCHEDULED, STATUSES
from appliance.store import Partition, doubts

from .ledger import Ledger
from .receipts import settle
from .unfolding import unfold_now
from .waiting import Waiting

ACTS = {"report": doubts.REPORTED, "hold": doubts.HELD, "resend": doubts.TO_RESEND}
ERRORS = ("no answer", "no answer, held for a decision", "no answer")  # by act
AGAIN = doubts.AGAIN + " as the class's policy says; it may be a duplicate"


def lost(ledger: Ledger, link: str, waiting: Waiting, part: int, now_ms: int) -> bool:
    """A bind was lost between submit and answer. True when the segment is to be queued again at once."""
    waiting.tally = None
    first, waiting.undecided = not waiting.undecided, True
    key = waiting.seq << 8 | part
    act = ACTS[ledger.policies[waiting.class_]]
    if act == doubts.TO_RESEND and ledger.stops.stays(waiting.day, waiting.seq) is not None:
        act = doubts.REPORTED  # its customer asked meanwhile to be left alone
    elif act == doubts.TO_RESEND and waiting.resent(part) > RESENDS_MAX:
        act = doubts.REPORTED  # an operator that takes and never answers would send one code to a customer for minutes
    again = interrupted(ledger, waiting.day, key, waiting.segments, waiting.notify, act, link, now_ms, first)
    if again:
        waiting.lost_on = link
    return again


def interrupted(
    ledger: Ledger,
    day: int,
    key: int,
    segments: int,
    notify: int,
    act: int,
    link: str,
    now_ms: int,
    first: bool,
) -> bool:
    """A segment that may or may not have left: recorded as such, and queued again, held or reported. True: queued again.

    `act`: one of ACTS. `first`: its message was not indeterminate before; only then it is counted and told. A long message that is
    held becomes so when none of its segments is under way any more: in `settle_long`.
    """
    work = ledger.work[day]
    seq = key >> 8
    partition = ledger.partitions[day]
    unfold_now(ledger, day, [seq])
    number_index = doubts.number_index_of(partition, seq)
    # A receipt that came before the bind was lost may tell: then a message is not sent again before it was looked at.
    again = act == doubts.TO_RESEND and (segments > 1 or not _claimed(ledger, link, number_index))
    part = "" if segments == 1 else f", segment {key & 255} of {segments}"
    work.events.append((seq, now_ms, INDETERMINATE, f"no answer from link {link}{part}"))
    if first and (again or segments == 1):
        ledger.statuses[INDETERMINATE] += 1
        work.tell(notify, seq, INDETERMINATE, now_ms, None)
    if again:
        work.requeued.append((QUEUED, None, key))
        work.events.append((seq, now_ms, QUEUED, AGAIN))
        return True
    number = ledger.link_numbers[day].get(link, 0)
    work.segment_status.append((INDETERMINATE, "no answer", key))
    work.doubts.append((key, number, act, now_ms))
    if segments == 1:
        work.progress.append((INDETERMINATE, number, now_ms, ERRORS[act], seq))
    else:
        ledger.touched.add((day, seq))
    ledger.doubts.soon((link, number_index))
    return False


def _claimed(ledger: Ledger, link: str, number_index: bytes) -> bool:
    """Whether a receipt for that number is parked on the link."""
    if not len(ledger.parked):
        return False
    for day, partition in ledger.partitions.items():
        number = ledger.link_numbers[day].get(link)
        if number is not None and doubts.any_claim(partition, number, number_index):
            return True
    return False


def unpark(ledger: Ledger, link: str, claim: doubts.Claim) -> None:
    """A parked receipt waits no more: its segment has it."""
    number = ledger.link_numbers[claim.day][link]
    ledger.work[claim.day].unparked.append((number, claim.operator_id))
    ledger.parked.pop(link, claim.operator_id)


def resolve(ledger: Ledger, link: str, claim: doubts.Claim, found: doubts.Candidate, how: str, now_ms: int) -> None:
    """A parked receipt is this segment's: `how` says by what it was told. Its operator's id is on record from now on."""
    work = ledger.work[found.day]
    seq = found.key >> 8
    known = (found.day, found.key, found.segments, found.notify, None)
    unpark(ledger, link, claim)
    if claim.nameless:
        # Where its segment is, in one commit with what it says of it; and where the same words would come again.
        for day in {claim.day, found.day}:
            numbers = ledger.link_numbers[day]
            ledger.work[day].spent.append(doubts.spent(numbers[link], claim.operator_id))
        ledger.just_ended.add((link, claim.operator_id))
    if found.status == INDETERMINATE:
        if not claim.nameless:
            work.answers.append((claim.status, now_ms, claim.operator_id, claim.error, found.key))
            ledger.just_ended.add((link, claim.operator_id))
        settled(ledger, found.day, found.key, found.segments, claim.status, f"resolved by receipt ({how})", now_ms)
    elif found.operator_id is not None:
        ledger.outstanding.pop((link, found.operator_id), None)
    ledger.decided_now.add((found.day, seq))
    settle(ledger, link, known, claim.status, claim.error, now_ms)


def settled(ledger: Ledger, day: int, key: int, segments: int, status: int, why: str, now_ms: int) -> None:
    """An indeterminate segment is so no longer; its event says why."""
    work = ledger.work[day]
    work.decided.append((key,))
    if segments == 1:
        work.events.append((key >> 8, now_ms, status, why))
    else:
        detail = f"segment {key & 255} of {segments} {why}: {STATUSES[status]}"
        work.events.append((key >> 8, now_ms, INDETERMINATE, detail))


def send_again(ledger: Ledger, day: int, seq: int, class_: int, keys: list[int], why: str, now_ms: int) -> None:
    """Segments are to leave once more: their message is paged in like one whose time has come."""
    work = ledger.work[day]
    for key in keys:
        work.requeued.append((QUEUED, None, key))
        work.decided.append((key,))
    work.progress.append((SCHEDULED, None, now_ms, None, seq))
    work.schedule.append((seq, now_ms, class_))
    work.events.append((seq, now_ms, SCHEDULED, why))
    ledger.statuses[SCHEDULED] += 1
    ledger.scheduled_days.add(day)
    ledger.decided_now.add((day, seq))


def count(ledger: Ledger, partition: Partition) -> None:
    """Counts what is indeterminate in a day whose doubts changed, inside the transaction."""
    by_number, held, messages = doubts.counts(partition)
    names = {number: name for name, number in ledger.link_numbers[partition.day].items()}
    by_link = Counter({names.get(n, ""): k for n, k in by_number.items()})
    ledger.doubts.by_day[partition.day] = (by_link, held, messages)
