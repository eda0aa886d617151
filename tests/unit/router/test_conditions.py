"""The compiled table against one that asks every row of every message, one after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.message import CLASSES
from appliance.router import Numbers, RouteTable
from appliance.settings import Hours, Operator, Route

MONDAY_9 = 1_795_424_400_000  # 2026-11-23 09:00 UTC
OPERATORS = (Operator("tim", ("393", "3912")), Operator("vf", ("391",)))
NUMBERS = Numbers(OPERATORS)
TIMES = (MONDAY_9, MONDAY_9 + 12 * 3_600_000, MONDAY_9 + 5 * 86_400_000)

prefixes = st.sampled_from(["", "3", "39", "391", "3912", "393", "4", "49", "3912345"])
routes = st.builds(
    Route,
    prefixes,
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True).map(tuple),
    operator=st.sampled_from(["", "", "tim", "vf"]),
    classes=st.lists(st.sampled_from(CLASSES), max_size=2, unique=True).map(tuple),
    senders=st.lists(st.sampled_from(["BANK", "CARD"]), max_size=2, unique=True).map(tuple),
    hours=st.sampled_from([(), (), ("mon-fri 08:00-20:00",), ("sat 00:00-24:00",)]),
    sender=st.sampled_from(["", "OTHER"]),
    enabled=st.booleans(),
)
messages = st.tuples(
    st.sampled_from(["+3912345", "+391234567", "+39399", "+4912", "+39", "+3", "+5512", "+39312"]),
    st.sampled_from(range(4)),
    st.sampled_from(["", "BANK", "CARD", "ELSE"]),
    st.sampled_from(TIMES),
)


def naive(rows: list[Route], to: str, class_: int, sender: str, at_ms: int) -> Route | None:
    """Longest prefix, then operator before sender before class before hours, then the order of the file."""
    best: tuple[tuple[int, bool, bool, bool, bool, int], Route] | None = None
    for n, row in enumerate(rows):
        fits = (
            row.enabled
            and to[1:].startswith(row.prefix)
            and (not row.operator or NUMBERS.operator(to) == row.operator)
            and (not row.classes or CLASSES[class_] in row.classes)
            and (not row.senders or sender in row.senders)
            and (not row.hours or Hours.read(row.hours, row.timezone).open(at_ms))
        )
        rank = (len(row.prefix), bool(row.operator), bool(row.senders), bool(row.classes), bool(row.hours), -n)
        if fits and (best is None or rank > best[0]):
            best = rank, row
    return best[1] if best else None


@given(st.lists(routes, max_size=8), st.lists(messages, min_size=1, max_size=8))
def test_it_decides_as_one_that_asks_every_row(rows: list[Route], asked: list[tuple[str, int, str, int]]) -> None:
    table = RouteTable(rows, NUMBERS)
    for to, class_, sender, at_ms in asked:
        expected = naive(rows, to, class_, sender, at_ms)
        group = table.group(to, class_, sender)
        way = group.way_at(at_ms)
        assert (way.links if way else ()) == (expected.links if expected else ())
        if expected is not None:
            assert way is not None
            assert way.put(sender, CLASSES[class_]) == (expected.sender or sender)
        assert group is table.group(to, class_, sender)  # one queue
        ever = any(naive(rows, to, class_, sender, t) for t in TIMES)
        assert table.serves(to, class_, sender) >= ever


@given(st.lists(routes, max_size=8), messages)
def test_what_it_explains_is_what_it_does(rows: list[Route], asked: tuple[str, int, str, int]) -> None:
    from appliance.router import explain

    table = RouteTable(rows, NUMBERS)
    to, class_, sender, at_ms = asked
    found = explain(table, to, class_, sender, at_ms)
    way = table.group(to, class_, sender).way_at(at_ms)
    assert found.links == list(way.links if way else ())
    assert to[1:] not in " ".join(step.why + step.rule for step in found.steps if step.rule.startswith("link"))
    assert found.steps


def test_rows_that_say_the_same_share_a_queue_and_others_do_not() -> None:
    table = RouteTable(
        [Route("39", ("a", "b"), name="x"), Route("49", ("a", "b"), name="y"), Route("33", ("a", "b"), sender="Z")]
    )
    assert table.group("+391") is table.group("+491")
    assert table.group("+331") is not table.group("+391")
    assert RouteTable([Route("39", ("a", "b"))]).group("+391") is not table.group("+391")  # another table, other queues


def test_a_group_waits_outside_its_hours_and_goes_on_within_them() -> None:
    group = RouteTable([Route("", ("a",), hours=("mon 08:00-10:00",))]).group("+391")
    assert group.way(MONDAY_9 - 3_600_000 - 1) is None
    found = group.way(MONDAY_9 - 3_600_000)
    assert found is not None
    assert found.links == ("a",)
    assert group.way(MONDAY_9 + 3_600_000) is None
    assert not group.nowhere


def test_cheapest_first_and_reserves_last() -> None:
    cost = Route("", ("a", "b", "c"), balance="cost", costs={"a": 3.0, "b": 1.0, "c": 1.0})
    assert RouteTable([cost]).links("+391") == ("b", "c", "a")
    weight = Route("", ("a", "b", "c"), balance="weight", weights={"a": 0, "b": 1, "c": 3})
    way = RouteTable([weight]).group("+391").way_at(0)
    assert way is not None
    assert way.links == ("b", "c", "a")
    assert way.shares == {"b": 0.25, "c": 0.75}


def test_senders_are_rewritten_by_name_then_class_then_all() -> None:
    row = Route("", ("a",), sender="ALL", sender_for={"BANK": "NAMED", "otp": "CODES"})
    group = RouteTable([row]).group("+391")
    assert group.rewrites
    assert [group.sender(s, c, 0) for s, c in (("BANK", "otp"), ("CARD", "otp"), ("CARD", "bulk"))] == [
        "NAMED",
        "CODES",
        "ALL",
    ]
    assert not RouteTable([Route("", ("a",))]).group("+391").rewrites


def test_a_piece_at_a_time_makes_the_same_table() -> None:
    rows = [Route(str(n), ("a" if n % 2 else "b",)) for n in range(1_000, 3_000)]
    steps = RouteTable.compile(rows)
    pieces = 0
    try:
        while True:
            next(steps)
            pieces += 1
    except StopIteration as e:
        table = e.value
    assert pieces > 10
    assert len(table) == 2_000
    assert all(table.links(f"+{row.prefix}99") == row.links for row in rows)
    for _ in table.dissolve():
        pass
    assert table.rows() == []
