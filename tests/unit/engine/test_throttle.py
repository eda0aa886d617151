"""How long a throttled link pauses and how fast it goes on: pure, a clock made of numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from appliance.engine.throttle import Throttle
from appliance.settings import Link, parse

LINK: Link = parse({"link": [{"name": "op", "host": "h"}]}, Path("/nowhere"), "test").links[0]


def throttle(**values: Any) -> Throttle:
    return Throttle(replace(LINK, **values))


def taking(t: Throttle, rate: float, seconds: float, now: float, taken: float = 0.0) -> tuple[float, float]:
    """An operator that takes `rate` a second for so long; (now, taken) afterwards."""
    for _ in range(int(seconds * 10)):
        now += 0.1
        taken += rate / 10
        t.tick(int(taken), now)
    return now, taken


def test_the_first_pause_then_twice_and_never_more_than_the_longest() -> None:
    t = throttle(throttle_pause_s=2, throttle_pause_s_max=10)
    now, pauses = 100.0, []
    for _ in range(5):
        t.heard(0, now)
        pauses.append(t.paused_until_s - now)
        now = t.paused_until_s + 0.1
    assert pauses == pytest.approx([2, 4, 8, 10, 10])
    now = t.paused_until_s + 10.1  # it went well for as long as it had paused
    t.heard(0, now)
    assert t.paused_until_s - now == pytest.approx(2)


def test_many_complaints_at_once_are_one() -> None:
    t = throttle(throttle_pause_s=2)
    for n in range(100):
        t.heard(0, 100.0 + n / 1000)
    assert t.total == 100 and t.paused_until_s == 102.0


def test_kannel_stop_counts_from_the_last_complaint() -> None:
    t = throttle(throttle_policy="stop", throttle_pause_s=60)
    t.heard(0, 100.0)
    t.heard(0, 130.0)
    assert t.paused_until_s == 190.0


def test_delay_pauses_nothing_and_slows_down_once_a_second_at_most() -> None:
    t = throttle(throttle_policy="delay", pace=100.0)
    now, taken = taking(t, 100, 3, 100.0)
    for _ in range(50):
        t.heard(int(taken), now)
    assert t.paused_until_s == 0 and t.rate == pytest.approx(50, abs=3)
    assert [t.delay_s(n) for n in (1, 2, 3, 50)] == [1, 2, 4, 60]


def test_no_pause_is_shorter_than_a_second() -> None:
    t = throttle(throttle_pause_s=0.05)
    t.heard(0, 100.0)
    assert t.paused_until_s == 101.0
    assert t.delay_s(1) == 1.0


@pytest.mark.parametrize("pace", [0.0, 1_000.0])
def test_the_rate_falls_to_a_share_of_what_was_taken(pace: float) -> None:
    t = throttle(pace=pace)
    now, taken = taking(t, 80, 5, 100.0)
    t.heard(int(taken), now)
    assert t.rate == pytest.approx(40, abs=3)


def test_it_comes_back_to_its_pace_in_even_steps() -> None:
    t = throttle(pace=100.0, throttle_pause_s=1, throttle_recover_s=30)
    now, taken = taking(t, 100, 5, 100.0)
    t.heard(int(taken), now)
    assert t.rate == pytest.approx(50, abs=4)
    rates = []
    for _ in range(32):
        now, taken = taking(t, t.rate, 1, now, taken)
        rates.append(t.rate)
    steps = [b - a for a, b in pairwise(rates[2:26])]
    assert all(step == pytest.approx(100 / 2 / 30, rel=0.15) for step in steps)
    assert t.rate == 100 and not t.slowed


def test_without_a_limit_it_is_unlimited_again_in_the_end() -> None:
    t = throttle(pace=0.0)
    now, taken = taking(t, 80, 5, 100.0)
    t.heard(int(taken), now)
    now, taken = taking(t, 40, 80, now, taken)
    assert t.slowed and 80 < t.rate < 160
    taking(t, 40, 15, now, taken)
    assert t.rate == 0 and not t.slowed


def test_it_settles_near_what_the_operator_takes() -> None:
    """An operator that takes 50 a second of what it is offered, for ten minutes: more than a half of that gets through."""
    t = throttle(pace=0.0, throttle_pause_s=1)
    now, taken, credit = 100.0, 0.0, 50.0
    start_s, complaints = now, 0
    for _ in range(6_000):
        now += 0.1
        credit = min(50.0, credit + 5)
        offered = 0.0 if now < t.paused_until_s else (t.rate or 1_000) / 10
        taken += min(offered, credit)
        if offered > credit:
            complaints += 1
            t.heard(int(taken), now)
        credit -= min(offered, credit)
        t.tick(int(taken), now)
    assert taken / (now - start_s) > 30
    assert complaints < 60


def test_jasmin_648_nothing_taken_at_all_is_no_division_and_no_standstill() -> None:
    for pace in (0.0, 0.5, 100.0):
        t = throttle(pace=pace)
        now = 100.0
        for _ in range(50):
            t.heard(0, now)
            t.tick(0, now)
            now = t.paused_until_s + 0.01
        assert t.rate == (min(1.0, pace) if pace else 1.0)


def test_a_clock_that_jumps_far_ends_in_the_configured_pace() -> None:
    t = throttle(pace=10.0)
    t.heard(0, 100.0)
    t.tick(0, 100.1)
    t.tick(0, 1e9)
    assert t.rate == 10.0


@pytest.mark.parametrize("pace", [0.0, 200.0])
def test_an_operator_that_throttles_one_in_ten_whatever_the_rate_is_no_standstill(pace: float) -> None:
    t = throttle(pace=pace)
    now, taken = taking(t, 100, 5, 100.0)
    begun, tried = taken, 0.0
    for _ in range(1_200):  # two minutes
        now += 0.1
        if now >= t.paused_until_s:
            tried += (t.rate or 100.0) / 10
            while tried >= 1:
                tried -= 1
                taken += 1
                if int(taken) % 10 == 0:
                    t.heard(int(taken), now)
                    tried = 0.0
        t.tick(int(taken), now)
    assert (taken - begun) / 120 > 3, "it paused a second each time and never longer"
    assert t.paused_until_s - now <= 1.0


def test_storms_do_not_shrink_a_link_without_a_pace_for_good() -> None:
    t = throttle()
    now, taken = taking(t, 1_000, 5, 100.0)
    for _ in range(10):
        t.heard(int(taken), now)
        now, taken = taking(t, 0, 1.1, now, taken)
        for _ in range(190):  # nineteen seconds in which it takes whatever comes
            now, taken = taking(t, t.rate or 1_000, 0.1, now, taken)
    assert t.rate == 0 or t.rate > 300


def test_a_quiet_link_that_was_throttled_once_does_not_crawl() -> None:
    """One message, one complaint, then five hundred at once: what it had sent before said nothing of the operator."""
    t = throttle()
    now, taken = taking(t, 0, 5, 100.0, 1)
    t.heard(1, now)
    now = t.paused_until_s
    sent = 0.0
    for _ in range(100):
        now += 0.1
        t.tick(int(taken + sent), now)
        sent += (t.rate or 1_000) / 10
    assert t.rate == 0 and sent > 500
