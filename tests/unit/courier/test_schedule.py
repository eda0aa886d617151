"""When a webhook is tried again: 5 s doubling, a day at most, slower when asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.courier.schedule import AGAIN, DONE, STOP, next_attempt_ms, retry_after_ms, verdict
from appliance.limits import WEBHOOK_RETRY_S_MAX

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (200, DONE),
        (204, DONE),
        (299, DONE),
        (302, AGAIN),
        (400, STOP),
        (404, STOP),
        (410, STOP),
        (408, AGAIN),
        (429, AGAIN),
        (500, AGAIN),
        (503, AGAIN),
        (100, AGAIN),
    ],
)
def test_what_an_answer_means(status: int, means: str) -> None:
    assert verdict(status) == means


def test_pauses_double_and_end_within_a_day() -> None:
    now, pauses, attempts = NOW, [], 0
    while True:
        attempts += 1
        at = next_attempt_ms(attempts, NOW, now, 0.0)
        if at is None:
            break
        pauses.append((at - now) // 1000)
        now = at
    assert pauses == [5 * 2**k for k in range(14)]
    assert (now - NOW) / 1000 <= WEBHOOK_RETRY_S_MAX


def test_a_first_attempt_that_comes_late_is_not_repeated_for_another_day() -> None:
    assert next_attempt_ms(1, NOW - 2 * WEBHOOK_RETRY_S_MAX * 1000, NOW, 0.0) is None


@given(
    attempts=st.integers(1, 10_000),
    waited=st.integers(0, 3 * WEBHOOK_RETRY_S_MAX * 1000),
    dice=st.floats(0, 1),
    asked=st.integers(0, WEBHOOK_RETRY_S_MAX * 1000),
)
def test_always_later_never_past_a_day_never_sooner_than_asked(
    attempts: int, waited: int, dice: float, asked: int
) -> None:
    received = NOW - waited
    at = next_attempt_ms(attempts, received, NOW, dice, asked)
    assert at is None or NOW + max(5000, asked) <= at <= received + WEBHOOK_RETRY_S_MAX * 1000


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        (None, 0),
        ("", 0),
        ("7", 7_000),
        (" 120 ", 120_000),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("9" * 50, WEBHOOK_RETRY_S_MAX * 1000),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60_000),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
    ],
)
def test_retry_after_in_both_forms(header: str | None, pause: int) -> None:
    assert retry_after_ms(header, NOW) == pause


@given(st.text(max_size=60))
def test_any_retry_after_is_survived(header: str) -> None:
    assert 0 <= retry_after_ms(header, NOW) <= WEBHOOK_RETRY_S_MAX * 1000
