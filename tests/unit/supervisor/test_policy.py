"""The supervisor's decisions, without any process: what is heard, what becomes of it, and when it is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.limits import PROBES_MISSED_MAX, RESTART_S_MAX, RESTART_S_MIN, START_S_MAX, STEADY_S
from appliance.supervisor import policy
from appliance.supervisor.policy import ALIVE, STATES, TABLE, Watch, pause_s

EVENTS = sorted({heard for _, heard in TABLE})


def test_the_table_speaks_of_known_states_only() -> None:
    assert {state for state, _ in TABLE} | set(TABLE.values()) <= set(STATES)
    assert {state for state, _ in TABLE} | {policy.STOPPED} == set(STATES)


def test_every_state_can_be_stopped() -> None:
    assert {s for s in STATES if (s, policy.STOP) not in TABLE} == {policy.STOPPING, policy.STOPPED}


def test_a_death_is_heard_wherever_a_process_exists() -> None:
    assert {s for s, heard in TABLE if heard == policy.DIED} == ALIVE


def test_an_ordinary_life() -> None:
    watch = Watch()
    assert watch.hear("start", 0.0)
    assert watch.probed(False, "waking", 0.1) is False
    assert watch.probed(True, "", 0.5)
    assert (watch.state, watch.was_ready, watch.restarts) == ("ready", True, 0)
    assert watch.probed(False, "the HSM is away", 3.0)
    assert (watch.state, watch.why) == ("unready", "the HSM is away")
    assert watch.probed(True, "", 4.0)
    assert watch.hear("stop", 5.0)
    assert watch.hear("died", 5.5)
    assert watch.state == "stopped"


def test_a_dead_process_is_started_again_after_a_pause_that_grows() -> None:
    watch = Watch()
    watch.hear("start", 0.0)
    pauses = []
    for n in range(12):
        watch.hear("died", float(n), jitter=0.0)
        assert watch.state == "pausing"
        pauses.append(watch.due_s - n)
        watch.hear("due", watch.due_s)
        assert watch.state == "starting"
    assert pauses[0] == pytest.approx(RESTART_S_MIN)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(RESTART_S_MAX)
    assert watch.restarts == 12


def test_a_process_that_was_steady_is_started_again_at_once() -> None:
    watch = Watch()
    watch.hear("start", 0.0)
    for n in range(5):
        watch.hear("died", float(n))
        watch.hear("due", float(n))
    watch.probed(True, "", 10.0)
    watch.hear("died", 10.0 + STEADY_S)
    assert watch.deaths == 1
    assert watch.due_s - 10.0 - STEADY_S == pytest.approx(RESTART_S_MIN)


def test_a_hung_process_is_killed_after_so_many_missed_probes() -> None:
    watch = Watch()
    watch.hear("start", 0.0)
    watch.probed(True, "", 0.5)
    for n in range(PROBES_MISSED_MAX - 1):
        assert not watch.probed(None, "does not answer", 1.0 + n)
    watch.probed(True, "", 20.0)  # it was only slow
    for n in range(PROBES_MISSED_MAX):
        changed = watch.probed(None, "does not answer", 21.0 + n)
    assert changed
    assert watch.state == "killing"


def test_a_process_that_never_answers_is_killed_when_its_time_is_up() -> None:
    watch = Watch()
    watch.hear("start", 100.0)
    assert not watch.probed(None, "does not answer", 100.0 + START_S_MAX - 0.1)
    assert watch.probed(None, "does not answer", 100.0 + START_S_MAX)
    assert watch.state == "killing"


def test_an_answer_after_the_end_changes_nothing() -> None:
    watch = Watch()
    watch.hear("start", 0.0)
    watch.hear("died", 1.0)
    assert not watch.probed(True, "", 1.1)
    assert watch.state == "pausing"


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_pause_is_bounded(deaths: int, jitter: float) -> None:
    assert RESTART_S_MIN / 2 <= pause_s(deaths, jitter) <= RESTART_S_MAX


@given(
    st.lists(
        st.tuples(st.sampled_from([*EVENTS, "probe well", "probe unwell", "probe none"]), st.floats(0, 20)), max_size=60
    )
)
def test_never_two_processes_and_none_after_the_end(history: list[tuple[str, float]]) -> None:
    """Whatever is heard in whatever order: a start needs a death before it, and nothing leaves `stopped`."""
    watch, now_s, exists = Watch(), 0.0, False
    for heard, passed_s in history:
        now_s += passed_s
        before = watch.state
        if heard.startswith("probe"):
            watch.probed({"well": True, "unwell": False, "none": None}[heard.split()[1]], "", now_s)
        else:
            watch.hear(heard, now_s, 0.5)
        if watch.state == "starting" and before != "starting":
            assert not exists
            exists = True
        if before in ALIVE and watch.state not in ALIVE:
            exists = False
        assert before != "stopped" or watch.state == "stopped"
        assert exists == (watch.state in ALIVE)


def test_the_page_draws_the_table() -> None:
    """appliance/README.md shows the table as it is."""
    page = (Path(__file__).parents[3] / "appliance" / "README.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    (head,) = [n for n, row in enumerate(rows) if row[:3] == ["state", "well", "waits"]]
    drawn = {
        (row[0], heard): cell
        for row in rows[head + 2 : head + 2 + len(STATES) - 1]
        for heard, cell in zip(rows[head][1:], row[1:], strict=True)
        if cell
    }
    assert drawn == {key: state for key, state in TABLE.items() if key != (policy.WAITING, policy.START)}


def test_a_sealed_token_holds_nothing_up() -> None:
    """It is opened by people, who see at the console and in `casemate status` what is waited for."""
    watch = Watch()
    watch.hear(policy.START, 0.0)
    assert not watch.probed(False, "hsm_unavailable: so nothing can be sealed", 1.0)
    assert watch.probed(False, "sealed: the token is sealed", 1.0)
    assert watch.state == policy.UNREADY
    assert watch.probed(True, "", 2.0)
    assert watch.state == policy.READY
    assert watch.probed(False, "sealed: the token is sealed", 3.0)
    assert watch.state == policy.UNREADY
