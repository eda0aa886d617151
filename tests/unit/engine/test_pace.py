"""The token bucket: never more than its rate over any long time, a small burst at once."""

import pytest

from appliance.engine.pace import Pace, SenderPaces


def test_no_limit() -> None:
    assert Pace(0).allowed(1.0) > 10**6


@pytest.mark.parametrize("rate", [1.0, 7.5, 50.0, 5_000.0])
def test_over_ten_seconds_the_rate_holds(rate: float) -> None:
    pace, sent, now = Pace(rate), 0, 100.0
    for _ in range(10_000):
        now += 0.001
        n = pace.allowed(now)
        pace.spent(n)
        sent += n
    assert rate * 10 - 1 <= sent <= rate * 10 + pace.burst + 1


def test_a_clock_that_stands_still_gives_nothing_more() -> None:
    pace = Pace(10)
    pace.spent(pace.allowed(5.0))
    assert pace.allowed(5.0) == 0
    assert 0 < pace.next_s() <= 0.1


def test_another_rate_holds_from_then_on() -> None:
    pace = Pace(0)
    pace.set_rate(10)
    pace.spent(pace.allowed(5.0))
    assert pace.allowed(5.05) == 0 and pace.allowed(5.1) == 1
    pace.set_rate(0)
    assert pace.allowed(5.1) > 10**6 and pace.next_s() == 0


def test_each_sender_has_a_bucket_of_its_own_and_those_named_their_own_rate() -> None:
    paces = SenderPaces(1.0, {"FAST": 100.0})
    slow, fast = paces.of("SLOW"), paces.of("FAST")
    assert slow is not None and fast is not None
    assert (slow.allowed(5.0), fast.allowed(5.0)) == (1, 10)
    assert paces.of("SLOW") is slow and paces.of("OTHER") is not slow
    assert SenderPaces(0.0, {"FAST": 100.0}).of("OTHER") is None


def test_the_buckets_of_senders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.engine.pace.PACED_SENDERS_MAX", 3)
    paces = SenderPaces(1.0, {})
    first = paces.of("0")
    for n in range(5):
        paces.of(str(n))
    assert len(paces._buckets) == 3 and paces.of("0") is not first
