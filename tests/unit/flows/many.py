"""Definitions made by hypothesis: each is refused with line and reason, or runs to its end whatever happens. `python -m tests.unit.flows.many 10000`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import Error
from appliance.flows import Definition, Happening, Trying, check, drawn
from appliance.flows.states import ENDED

NAMES = ("a", "b", "c", "d", "end")
ENDING = {"type": "end", "outcome": "done"}
names = st.sampled_from((*NAMES, *NAMES, *NAMES, "nowhere"))
seconds = st.sampled_from((1, 60, 3_600, 14 * 86_400, 0))
ways = st.lists(
    st.fixed_dictionaries({"wait_s": st.sampled_from((1, 60))}, optional={"sender": st.just("BANK")}),
    min_size=1,
    max_size=3,
)
bounds = st.one_of(
    st.just({}), st.fixed_dictionaries({"most": st.integers(1, 3), "beyond": names}), st.just({"most": 2})
)


def state(fields: dict[str, Any], **optional: Any) -> Any:
    made = st.fixed_dictionaries(fields, optional=optional)
    return st.tuples(made, bounds).map(lambda both: both[0] | both[1])


texts = st.sampled_from(
    ({"en": "Hello"}, {"en": "Hello {who}"}, {"en": "{n, number}"}, {"it": "Ciao"}, {"en": "{broken"})
)
states = st.one_of(
    state({"type": st.just("send"), "texts": texts, "next": names}, refused=names, ways=ways),
    state(
        {"type": st.just("wait"), "for": st.just("reply"), "on": st.dictionaries(st.sampled_from(("yes", "no", "other", "maybe")), names, max_size=3)},
        timeout_s=seconds, timeout=names, keep=st.just("said"),
    ),
    state({"type": st.just("wait"), "for": st.just("receipt"), "of": names, "on": st.just({"delivered": "end"}), "timeout_s": seconds, "timeout": names}),
    state({"type": st.just("wait"), "for": st.sampled_from(("time", "person")), "timeout_s": seconds, "timeout": names}, on=st.just({"fine": "end"})),
    state({"type": st.just("verify"), "purpose": st.just("login"), "approved": names, "failed": names, "expired": names}, ways=ways, payment=st.booleans()),
    state({"type": st.just("webhook"), "event": st.just("told"), "next": names, "delivery": st.just("at-least-once")}, values=st.just(["who"]), failed=names),
    state({"type": st.just("set"), "next": names}, count=st.just(["n"]), values=st.just({"who": "x"})),
    state({"type": st.just("branch"), "cases": st.lists(st.fixed_dictionaries({"var": st.sampled_from(("n", "who", "x")), "at_least": st.just("2"), "next": names}), max_size=2), "otherwise": names}),
    st.just(ENDING),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip


@st.composite
def sound(draw: Any, at: int, count: int) -> dict[str, Any]:
    """A state that leads on to the one after it, at least; back only over a bound."""
    after = NAMES[at + 1] if at + 1 < count else "end"
    bounded = draw(st.booleans())
    others = ["end", *NAMES[at + 1 : count], *(NAMES[:at] if bounded else [])]
    other = st.sampled_from((after, *others))
    kind = draw(st.sampled_from(("send", "reply", "receipt", "person", "time", "verify", "webhook", "set", "branch")))
    waits = {"type": "wait", "timeout_s": draw(st.sampled_from((1, 60, 3_600))), "timeout": after}
    made: dict[str, Any] = {
        "send": {"type": "send", "texts": {"en": "Hello {who}"}, "next": after, "ways": draw(ways)},
        "reply": waits | {"for": "reply", "on": {"yes": draw(other), "other": draw(other)}},
        "receipt": waits | {"for": "receipt", "of": "ask", "on": {"delivered": draw(other)}},
        "person": waits | {"for": "person", "on": {"fine": draw(other)}},
        "time": waits | {"for": "time"},
        "verify": {"type": "verify", "purpose": "login", "approved": after, "failed": draw(other), "expired": draw(other), "ways": draw(ways)},
        "webhook": {"type": "webhook", "event": "told", "next": after, "failed": draw(other), "delivery": "at-least-once"},
        "set": {"type": "set", "next": after, "count": ["n"]},
        "branch": {"type": "branch", "cases": [{"var": "n", "at_least": "2", "next": draw(other)}], "otherwise": after},
    }[kind]  # fmt: skip
    return made | ({"most": draw(st.integers(1, 3)), "beyond": after} if bounded else {})


@st.composite
def definitions(draw: Any) -> dict[str, Any]:
    """Right ones, and every third with one state in it that may be anything."""
    count = draw(st.integers(1, len(NAMES) - 1))
    made = {NAMES[n]: draw(sound(n, count)) for n in range(count)}
    if draw(st.integers(0, 2)) == 0:
        made[draw(st.sampled_from(NAMES[:count]))] = draw(states)
    ask = {"type": "send", "texts": {"en": "Hello"}, "next": "a"}
    params = {"who": "string", "n": "number"}
    return {"name": "made", "start": "ask", "params": params, "states": {"ask": ask, **made, "end": ENDING}}


happenings = st.lists(
    st.sampled_from(
        [
            Happening(reply="yes"), Happening(reply="what?"), Happening(receipt="delivered"), Happening(receipt="undelivered"),
            Happening(checked="approved"), Happening(checked="failed"), Happening(person="fine"), Happening(stop=True),
            Happening(passes_s=61), Happening(passes_s=90_000),
        ]
    ),
    max_size=8,
)  # fmt: skip


def holds(definition: dict[str, Any], happens: list[Happening]) -> str:
    """`refused`, or how the run ended: it must."""
    text = json.dumps(definition, indent=1)
    flow, problems = check(text)
    if flow is None:
        lines = text.count("\n") + 1
        assert problems and all(1 <= p.line <= lines and p.why for p in problems), problems
        return "refused"
    return ran(flow, happens)


def ran(flow: Definition, happens: list[Happening]) -> str:
    trying = Trying(flow, {"who": "Ann", "n": 0}, "en")
    try:
        trying.whole(happens)
    except Error as e:
        assert e.code == "invalid", e  # it had ended before all of it happened
    trying.pass_s(flow.life_s + 1)
    assert trying.run.phase == ENDED and trying.run.outcome, trying.run
    assert drawn(flow).endswith("</svg>")
    return trying.run.outcome


def main() -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=int(sys.argv[1]), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(definitions(), happenings)
    def every(definition: dict[str, Any], happens: list[Happening]) -> None:
        counts[holds(definition, happens)] += 1

    every()
    for outcome, count in counts.most_common():
        print(f"{count:>7} {outcome}")


if __name__ == "__main__":
    main()
