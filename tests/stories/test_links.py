"""One link to an operator with two addresses, over real sockets: several binds, an address that dies, "too fast", maintenance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.appliance import Appliance, wait_for
from tests.support.operator_process import Control, simulated_operator

pytestmark = pytest.mark.stories

CONFIG = """
[engine]
indeterminate_bulk = "resend"

[[link]]
name = "op"
host = "127.0.0.1"
port = {first}
more_hosts = ["127.0.0.1:{second}"]
binds = 2
window = 50
reconnect_s_min = 0.2
reconnect_s_max = 1.0

[[route]]
links = ["op"]
"""


@pytest.fixture(scope="module")
def operators() -> Iterator[tuple[Control, Control]]:
    with simulated_operator() as first, simulated_operator() as second:
        yield first, second


@pytest.fixture(scope="module")
def box(operators: tuple[Control, Control]) -> Iterator[Appliance]:
    first, second = operators
    with Appliance(CONFIG.format(first=first.port, second=second.port)) as box:
        wait_for("four binds", lambda: bound(box) == 4)
        yield box


def link(box: Appliance) -> dict[str, Any]:
    (told,) = [each for each in box.state()["links"] if each["name"] == "op"]
    return told


def bound(box: Appliance) -> int:
    return sum(bind["state"] == "bound" for bind in link(box)["binds"])


def send(box: Appliance, count: int) -> list[str]:
    messages = [{"to": f"+3933300{n:05}", "text": f"n. {n}", "class": "bulk"} for n in range(count)]
    answer = box.api.post("/v1/messages/batch", json={"messages": messages})
    assert answer.status_code == 202, answer.text
    return [each["id"] for each in answer.json()["accepted"]]


def test_traffic_goes_over_both_addresses_and_survives_one(box: Appliance, operators: tuple[Control, Control]) -> None:
    first, second = operators
    send(box, 400)
    assert set(box.settled().values()) == {"delivered"}
    before = [operator.counters()["submits"] for operator in operators]
    assert all(n >= 50 for n in before) and sum(before) == 400
    first.behave(drop_rate=1.0)  # every submit ends its connection
    ids = send(box, 50)
    wait_for("the other address alone", lambda: second.counters()["submits"] - before[1] >= 25, 30)
    assert link(box)["state"] == "up"
    first.behave(drop_rate=0.0)
    assert set(box.settled().values()) == {"delivered"}
    assert len(ids) == 50
    wait_for("four binds again", lambda: bound(box) == 4, 30)


def test_too_fast_slows_the_link_down_and_loses_nothing(box: Appliance, operators: tuple[Control, Control]) -> None:
    for operator in operators:
        operator.behave(throttle_above=40)
    send(box, 300)
    wait_for("a throttled answer", lambda: link(box)["throttled"] > 0)
    assert 0 < link(box)["pace_now"] < 1_000
    assert set(box.settled(90).values()) == {"delivered"}
    for operator in operators:
        operator.behave(throttle_above=0)
    text = box.api.get("/metrics").text
    assert 'casemate_link_binds{link="op"} 4.0' in text and 'casemate_link_throttled_total{link="op"}' in text


def test_a_drained_link_stays_so_over_a_restart_until_somebody_resumes_it(box: Appliance) -> None:
    told = box.ask("engine-0", "drain", {"link": "op", "on": True, "who": "cli:test"})
    assert told["drained"] is True
    done = {("drained", "unbound")}
    wait_for("no bind", lambda: {(bind["state"], bind["last_error"]) for bind in link(box)["binds"]} == done)
    assert link(box)["state"] == "drained"
    (waiting,) = send(box, 1)
    assert box.stop() == 0
    box.start()
    assert link(box)["state"] == "drained" and box.message(waiting)["status"] == "queued"
    box.ask("engine-0", "drain", {"link": "op", "on": False, "who": "cli:test"})
    box.until(waiting, "delivered")
    assert bound(box) >= 1 and link(box)["state"] == "up"
