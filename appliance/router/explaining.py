"""Why this link: every row that was asked, what it said, and what becomes of each link. For people; it never says the number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from appliance.message import CLASSES

from .group import Way
from .table import RouteTable, Row


class Step(msgspec.Struct):
    """One rule that was asked: what it is, whether it fitted, and why."""

    rule: str
    matched: bool
    why: str


class Explained(msgspec.Struct):
    """`links` in the order in which they are tried at that time; empty when nothing takes the message then."""

    links: list[str]
    steps: list[Step]
    sender: str | None = None  # what leaves instead of the sender given; None: that very one


def explain(
    table: RouteTable,
    to: str,
    class_: int,
    sender: str,
    at_ms: int,
    states: Mapping[str, Mapping[str, Any]] | None = None,
) -> Explained:
    """The way of a message of number, class and sender at a time; `states` are the engine's links by name, when it answers."""
    steps: list[Step] = []
    chain = table.chain(to)
    operator = ""
    if any(row.operator for row in chain):
        told = table.numbers.told(to) if table.numbers is not None else None
        operator = told.operator if told is not None else ""
        rule = told.rule if told is not None else "of no known operator"
        steps.append(Step("operator", bool(operator), f"a number of {operator}: {rule}" if operator else rule))
    taken: Row | None = None
    for row in chain:
        why = why_not(row, class_, sender, operator, at_ms)
        steps.append(Step(f"route {row.route.shown}", not why, why or why_fits(row)))
        if not why:
            taken = row
            break
    if taken is None:
        served = table.serves(to, class_, sender)
        said = "a route takes it at other hours: it waits" if served else "no route takes it"
        steps.append(Step("table", False, said))
        return Explained([], steps)
    steps += _links(taken.way, states)
    put = taken.way.put(sender, CLASSES[class_])
    if put != sender:
        steps.append(Step("sender", True, f"leaves as {put}"))
    return Explained(list(taken.way.links), steps, put if put != sender else None)


def why_not(row: Row, class_: int, sender: str, operator: str, at_ms: int) -> str:
    """Empty when the row takes it."""
    route = row.route
    if row.operator and operator != row.operator:
        return f"only for {row.operator}"
    if row.senders and sender not in row.senders:
        return f"only from {', '.join(route.senders)}"
    if row.classes and class_ not in row.classes:
        return f"only for class {', '.join(route.classes)}"
    if row.way.hours is not None and not row.way.hours.open(at_ms):
        return f"only at {', '.join(route.hours)} ({route.timezone})"
    return ""


def why_fits(row: Row) -> str:
    route = row.route
    said = [f"prefix {route.prefix}" if route.prefix else "every number"]
    said += [f"operator {route.operator}"] if route.operator else []
    said += ["its sender"] if route.senders else []
    said += ["its class"] if route.classes else []
    said += ["its hours"] if route.hours else []
    return "the longest prefix and most specific row that fits: " + ", ".join(said)


def _links(way: Way, states: Mapping[str, Mapping[str, Any]] | None) -> list[Step]:
    """A step a link. The first that is well takes it; under weights each takes its share."""
    steps = []
    taken = False
    for n, name in enumerate(way.links):
        bad = _unwell((states or {}).get(name)) if states is not None else ""
        if way.shares is not None:
            share = way.shares.get(name)
            place = f"share {share:.0%}" if share else "a reserve, when no other is well"
        else:
            place = "first in order" if n == 0 else f"number {n + 1} in order"
        takes = not bad and (way.shares is not None or not taken)
        taken = taken or takes
        steps.append(Step(f"link {name}", takes, bad or place))
    return steps


def _unwell(state: Mapping[str, Any] | None) -> str:
    if state is None:
        return "not a link of the engine"
    if state.get("drained"):
        return "drained by a person"
    if state.get("state") != "up":
        return str(state.get("state", "down"))
    health = state.get("health") or {}
    if health.get("state") == "open":
        return f"passed over: its health is {health.get('score')}"
    return ""
