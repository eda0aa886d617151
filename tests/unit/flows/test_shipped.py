"""The workflows that come with the appliance: right, their own tests pass, and a crash at any moment of any of them sends nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.flows import check, run_tests, shipped
from appliance.flows.definition import Definition
from appliance.flows.definition import Test as Told

from .room import Crash, World

SHIPPED = shipped()
NAMES = {
    "login-2fa", "payment-sca", "password-reset", "account-access", "fraud-alert", "delivery-fallback", "statement-notice",
    "message-fallback", "code-fallback",
}  # fmt: skip


def definition(name: str) -> Definition:
    flow, problems = check(SHIPPED[name])
    assert flow is not None, [str(p) for p in problems]
    return flow


def test_there_are_the_seven_and_those_behind_fallbacks() -> None:
    assert SHIPPED.keys() == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_is_right_and_its_tests_pass_and_reach_every_state(name: str) -> None:
    flow = definition(name)
    outcomes = run_tests(flow)
    assert outcomes and [(o.name, o.why) for o in outcomes if not o.passed] == []
    reached = {state for o in outcomes for line in o.lines for state in (line.state, line.to)}
    assert flow.states.keys() - reached == set(), "no test goes there"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_crash_at_any_moment_sends_nothing_twice(name: str, tmp_path: Path) -> None:
    """Each test of each workflow is lived once as it is, then again with a crash before or after a commit or a hand-over: at every
    moment of the first test, at some of the others (`python -m tests.unit.flows.moments`: at all of them)."""
    assert crash_everywhere(name, tmp_path, 2, 23) > 8


def crash_everywhere(name: str, folder: Path, first: int, others: int) -> int:
    """How many crashes were lived through; `first`, `others`: of how many moments one, of the first test and of the others."""
    flow = definition(name)
    world, crashes = World(folder, SHIPPED[name]), 0
    for number, test in enumerate(flow.tests):
        lived(world, test, 0)
        moments, done, outcome = world.moments, world.done, world.machine().outcome
        assert len(set(world.times)) == len(world.times)
        for at in range(1 + number, moments + 1, others if number else first):
            lived(world, test, at)
            assert world.done == done, (test.name, at)
            assert world.machine().outcome == outcome, (test.name, at)
            crashes += 1
    world.book.close()
    return crashes


def lived(world: World, test: Told, crash_at: int) -> None:
    world.again(crash_at)
    run = world.start(dict(test.params), test.locale or "")
    crashing(world)
    for n, each in enumerate(test.happens, 1):
        if each.refused is not None or each.untold:
            break  # said by who is asked: not what is looked at here
        crashing(world, lambda each=each, n=n: world.happen(each, run, n))


def crashing(world: World, act: object = None) -> None:
    """Something happens and is followed to its end, over a crash on the way: what brings it brings it again."""
    for _ in range(2):
        try:
            if callable(act):
                act()
            world.settle()
        except Crash:
            world.after_crash()
            continue
        return
    world.settle()
