"""`casemate bench hostile`: the whole load against an operator that does everything wrong, and a verdict."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from appliance.clock import monotonic_s
from appliance.errors import Error

from .box import Box
from .control import Control
from .judging import GROWTH_MIB_MAX, Attempt, growth_mib, judge, page
from .numbered import Numbered
from .spending import Processes
from .started import folder, operator, own

SETTLE_S_MAX: Final = 120.0  # after the load, for everything under way to end
QUIET_S: Final = 6.0  # nothing became final for so long: what is left will stay
LOOK_S: Final = 0.25
WARM_S: Final = 5.0  # before memory is looked at

#: A link as a bank sets it up for an operator that is known to be bad: a pace, quick to bind again, the rest by default.
#: The operator answers half the pace.
CONFIG: Final = """
[[link]]
name = "hostile"
host = "{host}"
port = {port}
system_id = "bank"
window = {window}
pace = 3000
throttle_recover_s = 5.0
reconnect_s_min = 0.2
reconnect_s_max = 2.0
already_bound_s = 1.0
response_s = 5.0
receipts_s = 30.0

[[route]]
prefix = ""
links = ["hostile"]
"""


class Look:
    """What the engine says, looked at a few times a second; tells the load how much is final."""

    def __init__(self, box: Box, load: Numbered) -> None:
        self._box, self._load = box, load
        self.processes = Processes(int(box.engine.call("ping", {})["pid"]))
        self.rss: list[tuple[float, int]] = []

    def look(self) -> dict[str, Any]:
        state = self._box.state()
        statuses = state["statuses"]
        final = ("delivered", "undelivered", "failed", "expired", "cancelled", "rejected", "indeterminate")
        self._load.final = sum(int(statuses.get(name, 0)) for name in final)
        return state

    def weigh(self) -> None:
        rss = self.processes.spent().rss
        self.rss.append((monotonic_s(), sum(octets for name, octets in rss.items() if name.startswith("engine"))))


def run(where: Path, seconds: float, lanes: int, per_call: int, in_flight_max: int, window: int) -> dict[str, Any]:
    """The whole run in the folder; the report."""
    journal, attempts = where / "journal", where / "attempts"
    with operator(where, journal=journal, attempts=attempts, seed=1) as (smpp, control_address):
        control = Control(control_address)
        calm = control.ask("GET", "/behaviour")
        host, _, port = smpp.rpartition(":")
        with own(where, CONFIG.format(host=host, port=port, window=window)) as box:
            load = Numbered(box.api, box.key, lanes, per_call, in_flight_max)
            look = Look(box, load)
            control.ask("POST", "/behaviour", {"preset": "hostile"})
            began = monotonic_s()
            _drive(load, look, seconds)
            took = monotonic_s() - began
            control.ask("POST", "/behaviour", calm)
            _settle(look)
            counters = control.ask("GET", "/counters")
            ids = {each.id for each in load.sent.values()}
            statuses = {each["id"]: each["status"] for each in _messages(box) if each["id"] in ids}
            verdict = judge(
                load.sent,
                statuses,
                _digests(journal),
                _attempts(attempts),
                lambda message_id: "indeterminate" in json.dumps(_get(box, f"/v1/messages/{message_id}")),
            )
    growth = growth_mib(look.rss)
    faults = list(verdict.faults)
    if growth > GROWTH_MIB_MAX:
        faults.append(f"the engine's memory grows by {growth:.1f} MiB a minute")
    if not load.accepted:
        faults.append("nothing was accepted at all")
    return {
        "seconds": took,
        "per_second": load.accepted / took,
        "counts": verdict.counts,
        "operator": counters,
        "refusals": dict(load.refusals),
        "engine_rss_mib": {"start": look.rss[0][1] / 2**20, "end": look.rss[-1][1] / 2**20, "growth": growth},
        "faults": faults,
    }


def _drive(load: Numbered, look: Look, seconds: float) -> None:
    pause = threading.Event()
    began = monotonic_s()
    load.start()
    try:
        weighed = began + min(WARM_S, seconds / 4)
        while (now := monotonic_s()) < began + seconds:
            look.look()
            if now >= weighed:
                look.weigh()
                weighed += 1
            pause.wait(LOOK_S)
    finally:
        load.stop()
    look.weigh()


def _settle(look: Look) -> None:
    """Until nothing is queued or under way and nothing changes, at most SETTLE_S_MAX."""
    pause = threading.Event()
    until = monotonic_s() + SETTLE_S_MAX
    before: dict[str, Any] = {}
    since = monotonic_s()
    while monotonic_s() < until:
        state = look.look()
        seen = {"queues": state["queues"], "statuses": state["statuses"]}
        if seen != before:
            before, since = seen, monotonic_s()
        elif monotonic_s() - since > QUIET_S and not sum(state["queues"].values()):
            return
        pause.wait(LOOK_S)


def _get(box: Box, path: str) -> Any:
    parts = urlsplit(box.api)
    wire = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    try:
        wire.request("GET", path, headers={"authorization": f"Bearer {box.key}"})
        answer = wire.getresponse()
        octets = answer.read()
        if answer.status != 200:
            raise Error("peer_unavailable", f"the API answers {answer.status}")
        return json.loads(octets)
    finally:
        wire.close()


def _messages(box: Box) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        told = _get(box, "/v1/messages?limit=200" + (f"&cursor={cursor}" if cursor else ""))
        yield from told["messages"]
        cursor = told["next"]
        if not cursor:
            return


def _digests(path: Path) -> Iterator[bytes]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield bytes.fromhex(line.split("\t")[3])


def _attempts(path: Path) -> Iterator[Attempt]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            status, connection, digest, at_ms = line.split("\t")
            yield Attempt(int(status), int(connection), bytes.fromhex(digest), int(float(at_ms)))


@click.command("hostile")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(2, 7_200), help="how long to load it")
@click.option("--lanes", default=4, show_default=True, type=click.IntRange(1, 9), help="calls under way at once")
@click.option(
    "--rate-batch", "per_call", default=50, show_default=True, type=click.IntRange(1, 1_000), help="messages in a call"
)
@click.option(
    "--in-flight",
    "in_flight_max",
    default=10_000,
    show_default=True,
    type=click.IntRange(100, 1_000_000),
    help="most messages accepted and not final",
)
@click.option("--window", default=200, show_default=True, type=click.IntRange(1, 10_000), help="window of the link")
@click.option("--keep", is_flag=True, help="leave the folder with its logs, journal and store")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="also write the figures to this file"
)
@click.pass_context
def hostile(
    ctx: click.Context,
    seconds: float,
    lanes: int,
    per_call: int,
    in_flight_max: int,
    window: int,
    keep: bool,
    json_file: Path | None,
) -> None:
    """Load the appliance as fast as it goes against an operator that throttles, drops, lies and sleeps.

    Judged by what the operator wrote down: nothing accepted may be lost, nothing may arrive twice unless its events say
    indeterminate, the order within a class is kept, nothing is tried again within a second, memory stays bounded.
    Exits with 1 when one of these is violated.
    """
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(folder(keep))
        click.echo(f"{seconds:.0f} s against a hostile operator{f', in {where}' if keep else ''} ...", err=True)
        told = run(where, seconds, lanes, per_call, in_flight_max, window)
    click.echo(page(told))
    if json_file is not None:
        json_file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    ctx.exit(1 if told["faults"] else 0)
