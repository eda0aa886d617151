"""The HSM's two state tables: complete, without dead ends, drawn the same in the README; and how breaker and life use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hsm import breaker, failover, life
from hsm.bounds import FAILURES_MAX, RESTART_S_MAX, RESTART_S_MIN, TRIAL_S

README = Path(__file__).parents[3] / "hsm" / "README.md"
TABLES = {"breaker": breaker.TABLE, "worker": life.TABLE, "two HSMs": failover.TABLE}


def drawn(table: dict[tuple[str, str], str]) -> str:
    """The table as Markdown: a row per state, a column per thing heard, `-` where it cannot be heard."""
    states = list(dict.fromkeys(state for state, _ in table))
    heard = list(dict.fromkeys(h for _, h in table))
    rows = [f"| heard when | {' | '.join(heard)} |", "|---" * (len(heard) + 1) + "|"]
    rows += [f"| **{s}** | {' | '.join(table.get((s, h), '-') for h in heard)} |" for s in states]
    return "\n".join(rows)


@pytest.mark.parametrize("name", TABLES)
def test_readme_draws_the_table(name: str) -> None:
    assert drawn(TABLES[name]) in README.read_text(encoding="utf-8"), f"hsm/README.md: draw\n{drawn(TABLES[name])}"


@pytest.mark.parametrize("name", TABLES)
def test_every_state_is_reached_and_left(name: str) -> None:
    table = TABLES[name]
    assert {s for s, _ in table} == set(table.values())
    assert all(any(to != state for (at, _), to in table.items() if at == state) for state in set(table.values()))


def test_breaker_lets_nothing_through_before_the_first_trial() -> None:
    b = breaker.Breaker()
    assert b.state == breaker.OPEN
    assert b.trial_due(0.0)
    assert b.hear(breaker.ANSWERED, 0.0) == breaker.CLOSED


def closed() -> breaker.Breaker:
    b = breaker.Breaker()
    b.trial_due(0.0)
    b.hear(breaker.ANSWERED, 0.0)
    return b


def test_breaker_opens_after_failures_in_a_row_only() -> None:
    b = closed()
    for _ in range(10):
        for _ in range(FAILURES_MAX - 1):
            assert b.hear(breaker.FAILED, 1.0) == breaker.CLOSED
        b.hear(breaker.ANSWERED, 1.0)
    for _ in range(FAILURES_MAX):
        b.hear(breaker.FAILED, 2.0)
    assert b.state == breaker.OPEN


def test_breaker_opens_at_once_without_workers_and_tries_after_its_pause() -> None:
    b = closed()
    assert b.hear(breaker.NO_WORKER, 5.0) == breaker.OPEN
    assert not b.trial_due(5.0 + TRIAL_S / 2)
    assert b.trial_due(5.0 + TRIAL_S)
    assert b.state == breaker.HALF_OPEN
    assert not b.trial_due(5.0 + TRIAL_S), "one trial at a time"
    assert b.hear(breaker.FAILED, 6.0) == breaker.OPEN
    assert not b.trial_due(6.0)
    assert b.trial_due(6.0 + TRIAL_S)
    assert b.hear(breaker.ANSWERED, 7.0) == breaker.CLOSED


def test_a_late_answer_does_not_close_an_open_breaker() -> None:
    b = closed()
    b.hear(breaker.NO_WORKER, 5.0)
    assert b.hear(breaker.ANSWERED, 5.1) == breaker.OPEN


def test_pauses_double_up_to_their_bound() -> None:
    pauses = [life.pause_s(n) for n in range(12)]
    assert pauses[:3] == [RESTART_S_MIN, RESTART_S_MIN * 2, RESTART_S_MIN * 4]
    assert pauses[-1] == RESTART_S_MAX == life.pause_s(10**9)
    assert pauses == sorted(pauses)


def test_a_machine_too_slow_to_open_the_token_gets_more_time_at_a_start_and_never_later() -> None:
    assert [life.open_s(20.0, n, False) for n in range(5)] == [20.0, 40.0, 80.0, 160.0, 160.0]
    assert life.open_s(20.0, 10**9, False) == 160.0
    assert life.open_s(20.0, 3, True) == 20.0, "the return of a token that has served is noticed as before"


def test_a_worker_that_keeps_dying_is_started_ever_later_until_it_answers() -> None:
    one = life.Life()
    one.hear(life.START, 0.0)
    until = []
    for _ in range(3):
        one.hear(life.LOST, 0.0)
        until.append(one.until_s)
        one.hear(life.PAUSE_OVER, 0.0)
    assert until == [RESTART_S_MIN, RESTART_S_MIN * 2, RESTART_S_MIN * 4]
    one.hear(life.OPENED, 0.0)
    one.hear(life.TAKEN, 0.0)
    one.hear(life.ANSWERED, 0.0)
    one.hear(life.LOST, 0.0)
    assert one.until_s == RESTART_S_MIN


def test_a_refused_pin_bars_until_the_file_changes() -> None:
    one = life.Life()
    one.hear(life.START, 0.0)
    assert one.hear(life.PIN_REFUSED, 0.0) == life.BARRED
    assert {h for s, h in life.TABLE if s == life.BARRED} == {life.PIN_CHANGED, life.STOP}
