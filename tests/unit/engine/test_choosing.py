"""Which link gets what: order, shares, health and probes, long messages, and another table while messages wait."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from appliance import clock
from appliance.engine.choosing import allot, settle
from appliance.engine.swapping import SLICE_MESSAGES, swap_routes
from appliance.message import BULK, OTP, TRANSACTION, Batch
from appliance.router import CLOSED, HALF_OPEN, OPEN, RouteTable
from appliance.router.health import PAUSE_S_MIN, PROBES
from appliance.settings import Route
from tests.support.engine_alone import Time, World, batch

SYSTEM_ERROR = 0x08


def two_links(tmp_path: Path, *routes: Route, **link: Any) -> tuple[World, World]:
    world = World(tmp_path, ("op", "two"), **link)
    world.ledger.routes = RouteTable(routes or (Route("", ("op", "two")),))
    two = world.other("two")
    world.bind()
    two.bind()
    return world, two


def sent(world: World, status: int = 0) -> list[str]:
    """What arrives on one link, as its texts; each is answered."""
    out = []
    for n, submit in enumerate(world.submits()):
        out.append(submit.short_message.decode("latin-1"))
        world.answer(submit.sequence, f"{world.link.name}{submit.sequence}{n}", status)
    return out


def to(b: Batch, *numbers: str) -> Batch:
    b.to[:] = numbers
    return b


def test_the_first_link_takes_all_and_the_second_when_it_is_gone(tmp_path: Path) -> None:
    world, two = two_links(tmp_path)
    world.accept(batch("a", "b"))
    assert (sent(world), sent(two)) == (["a", "b"], [])
    world.run()
    world.drop()
    world.accept(batch("c"))
    assert sent(two) == ["c"]


def test_a_link_without_room_is_waited_for(tmp_path: Path) -> None:
    world, two = two_links(tmp_path, window=2)
    world.accept(batch("a", "b", "c"))
    assert sent(two) == []
    assert sent(world) == ["a", "b"]
    world.run()
    assert sent(world) == ["c"]


@pytest.mark.parametrize("burst", [1, 3, 10])
def test_shares_hold_over_time(tmp_path: Path, burst: int) -> None:
    shared = Route("", ("op", "two"), balance="weight", weights={"op": 3, "two": 1})
    world, two = two_links(tmp_path, shared)
    count: Counter[str] = Counter()
    for _ in range(120 // burst):
        world.accept(batch(*(["x"] * burst)))
        count["op"] += len(sent(world))
        count["two"] += len(sent(two))
        world.run()
    assert sum(count.values()) == 120 // burst * burst
    assert abs(count["op"] - 90) <= 3


def test_a_share_that_has_no_room_goes_to_the_others_and_a_reserve_waits_for_them(tmp_path: Path) -> None:
    shared = Route("", ("op", "two"), balance="weight", weights={"op": 1, "two": 0})
    world, two = two_links(tmp_path, shared)
    world.accept(batch("a", "b"))
    assert (sent(world), sent(two)) == (["a", "b"], [])
    world.run()
    world.drop()
    world.accept(batch("c"))
    assert sent(two) == ["c"]


def test_what_goes_by_shares_never_starves_what_goes_over_one_of_its_links(tmp_path: Path) -> None:
    routes = (Route("39", ("op", "two"), balance="weight", weights={"op": 1, "two": 1}), Route("44", ("op",)))
    world, two = two_links(tmp_path, *routes, window=4)
    world.accept(batch(*(f"w{n}" for n in range(8))))
    world.accept(to(batch("plain"), "+447700900123"))
    seen: list[str] = []
    for n in range(10):  # more comes for both links than they take
        world.accept(batch(*(f"more {n} {k}" for k in range(20))))
        seen += sent(world)
        sent(two)
        world.run()
    assert seen.index("plain") <= 8, "it waited for what came after it"


def test_a_clock_set_back_does_not_keep_yesterdays_hours(tmp_path: Path, time: Time) -> None:
    open_ = clock.day_of(time.ms) * clock.DAY_MS + 10 * 3_600_000
    time.ms = open_ + 12 * 3_600_000
    world, _ = two_links(tmp_path, Route("", ("op",), hours=("08:00-20:00",)))
    world.accept(batch("a", life_ms=5 * clock.DAY_MS))
    assert sent(world) == []
    time.ms = open_
    world.run()
    assert sent(world) == ["a"]


def test_allotting_never_makes_or_loses_a_segment() -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    for seed in range(200):
        chance = random.Random(seed)
        links: Any = [Named(name) for name in "abc"]
        shares = {link.name: chance.random() + 0.01 for link in links}
        debts: dict[str, float] = {}
        for _ in range(20):
            choice = [(link, chance.randrange(20)) for link in links]
            segments = min(chance.randrange(40), sum(room for _, room in choice))
            out = allot(choice, shares, debts, segments)
            assert sum(n for _, n in out) == segments
            rooms = {link.name: room for link, room in choice}
            assert all(0 <= n <= rooms[link.name] for link, n in out)
            settle(debts, shares, {link.name: n for link, n in out})
            assert abs(sum(debts.values())) < 1e-6 or any(abs(d) == 1_000 for d in debts.values())


def failing(world: World, two: World, time: Time) -> None:
    """The first link answers with errors until it is passed over."""
    for _ in range(10):
        world.accept(batch("x", "y", "z"))
        sent(world, SYSTEM_ERROR)
        sent(two)
        time.pass_(0.11)
        world.run()
        if world.ledger.health.of("op").state == OPEN:
            break
    assert world.ledger.health.of("op").state == OPEN
    for _ in range(30):  # what was put off is sent again
        sent(two)
        time.pass_(1.0 if world.ledger.delayed else 0.11)
        world.run()
        if world.ledger.health.of("op").state != OPEN:
            world.ledger.health.of("op").state = OPEN
        world.ledger.health.of("op").since_s = time.s
        if not world.ledger.delayed and not len(world.ledger.queues):
            return
    raise AssertionError("it does not settle")


def test_a_failing_link_is_passed_over_probed_and_taken_back(tmp_path: Path, time: Time) -> None:
    world, two = two_links(tmp_path)
    failing(world, two, time)
    health = world.ledger.health.of("op")
    sent(two)
    world.run()
    world.accept(batch("away"))
    assert (sent(world), sent(two)) == ([], ["away"])
    time.pass_(PAUSE_S_MIN * 2)
    world.run()
    assert health.state == HALF_OPEN
    world.accept(batch(*(str(n) for n in range(9))))
    assert sent(world) == [str(n) for n in range(PROBES)]  # a few; the others do not wait for them
    assert sent(two) == [str(n) for n in range(PROBES, 9)]
    time.pass_(0.2)
    world.run()
    world.run()
    assert health.state == CLOSED
    world.accept(batch("a", "b"))
    assert sent(world) == ["a", "b"]


def test_a_probe_that_fails_sends_it_away_again(tmp_path: Path, time: Time) -> None:
    world, two = two_links(tmp_path)
    failing(world, two, time)
    sent(two)
    time.pass_(PAUSE_S_MIN * 2)
    world.run()
    world.accept(batch("p"))
    assert sent(world, SYSTEM_ERROR) == ["p"]
    time.pass_(0.2)
    world.run()
    time.pass_(0.2)
    world.run()
    assert world.ledger.health.of("op").state == OPEN
    time.pass_(2)
    world.run()
    assert sent(two) == ["p"]


def test_health_never_stops_traffic_that_has_no_other_way(tmp_path: Path, time: Time) -> None:
    world, two = two_links(tmp_path)
    failing(world, two, time)
    two.drop()
    world.accept(batch("a", "b"))
    assert sent(world) == ["a", "b"]


def test_a_long_message_ends_on_the_link_it_began_with(tmp_path: Path, time: Time) -> None:
    world, two = two_links(tmp_path, window=2)
    world.accept(batch("x" * 400))
    first = world.submits()
    assert len(first) == 2
    world.ledger.health.of("op").state = OPEN  # the choice is another now
    world.ledger.health.of("op").since_s = time.s
    world.accept(batch("short"))
    assert sent(two) == ["short"]
    for n, submit in enumerate(first):
        world.answer(submit.sequence, f"A{n}")
    world.run()
    world.run()
    assert two.submits() == []
    (third,) = world.submits()
    assert third.short_message[:5] == first[0].short_message[:5]  # one reference


def test_the_rest_of_a_long_message_waits_for_its_link(tmp_path: Path) -> None:
    world, two = two_links(tmp_path, window=2)
    world.accept(batch("x" * 400))
    for n, submit in enumerate(world.submits()):
        world.answer(submit.sequence, f"A{n}")
    world.link.submitter.session.window = 0
    world.run()
    world.drop()
    world.run()
    world.run()
    assert two.submits() == []
    world.bind()
    world.run()
    world.run()
    assert len(world.submits()) == 1


def test_within_a_class_a_link_gets_what_waits_as_it_was_accepted(tmp_path: Path) -> None:
    world, _ = two_links(tmp_path, Route("", ("op",)), Route("393", ("op", "two")), window=3)
    numbers = ["+393471234567", "+491711234567"]
    texts = [str(n) for n in range(9)]
    world.accept(to(batch(*texts), *(numbers[n // 2 % 2] for n in range(9))))
    got: list[str] = []
    for _ in range(4):
        got += sent(world)
        world.run()
    assert got == texts
    assert len(world.ledger.queues.by_route) == 2


def test_a_class_never_waits_behind_a_lower_one_in_another_group(tmp_path: Path) -> None:
    world, _ = two_links(tmp_path, Route("", ("op",)), Route("393", ("op", "two")), window=2)
    world.accept(batch("1", "2", "3", class_=BULK))
    world.accept(to(batch("code", class_=OTP), "+491711234567"))
    sent(world)
    world.run()
    assert sent(world) == ["code", "3"]


def test_a_sender_is_put_when_it_leaves_and_the_stored_one_stays(tmp_path: Path) -> None:
    world, _ = two_links(tmp_path, Route("", ("op",), sender_for={"BANK": "CODES"}))
    b = batch("hello", "x" * 200)
    world.accept(b)
    submits = world.submits()
    assert {submit.source for submit in submits} == {"CODES"}
    assert len(submits) == 3
    assert world.found(b.ids[0]).sender == "BANK"


def test_outside_its_hours_a_message_waits(tmp_path: Path, time: Time) -> None:
    time.ms = 1_795_424_400_000  # Monday 09:00 UTC
    world, _ = two_links(tmp_path, Route("", ("op",), hours=("mon 09:30-11:00",)))
    world.accept(batch("hello", now=time.ms))
    assert sent(world) == []
    time.pass_(1_801)
    world.run()
    assert sent(world) == ["hello"]


# --- another table ----------------------------------------------------------------------------------------


def drain(world: World, two: World, got: dict[str, list[str]]) -> None:
    got["op"] += sent(world)
    got["two"] += sent(two)
    world.run()


def test_what_waits_is_grouped_anew_and_nothing_is_lost_or_overtaken(tmp_path: Path) -> None:
    world, two = two_links(tmp_path, window=3)
    got: dict[str, list[str]] = {"op": [], "two": []}
    world.accept(batch(*(str(n) for n in range(20))))
    swap_routes(world.ledger, RouteTable([Route("", ("op",)), Route("393", ("op", "two"))]))
    world.accept(batch(*(str(n) for n in range(20, 30))))
    for _ in range(20):
        drain(world, two, got)
    assert got == {"op": [str(n) for n in range(30)], "two": []}
    assert world.ledger.swap is None
    assert len(world.ledger.queues) == 0


def test_a_new_table_counts_for_what_waits(tmp_path: Path) -> None:
    world, two = two_links(tmp_path, window=2)
    world.accept(batch("1", "2", "3", "4"))
    swap_routes(world.ledger, RouteTable([Route("", ("two",))]))
    got: dict[str, list[str]] = {"op": [], "two": []}
    for _ in range(5):
        drain(world, two, got)
    assert got == {"op": ["1", "2"], "two": ["3", "4"]}


def test_many_are_grouped_a_slice_a_beat(tmp_path: Path) -> None:
    world, _ = two_links(tmp_path, window=1)
    count = SLICE_MESSAGES * 2 + 10
    for _ in range(3):
        world.accept(batch(*(["x"] * (count // 3))))
    world.submits()
    old = next(iter(world.ledger.queues.by_route))
    swap_routes(world.ledger, RouteTable([Route("", ("two", "op"))]))
    swap = world.ledger.swap
    assert swap is not None
    left = swap.left
    world.ledger.routes.group("+39")
    swap.slice(world.ledger)
    assert swap.left == left - SLICE_MESSAGES
    assert old in world.ledger.queues.by_route
    for _ in range(4):
        swap.slice(world.ledger)
    assert old not in world.ledger.queues.by_route


def test_what_no_route_takes_any_more_is_told_so(tmp_path: Path) -> None:
    world, _ = two_links(tmp_path, window=1)
    b = batch("1", "2")
    world.accept(b)
    swap_routes(world.ledger, RouteTable([Route("49", ("op",))]))
    world.run()
    world.run()
    assert world.status(b.ids[1]) == "failed"


def test_chance_swaps_tables_under_traffic(tmp_path: Path) -> None:
    """Tables that all prefer one link and differ in all else: every message leaves once, in the order of acceptance."""
    for seed in range(8):
        chance = random.Random(seed)
        world, two = two_links(tmp_path / str(seed), window=7)
        got: dict[str, list[str]] = {"op": [], "two": []}
        put: dict[int, list[str]] = {TRANSACTION: [], BULK: []}
        n = 0
        for _ in range(40):
            if chance.random() < 0.7:
                class_ = chance.choice((TRANSACTION, BULK))
                texts = [f"{class_}-{k}" for k in range(n, n + chance.randrange(1, 9))]
                n += len(texts)
                put[class_] += texts
                numbers = [f"+39{chance.randrange(300, 399)}1234567" for _ in texts]
                world.accept(to(batch(*texts, class_=class_), *numbers))
            if chance.random() < 0.3:
                prefixes = {"", *(f"39{chance.randrange(300, 399)}" for _ in range(chance.randrange(6)))}
                rows = [
                    Route(p, ("op", *chance.choice(((), ("two",)))), sender=chance.choice(("", "X")))
                    for p in sorted(prefixes)
                ]
                swap_routes(world.ledger, RouteTable(rows))
            drain(world, two, got)
        for _ in range(60):
            drain(world, two, got)
        assert got["two"] == []
        for class_, texts in put.items():
            assert [t for t in got["op"] if t.startswith(f"{class_}-")] == texts
        world.crash()
