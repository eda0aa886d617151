"""A refused credential is on the record, once a minute an address, and nothing of it is."""

from __future__ import annotations

import asyncio

from appliance.access import address_of
from appliance.audit.entry import entry
from appliance.intake.refusals import ADDRESSES_MAX, EVERY_S, Pauses
from tests.support.api_alone import Alone


def test_once_a_minute_with_the_count_of_what_was_kept_back() -> None:
    pauses = Pauses()
    assert pauses.refused("192.0.2.1", 0.0) == 1
    assert [pauses.refused("192.0.2.1", float(s)) for s in range(1, 6)] == [0] * 5
    assert pauses.refused("192.0.2.2", 5.0) == 1, "each address for itself"
    assert pauses.refused("192.0.2.1", EVERY_S) == 6


def test_many_addresses_are_one() -> None:
    pauses = Pauses()
    said = [pauses.refused(f"192.0.{n // 256}.{n % 256}", 0.0) for n in range(ADDRESSES_MAX * 2)]
    assert sum(map(bool, said)) == ADDRESSES_MAX + 1
    assert pauses.refused("198.51.100.1", EVERY_S + 1) == 1, "it forgets"


def test_addresses_may_be_recorded() -> None:
    for remote in ("192.168.100.200", "2001:db8:1111:2222:3333:4444:5555:6666", "::ffff:10.20.30.40", "", "x"):
        entry(0, "api:unknown", "apikey.refused", f"address:{address_of(remote)}", "refused", attempts=3)


def test_the_gateway_says_so() -> None:
    alone = Alone()
    for _ in range(3):
        assert alone.post("/v1/messages", b"{}", token="cm_9_guess").status == 401
    alone.post("/v1/messages", b"{}", {"authorization": None})  # type: ignore[dict-item]
    alone.loop.run_until_complete(asyncio.sleep(0))
    told = [e for e in alone.auditor.entries if e[1] == "apikey.refused"]
    assert told == [("api:unknown", "apikey.refused", "address:unknown", "refused", {"attempts": 1})]
    alone.close()
