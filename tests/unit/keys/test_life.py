"""The life of a key: complete, one way, drawn the same on the page; dates and retention."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.clock import DAY_MS
from appliance.keys import life
from appliance.keys.life import ACTIVE, COMPROMISED, DAILY, DEACTIVATED, DESTROYED, PRE_ACTIVE, TABLE, YEARLY

README = Path(__file__).parents[3] / "appliance" / "keys" / "README.md"
DAY = 20_779  # 2026-11-22


def drawn() -> str:
    states, heard = list(dict.fromkeys(s for s, _ in TABLE)), list(dict.fromkeys(h for _, h in TABLE))
    rows = [f"| heard when | {' | '.join(heard)} |", "|---" * (len(heard) + 1) + "|"]
    rows += [f"| **{s}** | {' | '.join(TABLE.get((s, h), '-') for h in heard)} |" for s in states]
    return "\n".join(rows)


def test_the_page_draws_the_table() -> None:
    assert drawn() in README.read_text(encoding="utf-8")


def test_every_state_can_be_destroyed_and_nothing_comes_back() -> None:
    order = (PRE_ACTIVE, ACTIVE, DEACTIVATED, COMPROMISED, DESTROYED)
    assert {s for s, _ in TABLE} == set(order) - {DESTROYED}
    assert all(TABLE[s, life.DESTROY] == DESTROYED for s in order[:-1])
    assert all(order.index(after) > order.index(before) for (before, _), after in TABLE.items())
    assert life.SEALS < life.OPENS
    assert set(order) - life.OPENS == {DESTROYED}


@given(st.integers(-100_000, 200_000))
def test_a_year_begins_on_its_first_of_january(day: int) -> None:
    first = date(1970, 1, 1).toordinal()
    assert life.year_of(day) == date(date.fromordinal(first + day).year, 1, 1).toordinal() - first


def test_a_days_key_seals_on_its_day_and_two_more_a_years_key_all_year() -> None:
    assert life.period(DAILY, DAY) == (DAY * DAY_MS, (DAY + 3) * DAY_MS)
    for year in (2024, 2026):
        first = date(year, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
        days = 366 if year == 2024 else 365
        assert life.period(YEARLY, first) == (first * DAY_MS, (first + days + 2) * DAY_MS)


def test_time_moves_a_key_from_state_to_state() -> None:
    span = life.period(DAILY, DAY)
    assert life.due(PRE_ACTIVE, DAILY, DAY, span.from_ms - 1) is None
    assert life.due(PRE_ACTIVE, DAILY, DAY, span.from_ms) == life.BEGUN
    assert life.due(ACTIVE, DAILY, DAY, span.to_ms - 1) is None
    assert life.due(ACTIVE, DAILY, DAY, span.to_ms) == life.OVER
    for state in (DEACTIVATED, COMPROMISED, DESTROYED):
        assert life.due(state, DAILY, DAY, span.to_ms * 2) is None


def test_a_key_is_erasable_after_its_retention_unless_it_is_held() -> None:
    none: frozenset[int] = frozenset()
    assert not life.erasable(DAY, DAY + 30, 30, none)
    assert life.erasable(DAY, DAY + 31, 30, none)
    assert not life.erasable(DAY, DAY + 31, 30, frozenset({DAY}))
    assert life.erasable(DAY, DAY + 31, 30, frozenset({DAY + 1}))
