"""HOT: a message cut for the link it is about to leave over, where its submits may be more or fewer than were told."""

from __future__ import annotations

from appliance.message import reference_of
from appliance.smpp import PduError, status_name
from appliance.store import ODD

from .ledger import Ledger
from .link import Link
from .straight import left
from .unfolding import odd
from .waiting import Waiting


def fit(ledger: Ledger, link: Link, waiting: Waiting, now_ms: int) -> bool:
    """Cuts a message for a link. False: it has ended, because it cannot go over this one.

    While nothing of it has left it is cut anew for each link, and how many submits it is becomes a row in the same
    transaction as their intentions. Once a part has left, the rest goes as the beginning did.
    """
    packer = link.packer
    adopted, why = None, "its first parts left over a link that cuts otherwise"
    try:
        if waiting.left() == waiting.segments:
            if waiting.parts is None or waiting.parts.shape != packer.shape:
                waiting.parts = packer.prepare(waiting.encoding, waiting.payload, reference_of(waiting.message_id))
            submits = len(waiting.parts.octets)
            if submits != waiting.segments:
                odd(ledger, waiting)
                work = ledger.work[waiting.day]
                work.resized.append((submits, waiting.seq))
                work.surplus.append((waiting.seq << 8 | submits, (waiting.seq + 1) << 8))
                waiting.segments, waiting.todo = submits, None
            return True
        if waiting.parts is None:  # a restart between: the store knows how many parts, this link how it cuts
            parts = packer.prepare(waiting.encoding, waiting.payload, reference_of(waiting.message_id))
            adopted = parts if len(parts.octets) == waiting.segments else None
        else:
            adopted = packer.adopt(waiting.parts, waiting.encoding)
    except PduError as e:
        why = status_name(e.status)
    if adopted is not None:
        waiting.parts = adopted
        return True
    part, *waiting.todo = waiting.todo or range(1, waiting.segments + 1)
    intend(ledger, link, waiting, part, now_ms)
    ledger.refused(link.name, waiting, part, why, now_ms)
    return False


def intend(ledger: Ledger, link: Link, waiting: Waiting, part: int, now_ms: int) -> None:
    """The intention to submit a part, as a row: it is durable before the submit leaves."""
    day = waiting.day
    number = ledger.link_numbers[day][link.name]
    tally = waiting.tally
    if tally is not None:
        at = waiting.seq - tally.first
        if tally.statuses[at] != ODD and number < 256:
            left(ledger, tally, at, number, now_ms)
            return
        odd(ledger, waiting)
    ledger.work[day].intents.append((waiting.seq << 8 | part, number, now_ms))
