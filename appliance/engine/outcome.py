"""HOT: the status of a message from the statuses of its segments, and which changes are allowed. Pure."""

from __future__ import annotations

from typing import Final

from appliance.message import (
    CANCELLED,
    DELIVERED,
    EXPIRED,
    FAILED,
    FINAL,
    INDETERMINATE,
    QUEUED,
    REJECTED,
    SENT,
    UNDELIVERED,
)
from appliance.store import SUBMITTED

#: When all the segments of a message have ended and one was not delivered, the first of these found among them counts.
WORST_FIRST: Final = (REJECTED, FAILED, EXPIRED, UNDELIVERED, CANCELLED)


def message_status(parts: list[int], segments: int) -> int:
    """The status of a message of `segments` from those of its parts that were ever submitted."""
    if len(parts) < segments or QUEUED in parts or SUBMITTED in parts:
        return QUEUED
    if INDETERMINATE in parts:
        return INDETERMINATE
    if SENT in parts:
        return SENT
    for status in WORST_FIRST:
        if status in parts:
            return status
    return DELIVERED


def may_change(before: int, after: int) -> bool:
    """Final statuses absorb; nothing goes back from `sent` to `queued` but by way of `indeterminate`."""
    return before != after and before not in FINAL
