"""A runner's world in memory: a book on disk, hands that keep what they did by key, a clock that a test moves; and a crash at any moment."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from appliance.errors import Error
from appliance.flows import (
    Book,
    Definition,
    Happening,
    Heard,
    Kept,
    Order,
    Outcome,
    Row,
    begun,
    save,
    sealed,
    started_with,
)
from appliance.flows.orders import refused
from appliance.flows.sealed import opened
from appliance.flows.states import ENDED, Run
from appliance.flows.turn import Code, Given, Turned, Turning
from appliance.flows.turn import Outcome as Done
from tests.support.fake_engine import FakeKey, fake_blind_indexer

NUMBER = "+393331234567"
AT = 1_790_000_000_000
INDEX = fake_blind_indexer(bytes(32))
__all__ = ["AT", "NUMBER", "Crash", "Error", "Outcome", "World", "refused"]


class Crash(Exception):
    """The process is gone."""


class World:
    """`crash_at`: the how-manieth moment at which the process is lost; each commit and each hand-over has one before and one after."""

    def __init__(self, folder: Path, text: str, crash_at: int = 0) -> None:
        self.path, self.crash_at, self.moments = folder / "flows.db", crash_at, 0
        self.key = FakeKey(1)
        self.at_ms = AT
        self.done: dict[bytes, str] = {}  # key -> what: as engine, verifications and courier know it
        self.times: list[bytes] = []  # each hand-over, repetitions too
        self.codes: list[Code] = []
        self.outcomes: list[Done] = []
        self.refuse: list[str] = []
        self.flow = msgspec.json.decode(text.encode(), type=Definition)
        self.book = Book(self.path)
        self.book.conn.execute("PRAGMA synchronous=OFF")  # the process is lost here, not the power
        self.version = self.book.act(lambda b: save(b.conn, self.flow.name, text, "test", AT)).version
        self.turning = Turning()
        self.ends: dict[int, int] = {}

    def again(self, crash_at: int) -> None:
        """As new, over the same file."""
        self.crash_at, self.moments, self.at_ms = crash_at, 0, AT
        self.done, self.times, self.codes, self.outcomes, self.ends = {}, [], [], [], {}
        for table in ("run", "trace", "inbox", "seen"):
            self.book.conn.execute(f"DELETE FROM {table}")  # our own names

    def start(self, params: dict[str, Any], locale: str = "", number: str = NUMBER, run: bytes = b"\1" * 16) -> bytes:
        kept = Kept(number, locale, started_with(self.flow, params), None, "https://bank.example/x")
        row = Row(
            run, self.flow.name, self.version, 1, "anna", INDEX(number), 1, sealed(self.key, run, kept), begun(self.flow, self.at_ms),
            self.at_ms, self.at_ms,
        )  # fmt: skip
        self.book.act(lambda b: b.begin(row, None))
        return run

    def moment(self) -> None:
        self.moments += 1
        if self.moments == self.crash_at:
            raise Crash

    def machine(self, run: bytes = b"\1" * 16) -> Run:
        found: Run = self.book.one(run).machine
        return found

    def turn(self) -> Turned:
        self.moment()
        outcomes, codes = self.outcomes, self.codes
        given = Given(self.at_ms, {1: self.key}, INDEX, outcomes, codes)
        turned = self.turning.turn(self.book, given)
        self.outcomes = turned.again
        self.moment()
        self.codes = [code for code in codes if code.token not in turned.codes]
        return turned

    def settle(self) -> None:
        """Turns and hand-overs until nothing is to be done."""
        for _ in range(500):
            turned = self.turn()
            rows = self.book.undone(100)
            if not rows and not turned.steps and not self.outcomes:
                return
            for row in rows:
                self.hand_over(row)
        raise AssertionError("it does not come to rest")

    def hand_over(self, row: Row) -> None:
        """As the hands of a gateway: what was done under a key before is not done again."""
        state: Any = self.flow.states[row.machine.state]
        order = Order(row, self.flow, opened(self.key, row.id, row.sealed), state)
        what = row.machine.phase
        if self.refuse and what != "telling":
            heard = refused(order, Error(self.refuse.pop(0), "no"), self.at_ms)
            assert heard is not None
            self.outcomes.append(Done(row.id, order.step, heard))
            return
        self.moment()
        self.times.append(order.key)
        self.done.setdefault(order.key, f"{row.machine.state}")
        self.moment()
        if what == "telling":
            self.outcomes.append(Done(row.id, order.step, None))
            source = b"w" + row.id + bytes((order.step,))
            told = Heard("told", step=order.step)
            self.book.act(lambda b: b.bring(source, row.id, told, self.at_ms))
        else:
            verification = f"code-{order.step}" if what == "coding" else ""
            verification = row.machine.verification or verification
            self.outcomes.append(Done(row.id, order.step, Heard("taken", verification, f"m-{order.step}", order.step)))

    def after_crash(self) -> None:
        """Another process over the same file: what was only in memory is gone, what was not committed never was."""
        self.book.clock_set(self.at_ms)
        self.turning = Turning()
        self.outcomes = []

    def happen(self, each: Happening, run: bytes, n: int) -> None:
        """One happening of a definition's test, as courier, engine or people would bring it; the same `n` again is the same."""
        machine = self.machine(run)
        state: Any = self.flow.states[machine.state]
        sent = machine.sent.get(getattr(state, "of", None) or machine.state)
        mark = bytes((n,))
        if each.passes_s is not None:
            end_ms = self.ends.setdefault(n, self.at_ms + each.passes_s * 1000)
            self.settle()
            while self.machine(run).phase != ENDED:
                due = self.book.due(end_ms, 10)
                if not due:
                    break
                from appliance.flows.states import next_ms

                self.at_ms = max(self.at_ms, next_ms(self.machine(run)))
                self.settle()
            self.at_ms = end_ms
        elif each.reply is not None or each.stop:
            self.write(each.reply if each.reply is not None else "STOP", n)
        elif each.receipt is not None:
            step = sent.step if sent is not None else 0
            heard = Heard(each.receipt, message=f"m-{step}", step=step)
            self.book.act(lambda b: b.bring(b"s" + run + mark, run, heard, self.at_ms))
        elif each.checked is not None:
            self.codes.append(Code(run, Heard(each.checked, message=machine.verification), mark))
        elif each.person is not None:
            answered = Heard("answered", each.person)
            self.book.act(lambda b: b.bring(b"a" + run + mark, run, answered, self.at_ms))

    def write(self, text: str, n: int, number: str = NUMBER, at_ms: int | None = None) -> None:
        message = bytes((n,)) * 16
        content = msgspec.msgpack.encode({"text": text, "parts": 1, "missing": []})
        blobs = self.key.seal(number.encode(), b"n" + message), self.key.seal(content, b"h" + message)
        when = self.at_ms if at_ms is None else at_ms
        self.book.act(lambda b: b.bring_reply(message, when, 1, *blobs, "40404"))


def run_loop(what: Any) -> Any:
    return asyncio.run(what)
