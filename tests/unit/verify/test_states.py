"""The table of states, and how checks, failures in a row and rates are judged, with the time passed in."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from appliance.verify.states import (
    CANCEL,
    CANCELLED,
    ENDED,
    EXPIRED,
    FAILED,
    HEARD,
    LAST_WRONG,
    LATE,
    PENDING,
    REASONS,
    RIGHT,
    STATES,
    TABLE,
    WRONG,
    Failures,
    Judged,
    Limits,
    blocked_ms,
    failed,
    judge,
    paced,
)


def test_only_pending_becomes_something_else() -> None:
    assert {state for state, _ in TABLE} == {PENDING}
    assert {heard for _, heard in TABLE} == set(HEARD) and set(TABLE.values()) == set(STATES)
    assert set(ENDED) == set(STATES) - {PENDING} and set(ENDED.values()) <= set(REASONS)


def test_the_page_shows_the_table() -> None:
    page = Path(__file__).parents[3] / "appliance/verify/README.md"
    rows = [f"| {s} | " + " | ".join(TABLE.get((s, h), "-") for h in HEARD) + " |" for s in STATES]
    text = page.read_text(encoding="utf-8")
    assert "\n".join(rows) in text and f"| | {' | '.join(HEARD)} |" in text


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("blocked", [True, False])
def test_a_check_is_right_only_when_everything_is(right: bool, same: bool, blocked: bool) -> None:
    for state, late, tries in itertools.product(STATES, (False, True), range(5)):
        heard, reason = judge(state, 1_000, tries, right, same, blocked, 1_000 if late else 999, 5)
        assert reason in REASONS
        assert (heard == RIGHT) == (state == PENDING and right and not late and not blocked) == (reason == "")
        if state != PENDING:
            assert (heard, reason) == ("", ENDED[state])


def test_the_fifth_wrong_try_is_the_last() -> None:
    said = [judge(PENDING, 1_000, tries, False, True, False, 0, 5).heard for tries in range(5)]
    assert said == [WRONG] * 4 + [LAST_WRONG]
    assert judge(FAILED, 1_000, 5, True, True, False, 0, 5) == Judged("", "tries")
    assert judge(PENDING, 1_000, 0, False, False, False, 0, 5).reason == "payment"
    assert judge(PENDING, 1_000, 0, True, True, False, 1_000, 5) == Judged(LATE, "expired")
    assert (TABLE[PENDING, CANCEL], TABLE[PENDING, LATE]) == (CANCELLED, EXPIRED)


def test_failures_in_a_row_block_for_a_while_and_are_forgotten() -> None:
    limits, now = Limits(tries=5, block_s=900), Failures()
    for n in range(5):
        assert blocked_ms(now, limits, n * 1_000) == 0
        now = failed(now, limits, n * 1_000)
    assert blocked_ms(now, limits, 4_000) == 900_000
    assert blocked_ms(now, limits, 903_999) == 1 and blocked_ms(now, limits, 904_000) == 0
    assert failed(now, limits, 904_001).wrong == 1
    assert blocked_ms(now, limits._replace(block_s=0), 4_000) == 0


def test_a_bucket_lets_so_many_through_and_then_at_its_pace() -> None:
    full, let = 0, []
    for at in range(0, 7_200_001, 60_000):
        full, wait = paced(full, 10, 3_600_000, at)
        let.append(not wait)
    assert let[:10] == [True] * 10
    assert sum(let[:61]) in (19, 20) and sum(let) in (29, 30), "ten at once, then one in six minutes"
    full = 0
    for _ in range(10):
        full, wait = paced(full, 10, 3_600_000, 5)
        assert not wait
    kept, wait = paced(full, 10, 3_600_000, 5)
    assert (kept, wait) == (full, 360_001) and paced(full, 10, 3_600_000, 5 + wait)[1] == 0
    assert paced(7, 0, 3_600_000, 5) == (7, 0), "no limit"
