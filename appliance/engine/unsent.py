"""HOT: segments that wait and will not leave, or not again: ended, unless one was in doubt. Nobody can say that it never left: then it is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.message import INDETERMINATE
from appliance.store import doubts

if TYPE_CHECKING:
    from .ledger import Ledger
    from .waiting import Waiting

NOT_AGAIN: Final = "not sent again, {}"
NO_ANSWER: Final = "no answer"  # how every event of a doubt begins


def rest_ends(ledger: Ledger, waiting: Waiting, status: int, why: str, now_ms: int) -> None:
    """What is still to do of a message that was in doubt once: each part ends with this status, or is reported."""
    for part in waiting.todo if waiting.todo is not None else range(1, waiting.segments + 1):
        key = waiting.seq << 8 | part
        not_again(ledger, waiting.day, key, waiting.segments, waiting.notify, status, why, now_ms)
    waiting.todo = []  # a part that comes back later is queued by itself


def not_again(
    ledger: Ledger, day: int, key: int, segments: int, notify: int, status: int, why: str, now_ms: int, link: str = ""
) -> None:
    """A segment that waits, or was put off by `link` just now, does not leave: it ends with this status, or is reported if it was ever in doubt."""
    work, partition = ledger.work[day], ledger.partitions[day]
    seq, part = key >> 8, key & 255
    if not _in_doubt(ledger, day, seq, part):
        if link:
            ledger.ended(day, key, segments, notify, status, why, now_ms, link)
            return
        work.abandoned.append((status, now_ms, why, key))
        if segments == 1:
            ledger.message_ended(day, seq, status, why, notify, now_ms)
        else:
            ledger.touched.add((day, seq))
        return
    number = ledger.link_numbers[day].get(link) or next((p[3] for p in partition.parts(seq) if p[0] == part), 0)
    work.segment_status.append((INDETERMINATE, NO_ANSWER, key))
    work.decided = [row for row in work.decided if row != (key,)]
    report(ledger, day, key, number, why, now_ms)
    if segments == 1:
        work.progress.append((INDETERMINATE, number, now_ms, NO_ANSWER, seq))
    else:
        ledger.touched.add((day, seq))


def report(ledger: Ledger, day: int, key: int, number: int, why: str, now_ms: int) -> None:
    """A segment in doubt that was to be sent again over the link of this number is left as it is: a late receipt still counts."""
    work = ledger.work[day]
    work.doubts.append((key, number, doubts.REPORTED, now_ms))
    work.events.append((key >> 8, now_ms, INDETERMINATE, NOT_AGAIN.format(why)))
    link = next((name for name, n in ledger.link_numbers[day].items() if n == number), "")
    ledger.doubts.soon((link, doubts.number_index_of(ledger.partitions[day], key >> 8)))


def _in_doubt(ledger: Ledger, day: int, seq: int, part: int) -> bool:
    """Whether a segment that now waits left before and nobody answered."""
    details = ledger.partitions[day].details(seq, INDETERMINATE)
    details += [row[3] for row in ledger.work[day].events if row[0] == seq and row[2] == INDETERMINATE]
    return any(
        said.startswith(NO_ANSWER) and (", segment " not in said or f", segment {part} of " in said) for said in details
    )
