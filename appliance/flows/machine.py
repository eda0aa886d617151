"""The machine: definition, run and what was heard -> the run's new state and what is to be done. A table decides; times are passed in. Pure.

A run waits in one state for one of a few things. What is to be done outside (a message, a code, a webhook) is an effect: the run
waits for its outcome, so that each has the number of a step, and a repeated hand-over after a crash is the same one.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from appliance.limits import FLOW_STEPS_MAX

from .definition import Branch, Case, Definition, End, Send, Set, Verify, Wait, Webhook
from .hearing import heard_as
from .states import (
    ANSWERED,
    APPROVED,
    CODE,
    CODING,
    DELIVERED,
    EFFECTS,
    ENDED,
    EXPIRED,
    FAILED,
    LATE,
    LEFT_ALONE,
    NOT_TAKEN,
    OVERDUE,
    PERSON,
    RECEIPT,
    REFUSED,
    REPLIED,
    REPLY,
    SENDING,
    STOPPED,
    TABLE,
    TAKEN,
    TELLING,
    TIME,
    TOLD,
    TRAVELLING,
    UNDELIVERED,
    UNTOLD,
    Advanced,
    Heard,
    Run,
    Sent,
    Trace,
    ended,
)


def advance(flow: Definition, run: Run, variables: dict[str, Any], heard: Heard, locale: str, at_ms: int) -> Advanced:
    """One step. The same run again, and no trace, when nothing came of it."""
    return _Step(flow, run, variables, locale, at_ms).take(heard)


class _Step:
    def __init__(self, flow: Definition, run: Run, variables: dict[str, Any], locale: str, at_ms: int) -> None:
        self.flow, self.run, self.locale, self.at_ms = flow, run, locale, at_ms
        self.variables = variables
        self.effect = ""
        self.traces: list[Trace] = []

    def take(self, heard: Heard) -> Advanced:
        run = self.run
        if run.phase != ENDED and self.at_ms >= run.ends_ms:
            self.end(OVERDUE, heard.what)
            return self.result()
        if heard.what in (DELIVERED, UNDELIVERED) and not self.received(heard):
            return self.result()
        if heard.what in (APPROVED, FAILED, EXPIRED) and heard.message != run.verification:
            return self.result()  # of a code before this one
        if run.phase in EFFECTS and heard.what in (TAKEN, REFUSED, TOLD, UNTOLD) and heard.step != run.step:
            return self.result()  # the outcome of something else
        move = TABLE.get((run.phase, heard.what))
        if move is None:
            return self.result()
        if move.startswith(">"):
            self.leave(move[1:], heard.what)
        else:
            _MOVES[move](self, heard)
        return self.result()

    def result(self) -> Advanced:
        return Advanced(self.run, self.variables, self.effect, tuple(self.traces))

    def put(self, **changes: Any) -> None:
        self.run = msgspec.structs.replace(self.run, **changes)

    def note(self, heard: str, to: str) -> None:
        self.traces.append(Trace(self.run.step, self.run.state, heard, to))

    # --- moves --------------------------------------------------------------------------------------------

    def begin(self, heard: Heard) -> None:
        self.note(heard.what, self.run.state)
        self.enter(self.run.state)

    def received(self, heard: Heard) -> bool:
        """Keeps what became of a message; whether this is new and of the message that is waited for."""
        run = self.run
        for name, sent in run.sent.items():
            if sent.step == heard.step and sent.status != heard.what:
                self.put(sent=run.sent | {name: Sent(sent.step, heard.message, heard.what)})
                state = self.flow.states[run.state]
                return name == (state.of if isinstance(state, Wait) else run.state)
        return False

    def handed(self, heard: Heard) -> None:
        run, state = self.run, self.flow.states[self.run.state]
        assert isinstance(state, Send | Verify)
        known = run.sent.get(run.state, Sent(run.step))
        status = known.status if known.step == run.step else ""  # its receipt came before this outcome
        self.put(sent=run.sent | {run.state: Sent(run.step, heard.message, status)})
        more = run.way + 1 < len(state.ways)
        channel, wait_ms = state.ways[run.way].channel, state.ways[run.way].wait_s * 1000
        taken = TAKEN if channel == "sms" else f"{TAKEN}: {channel}"
        if isinstance(state, Verify):
            until_ms = heard.until_ms or self.at_ms + state.life_s * 1000
            due_ms = min(until_ms, self.at_ms + wait_ms) if more else until_ms
            self.note(taken, run.state)
            verification = heard.text or run.verification
            self.put(phase=CODE, since_ms=self.at_ms, until_ms=until_ms, due_ms=due_ms, verification=verification)
        elif more:
            self.note(taken, run.state)
            self.put(phase=TRAVELLING, since_ms=self.at_ms, due_ms=self.at_ms + wait_ms)
        else:
            self.leave("next", taken)
            return
        if status:
            move = TABLE.get((self.run.phase, status))
            if move == ">next":
                self.leave("next", status)
            elif move:
                _MOVES[move](self, Heard(status))

    def other_way(self, heard: Heard) -> None:
        """The next way to the customer; after the last it is refused, or it went as it went."""
        run, state = self.run, self.flow.states[self.run.state]
        assert isinstance(state, Send | Verify)
        what = f"{heard.what}: {heard.text}" if heard.text else heard.what
        if run.way + 1 < len(state.ways):
            phase = SENDING if isinstance(state, Send) else CODING
            self.note(what, run.state)
            self.put(why=heard.what)
            self.act(phase, way=run.way + 1)
        elif heard.what != REFUSED:
            if isinstance(state, Send):
                self.leave("next", what)
        elif isinstance(state, Verify) and run.verification:
            # No further way, but there is a code on its way already.
            self.put(phase=CODE, since_ms=self.at_ms, due_ms=run.until_ms)
        elif state.refused is not None:
            self.leave("refused", what)
        else:
            self.end(NOT_TAKEN, what)

    def code_there(self, heard: Heard) -> None:
        """It is on the handset: no other way is tried because of the time, it is waited for until its end."""
        self.note(heard.what, self.run.state)
        self.put(due_ms=self.run.until_ms)

    def code_late(self, heard: Heard) -> None:
        run, state = self.run, self.flow.states[self.run.state]
        assert isinstance(state, Verify)
        if self.at_ms >= run.until_ms:
            self.leave("expired", LATE)
        else:
            self.other_way(heard)

    def reply(self, heard: Heard) -> None:
        state = self.flow.states[self.run.state]
        assert isinstance(state, Wait)
        word = heard_as(heard.text, self.locale or self.flow.locale, state.words) or "other"
        if word not in state.on:
            word = "other"
        if word in state.on:
            if state.keep:
                self.variables = self.variables | {state.keep: word}
            self.leave(word, f"{REPLIED}: {word}")
        else:
            self.note(f"{REPLIED}: {word}", self.run.state)

    def stop(self, heard: Heard) -> None:
        state = self.flow.states[self.run.state]
        assert isinstance(state, Wait)
        if "stop" in state.on:
            self.leave("stop", STOPPED)
        else:
            self.end(LEFT_ALONE, STOPPED)

    def receipt(self, heard: Heard) -> None:
        state = self.flow.states[self.run.state]
        assert isinstance(state, Wait)
        if heard.what in state.on:
            self.leave(heard.what, heard.what)

    def answer(self, heard: Heard) -> None:
        state = self.flow.states[self.run.state]
        assert isinstance(state, Wait)
        if heard.text in state.on:
            if state.keep:
                self.variables = self.variables | {state.keep: heard.text}
            self.leave(heard.text, f"{ANSWERED}: {heard.text}")

    def untold(self, heard: Heard) -> None:
        state = self.flow.states[self.run.state]
        assert isinstance(state, Webhook)
        self.leave("failed" if state.failed else "next", heard.what)

    # --- between states -----------------------------------------------------------------------------------

    def leave(self, how: str, heard: str) -> None:
        state = self.flow.states[self.run.state]
        to = state.on.get(how) if isinstance(state, Wait) and how != "timeout" else getattr(state, how)
        assert isinstance(to, str)
        self.note(heard, to)
        self.enter(to)

    def enter(self, name: str) -> None:
        """Goes on until something is to be waited for."""
        while True:
            if self.run.step >= FLOW_STEPS_MAX:
                self.end("too-long", "")
                return
            state = self.flow.states[name]
            visits = self.run.visits.get(name, 0) + 1
            if state.most is not None and visits > state.most:
                assert state.beyond is not None
                self.traces.append(Trace(self.run.step, name, "beyond", state.beyond))
                name = state.beyond
                continue
            self.put(state=name, step=self.run.step + 1, visits=self.run.visits | {name: visits}, way=0, why="")
            match state:
                case Branch():
                    to = next((case.next for case in state.cases if holds(case, self.variables)), state.otherwise)
                case Set():
                    to = self.set(state)
                case _:
                    self.arrive(name)
                    return
            self.note("", to)
            name = to

    def set(self, state: Set) -> str:
        counted = {name: _whole(self.variables.get(name, 0)) + 1 for name in state.count}
        self.variables = self.variables | state.values | counted
        return state.next

    def arrive(self, name: str) -> None:
        state = self.flow.states[name]
        match state:
            case End():
                self.end(state.outcome, "")
            case Send():
                self.act(SENDING)
            case Verify():
                self.put(verification="", until_ms=0)
                self.act(CODING)
            case Webhook():
                self.act(TELLING, due_ms=self.at_ms + state.timeout_s * 1000)
            case Wait():
                phase = {"reply": REPLY, "receipt": RECEIPT, "person": PERSON, "time": TIME}[state.for_]
                assert state.timeout_s is not None
                self.put(phase=phase, since_ms=self.at_ms, due_ms=self.at_ms + state.timeout_s * 1000)
                known = self.run.sent.get(state.of).status if state.of in self.run.sent else ""  # type: ignore[arg-type, union-attr]
                if phase == RECEIPT and known in state.on:  # it came before it was waited for
                    self.leave(known, known)

    def act(self, phase: str, way: int | None = None, due_ms: int = 0) -> None:
        """An effect, under a step of its own."""
        run = self.run
        step = run.step + (way is not None)
        self.effect = EFFECTS[phase]
        sent = run.sent | {run.state: Sent(step)} if phase != TELLING else run.sent
        asked_ms = self.at_ms if phase == SENDING else run.asked_ms
        due_ms = due_ms or run.ends_ms
        self.put(phase=phase, step=step, way=way or 0, since_ms=self.at_ms, due_ms=due_ms, sent=sent, asked_ms=asked_ms)

    def end(self, outcome: str, heard: str) -> None:
        self.note(heard, "")
        self.run = ended(self.run, outcome, self.at_ms)
        self.effect = ""


_MOVES: Final = {
    "enter": _Step.begin,
    "handed": _Step.handed,
    "other way": _Step.other_way,
    "reply": _Step.reply,
    "stop": _Step.stop,
    "receipt": _Step.receipt,
    "answer": _Step.answer,
    "code late": _Step.code_late,
    "code there": _Step.code_there,
    "untold": _Step.untold,
}
assert {move for move in TABLE.values() if not move.startswith(">")} == _MOVES.keys()


def holds(case: Case, variables: dict[str, Any]) -> bool:
    """Whether a condition is met. A variable that is not there meets none but `present: false`."""
    there = case.var in variables
    if case.present is not None:
        return there is case.present
    if not there:
        return False
    value = variables[case.var]
    said = str(value.get("amount", "")) if isinstance(value, dict) else str(value)
    if case.equals is not None:
        return said == case.equals
    if case.one_of is not None:
        return said in case.one_of
    try:
        amount = Decimal(said)
    except InvalidOperation:
        return False
    return amount >= Decimal(case.at_least) if case.at_least is not None else amount < Decimal(case.below or "0")


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
