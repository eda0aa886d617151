"""Which engine takes a request: the idlest that is well, and for a key always the same."""

from __future__ import annotations

import os
from collections import Counter

from appliance.shards import Load, home, homes, least_loaded


def loads(*pending: int | None) -> list[Load]:
    return [Load(each is not None, each or 0) for each in pending]


def test_the_idlest_that_is_well() -> None:
    assert least_loaded(loads(5, 3, 9), 3, 0) == 1
    assert least_loaded(loads(5, None, 9), 3, 0) == 0
    assert least_loaded(loads(5, 3, 0), 2, 0) == 1, "the third cannot carry it"
    assert least_loaded(loads(None, None, 0), 2, 0) is None


def test_equals_take_turns() -> None:
    assert [least_loaded(loads(0, 0, 0), 3, turn) for turn in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_key_has_one_home_and_keys_are_even() -> None:
    macs = [os.urandom(16) for _ in range(2_000)]
    assert all(home(mac, 4) == home(mac, 4) for mac in macs)
    assert min(Counter(home(mac, 4) for mac in macs).values()) > 380
    assert all(home(mac, 1) == 0 for mac in macs)


def test_where_a_key_may_have_been_committed() -> None:
    mac = (5).to_bytes(8, "big") + bytes(8)
    assert homes(mac, {1, 2, 4}) == {0, 1}
    assert homes(mac, {4}) == {1}
