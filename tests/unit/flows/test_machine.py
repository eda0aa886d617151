"""The machine by its table: the README draws it, nothing but it decides, and what belongs to another step or another code changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from appliance.flows import check
from appliance.flows.machine import advance, holds
from appliance.flows.states import HEARD, PHASES, TABLE, Heard, Run, Trace, begun, ended, late, next_ms

README = Path(__file__).parents[3] / "appliance" / "flows" / "README.md"
AT = 1_790_000_000_000
FLOW: dict[str, Any] = {
    "name": "code", "start": "code", "life_s": 3600, "params": {"n": "number", "sum": "money", "who": "string"},
    "states": {
        "code": {"type": "verify", "purpose": "p", "life_s": 600, "ways": [{"wait_s": 60}, {"sender": "BANK", "wait_s": 60}],
                 "approved": "split", "failed": "no", "expired": "late"},
        "split": {"type": "branch", "cases": [{"var": "n", "at_least": "2", "next": "count"}], "otherwise": "yes"},
        "count": {"type": "set", "count": ["n"], "values": {"who": "x"}, "most": 3, "beyond": "yes", "next": "split"},
        "yes": {"type": "end", "outcome": "yes"}, "no": {"type": "end", "outcome": "no"}, "late": {"type": "end", "outcome": "late"},
    },
}  # fmt: skip


def stepped(run: Run, *heard: Heard, at_ms: int = AT, variables: Any = None) -> Any:
    flow, problems = check(json.dumps(FLOW))
    assert flow is not None, problems
    advanced: Any = None
    variables = {"n": 0} if variables is None else variables
    for each in heard:
        advanced = advance(flow, run, variables, each, "en", at_ms)
        run, variables = advanced.run, advanced.variables
    return advanced


def fresh() -> Run:
    flow, _ = check(json.dumps(FLOW))
    assert flow is not None
    return begun(flow, AT)


def test_the_readme_draws_the_table() -> None:
    drawn = {}
    lines = README.read_text(encoding="utf-8").split("## States")[1].splitlines()
    head = [c.strip() for c in next(line for line in lines if line.startswith("|")).strip("|").split("|")]
    for line in lines:
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] in PHASES:
            drawn |= {(cells[0], head[n]): cell for n, cell in enumerate(cells) if n and cell}
    assert drawn == TABLE and head[1:] == list(HEARD)


def test_what_is_not_in_the_table_changes_nothing() -> None:
    for phase in PHASES:
        run = Run("code", phase, 5, ends_ms=AT + 1, verification="v", visits={"code": 1})
        for what in HEARD:
            if (phase, what) not in TABLE:
                flow, _ = check(json.dumps(FLOW))
                assert flow is not None
                after = advance(flow, run, {}, Heard(what, message="v", step=5), "en", AT)
                assert after.run == run and not after.trace and not after.effect, (phase, what)


def test_an_outcome_of_another_step_or_code_is_not_this_ones() -> None:
    started = stepped(fresh(), Heard("started"))
    assert (started.run.phase, started.effect, started.run.step) == ("coding", "verify", 1)
    assert stepped(started.run, Heard("taken", "v", step=9)).run is started.run
    taken = stepped(started.run, Heard("taken", "v", "m", 1, AT + 600_000))
    assert (taken.run.phase, taken.run.verification, taken.run.due_ms) == ("code", "v", AT + 60_000)
    assert stepped(taken.run, Heard("approved", message="another")).run is taken.run
    assert stepped(taken.run, Heard("approved", message="v")).run.outcome == "yes"


def test_a_way_that_does_not_arrive_is_followed_by_the_next_and_the_code_stays_the_same_verification() -> None:
    taken = stepped(fresh(), Heard("started"), Heard("taken", "v", "m", 1, AT + 600_000))
    for heard, at_ms in ((Heard("undelivered", message="m", step=1), AT), (Heard("late"), AT + 60_000)):
        again = stepped(taken.run, heard, at_ms=at_ms)
        assert (again.run.phase, again.run.way, again.run.step, again.effect) == ("coding", 1, 2, "verify")
        assert stepped(again.run, Heard("approved", message="v"), at_ms=at_ms).run.outcome == "yes", (
            "the code before counts still"
        )
        refused = stepped(again.run, Heard("refused", "no_route", step=2), at_ms=at_ms)
        assert (refused.run.phase, refused.run.due_ms) == ("code", AT + 600_000), "there is a code on its way already"
        assert stepped(refused.run, Heard("late"), at_ms=AT + 600_000).run.outcome == "late"


def test_a_receipt_before_the_outcome_of_its_hand_over_is_not_lost() -> None:
    started = stepped(fresh(), Heard("started"))
    early = stepped(started.run, Heard("undelivered", message="m", step=1))
    assert early.run.phase == "coding"
    after = stepped(early.run, Heard("taken", "v", "m", 1))
    assert (after.run.phase, after.run.way) == ("coding", 1), "the second way at once"


def test_time_is_told_when_it_is_due_and_a_life_ends() -> None:
    run = fresh()
    assert late(run, AT) == Heard("started") and next_ms(run) == AT
    taken = stepped(run, Heard("started"), Heard("taken", "v", "m", 1))
    assert late(taken.run, AT + 59_999) is None and late(taken.run, AT + 60_000) == Heard("late")
    over = stepped(taken.run, Heard("approved", message="v"), at_ms=AT + 3_600_000)
    assert (over.run.outcome, over.run.phase) == ("expired", "ended"), "nothing is approved after the run's life"
    assert next_ms(over.run) == 0 and ended(over.run, "x", AT).step == over.run.step + 1


def test_branches_count_and_loops_end() -> None:
    taken = stepped(fresh(), Heard("started"), Heard("taken", "v", "m", 1))
    done = stepped(taken.run, Heard("approved", message="v"), variables={"n": 5})
    assert (done.variables["n"], done.run.outcome, done.run.visits["count"]) == (8, "yes", 3)
    assert Trace(done.trace[-2].step, "count", "beyond", "yes") in done.trace


def test_conditions() -> None:
    flow, _ = check(json.dumps(FLOW))
    assert flow is not None
    case = flow.states["split"].cases[0]  # type: ignore[union-attr]
    for value, held in (
        (2, True),
        ("2.0", True),
        ("1.99", False),
        ({"amount": "12.50", "currency": "EUR"}, True),
        ("x", False),
    ):
        assert holds(case, {"n": value}) is held, value
    assert not holds(case, {})
