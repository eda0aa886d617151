"""`casemate bench flows`: many runs of workflows open at once on disk, and how many steps a second the runner's turns take with them.

Messages and webhooks are taken at once by stand-ins: what is measured is the runner, its store with `synchronous=FULL`, and the sealing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import psutil

from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error
from appliance.flows import (
    Book,
    Definition,
    Given,
    Heard,
    Kept,
    Row,
    StepOutcome,
    Turning,
    begun,
    save,
    sealed,
    shipped,
    started_with,
)
from appliance.keys import DataKey, blind_indexer
from appliance.message import new_ids

from .started import folder

GOAL_PER_S: Final = 2_000
AT_ONCE: Final = 500
WORKFLOW: Final = "fraud-alert"
PARAMS: Final[dict[str, Any]] = {"merchant": "Rossi S.r.l.", "amount": {"amount": "940.00", "currency": "EUR"}}


class Runs:
    """One book with its runs."""

    def __init__(self, where: Path) -> None:
        self.path = where / "flows.db"
        self.book, self.turning = Book(self.path), Turning()
        self.key, self.index = DataKey(1, os.urandom(32)), blind_indexer(os.urandom(32))
        text = shipped()[WORKFLOW]
        self.flow = msgspec.json.decode(text.encode(), type=Definition)
        self.version = self.book.act(lambda b: save(b.conn, WORKFLOW, text, "bench", now_ms())).version
        self.outcomes: list[StepOutcome] = []
        self.steps = 0

    def start(self, count: int) -> None:
        for first in range(0, count, AT_ONCE):
            at_ms = now_ms()
            rows = [
                self._row(first + n, run, at_ms) for n, run in enumerate(new_ids(min(AT_ONCE, count - first), at_ms))
            ]
            self.book.act(lambda b, rows=rows: [b.begin(row, None) for row in rows])  # type: ignore[misc]

    def _row(self, n: int, run: bytes, at_ms: int) -> Row:
        number = f"+3933{n:08}"
        blob = sealed(
            self.key, run, Kept(number, "it", started_with(self.flow, PARAMS), None, "https://bank.example/x")
        )
        machine = begun(self.flow, at_ms)
        return Row(run, WORKFLOW, self.version, 1, "bench", self.index(number), 1, blob, machine, at_ms, at_ms)

    def turn(self) -> int:
        """One turn of the runner's; the steps in it."""
        outcomes, self.outcomes = self.outcomes, []
        given = Given(now_ms(), {1: self.key}, self.index, outcomes[:AT_ONCE], [])
        turned = self.turning.turn(self.book, given)
        self.outcomes = turned.again + outcomes[AT_ONCE:]
        return turned.steps

    def settle(self) -> int:
        """Turns until everybody waits for somebody outside; the steps in all of them."""
        steps = 0
        while True:
            done = self.turn()
            steps += done
            if not self.outcomes:
                for row in self.book.undone(AT_ONCE):
                    m = row.machine
                    heard = Heard("told" if m.phase == "telling" else "taken", message=f"m{m.step}", step=m.step)
                    self.outcomes.append(StepOutcome(row.id, m.step, heard))
            if not done and not self.outcomes:
                return steps

    def answer(self, count: int) -> None:
        """So many customers write YES."""
        rows = self.book.latest(None, count)
        content = msgspec.msgpack.encode({"text": "sì", "parts": 1, "missing": []})
        for first in range(0, len(rows), AT_ONCE):
            acts = []
            for row in rows[first : first + AT_ONCE]:
                number = msgspec.msgpack.decode(self.key.open(row.sealed, b"f" + row.id))[0]
                blobs = self.key.seal(number.encode(), b"n" + row.id), self.key.seal(content, b"h" + row.id)
                acts.append(
                    lambda b, i=row.id, n=blobs[0], c=blobs[1]: b.bring_reply(i, now_ms() + 1_000, 1, n, c, "40404")
                )
            self.book.together(acts)


def measured(where: Path, opened: int, answered: int) -> dict[str, Any]:
    runs = Runs(where)
    began_s = monotonic_s()
    runs.start(opened)
    started_s, used = monotonic_s(), psutil.Process().cpu_times()
    first = runs.settle()
    asked_s = monotonic_s()
    waiting = runs.book.standing().get("reply", 0)
    runs.answer(answered)
    brought_s = monotonic_s()
    second = runs.settle()
    ended_s, after = monotonic_s(), psutil.Process().cpu_times()
    cpu_s = after.user + after.system - used.user - used.system
    confirmed = runs.book.tallies().get((WORKFLOW, "confirmed"), 0)
    size = sum(p.stat().st_size for p in where.glob("flows.db*"))
    runs.book.close()
    return {
        "open": waiting,
        "begun_per_s": round(opened / (started_s - began_s)),
        "steps_to_open": first,
        "steps_per_s": round(first / (asked_s - started_s)),
        "answered": confirmed,
        "steps_of_answers": second,
        "answered_steps_per_s": round(second / (ended_s - brought_s)),
        "cpu_us_a_step": round(cpu_s * 1_000_000 / max(1, first + second)),
        "rss_mib": psutil.Process().memory_info().rss >> 20,
        "store_mib": size >> 20,
    }


@click.command("flows")
@click.option(
    "--open", "opened", default=100_000, show_default=True, type=click.IntRange(1, 10_000_000), help="runs open at once"
)
@click.option(
    "--answered",
    default=10_000,
    show_default=True,
    type=click.IntRange(0, 10_000_000),
    help="of these are answered to their end",
)
@click.option("--json", "as_json", is_flag=True, help="for programs")
def flows(opened: int, answered: int, as_json: bool) -> None:
    """Open many runs of the card fraud alert, answer some: steps a second, memory, size of the store."""
    with folder() as where:
        told = measured(where, opened, min(opened, answered))
    if as_json:
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(f"{told['open']:>10,} runs open at once, each waits for its customer")
        click.echo(f"{told['begun_per_s']:>10,} begun a second")
        click.echo(
            f"{told['steps_per_s']:>10,} steps a second, {told['steps_to_open']:,} until all had asked (wanted: {GOAL_PER_S:,})"
        )
        click.echo(
            f"{told['answered_steps_per_s']:>10,} steps a second, {told['steps_of_answers']:,} until {told['answered']:,} were over"
        )
        click.echo(f"{told['cpu_us_a_step']:>10,} us of processor time a step, the customers' writing with it")
        click.echo(f"{told['rss_mib']:>10,} MiB of memory, {told['store_mib']:,} MiB on disk")
    if told["open"] != opened or told["answered"] != min(opened, answered):
        raise Error("internal", "not every run came where it should have")
