"""A hostile run is judged by what was written down: each fault is found, and each excuse is heard."""

from __future__ import annotations

from appliance.bench.judging import Attempt, growth_mib, judge, page
from appliance.bench.numbered import Sent, digest_of, text_of

OTP, BULK = 0, 3


def sent(*rows: tuple[int, int, int]) -> dict[bytes, Sent]:
    """Messages of (lane, class, number); the id is written like that too."""
    return {digest_of(text_of(*row)): Sent("{}-{}-{}".format(*row), *row) for row in rows}


def tried(messages: dict[bytes, Sent], *ids: str, status: int = 0, each_ms: int = 5_000) -> list[Attempt]:
    by_id = {each.id: digest for digest, each in messages.items()}
    return [Attempt(status, 1, by_id[one], n * each_ms) for n, one in enumerate(ids)]


def verdict(messages, attempts, statuses=None, indeterminate=()):
    if statuses is None:
        statuses = {each.id: "delivered" for each in messages.values()}
    taken = [a.digest for a in attempts if not a.status]
    return judge(messages, statuses, taken, attempts, lambda message_id: message_id in indeterminate)


def test_a_run_without_a_fault() -> None:
    messages = sent((0, OTP, 1), (0, OTP, 2), (0, BULK, 1), (1, OTP, 1))
    told = verdict(messages, tried(messages, "1-0-1", "0-0-1", "0-3-1", "0-0-2"))
    assert told.faults == [] and told.counts["delivered"] == 4


def test_a_lost_message() -> None:
    messages = sent((0, OTP, 1), (0, OTP, 2))
    for left in ("queued", "sent", "accepted"):
        told = verdict(messages, tried(messages, "0-0-1", "0-0-2"), {"0-0-1": "delivered", "0-0-2": left})
        assert "1 lost" in told.faults[0] and "0-0-2" in told.faults[0]
    assert verdict(messages, tried(messages, "0-0-1", "0-0-2"), {"0-0-1": "delivered"}).faults
    held = {"0-0-1": "delivered", "0-0-2": "indeterminate"}
    assert verdict(messages, tried(messages, "0-0-1"), held).faults == []


def test_a_delivery_that_never_was() -> None:
    messages = sent((0, OTP, 1))
    assert "never took it" in verdict(messages, []).faults[0]
    assert verdict(messages, [], {"0-0-1": "rejected"}).faults == []


def test_twice_needs_a_reason() -> None:
    messages = sent((0, OTP, 1))
    attempts = tried(messages, "0-0-1", "0-0-1")
    assert "twice" in verdict(messages, attempts).faults[0]
    told = verdict(messages, attempts, indeterminate=("0-0-1",))
    assert told.faults == [] and told.counts["taken twice, explained"] == 1


def test_the_order_of_a_class_is_that_of_first_tries() -> None:
    messages = sent((0, OTP, 1), (0, OTP, 2), (0, OTP, 3))
    attempts = tried(messages, "0-0-2", "0-0-1", "0-0-3")
    assert "out of order" in verdict(messages, attempts).faults[0]
    assert verdict(messages, attempts, indeterminate=("0-0-1",)).faults == []
    # One that was refused for now comes again later: its first try was in its place.
    again = tried(messages, "0-0-1", status=88) + tried(messages, "0-0-2", "0-0-1", "0-0-3", each_ms=5_000)
    assert verdict(messages, again).faults == []


def test_a_hot_loop() -> None:
    messages = sent((0, OTP, 1))
    hot = tried(messages, "0-0-1", "0-0-1", "0-0-1", status=88, each_ms=100)
    told = verdict(messages, hot, {"0-0-1": "failed"})
    assert "2 tried again" in told.faults[0] and told.counts["most tries of one message"] == 3
    assert verdict(messages, hot, {"0-0-1": "failed"}, indeterminate=("0-0-1",)).faults == []
    calm = tried(messages, "0-0-1", "0-0-1", status=88, each_ms=1_000)
    assert verdict(messages, calm, {"0-0-1": "failed"}).faults == []


def test_growth_is_a_slope() -> None:
    assert growth_mib([(float(n), 50 << 20) for n in range(120)]) == 0
    assert round(growth_mib([(float(n), (50 << 20) + n * (1 << 20) // 60) for n in range(120)]), 2) == 1.0
    assert growth_mib([(0.0, 1 << 20), (30.0, 90 << 20)]) == 0.0


def test_the_page_names_what_is_wrong() -> None:
    told = {
        "seconds": 10.0,
        "per_second": 5.0,
        "counts": {"messages accepted": 3},
        "operator": {"dropped": 1, "aliens": 0},
        "engine_rss_mib": {"start": 1.0, "end": 2.0, "growth": 0.0},
    }
    assert "FAULT 1 lost" in page({**told, "faults": ["1 lost"]})
    assert "no fault" in page({**told, "faults": []}) and "aliens" not in page({**told, "faults": []})
