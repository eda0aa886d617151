"""The status of a long message is worked out from its segments, whatever their order."""

import itertools

import pytest

from appliance.engine.outcome import may_change, message_status
from appliance.message import (
    DELIVERED,
    EXPIRED,
    FAILED,
    FINAL,
    INDETERMINATE,
    QUEUED,
    REJECTED,
    SENT,
    STATUSES,
    UNDELIVERED,
)
from appliance.store import SUBMITTED


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([DELIVERED, DELIVERED, DELIVERED], DELIVERED),
        ([DELIVERED, DELIVERED], QUEUED),
        ([DELIVERED, SENT, SENT], SENT),
        ([DELIVERED, SUBMITTED, SENT], QUEUED),
        ([INDETERMINATE, SENT, DELIVERED], INDETERMINATE),
        ([UNDELIVERED, DELIVERED, DELIVERED], UNDELIVERED),
        ([UNDELIVERED, REJECTED, EXPIRED], REJECTED),
        ([FAILED, UNDELIVERED, EXPIRED], FAILED),
    ],
)
def test_three_segments(parts: list[int], status: int) -> None:
    for order in itertools.permutations(parts):
        assert message_status(list(order), 3) == status


def test_final_statuses_absorb() -> None:
    for before in FINAL:
        assert not any(may_change(before, after) for after in range(len(STATUSES)))
    assert may_change(INDETERMINATE, DELIVERED)
