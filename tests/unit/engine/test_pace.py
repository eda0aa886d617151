"""The token bucket: never more than its rate over any long time, a small burst at once."""

import pytest

from appliance.engine.pace import Pace


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
