"""A definition tried without sending anything: step by step with what a customer might do, and its own tests, which are data. Pure.

Time is made up and jumps to whatever is due next. Messages are taken and webhooks told unless the next happening says otherwise.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appliance.errors import Error

from .checking import Problem
from .definition import Definition, Happening, Send, Test, Value, Verify, Webhook
from .machine import advance
from .states import (
    ANSWERED,
    ENDED,
    LATE,
    REFUSED,
    REPLIED,
    STARTED,
    STOPPED,
    TAKEN,
    TOLD,
    UNTOLD,
    Advanced,
    Heard,
    Run,
    begun,
    late,
    next_ms,
    started_with,
)
from .texts import Templates, own_text

BEGIN_MS: Final = 1_790_000_000_000  # when tries begin: any moment is as good


class Line(msgspec.Struct):
    """One line of the story that is shown: seconds since the start, where, what was heard, where it went, what was done."""

    after_s: int
    state: str
    heard: str
    to: str
    says: str = ""


class Tried(msgspec.Struct):
    """How it went. `state`: where it stands; `waits_for`: for what; `until_s`: how long at most."""

    state: str
    waits_for: str
    until_s: int
    outcome: str
    path: list[str]
    lines: list[Line]
    texts: list[str]
    webhooks: list[str]
    variables: dict[str, Any]


class Trying:
    """One run in memory."""

    def __init__(
        self,
        flow: Definition,
        params: dict[str, Any],
        locale: str | None,
        templates: Templates | None = None,
        at_ms: int = BEGIN_MS,
    ) -> None:
        self.flow, self.locale, self.templates = flow, locale, templates
        self.at_ms = self.began_ms = at_ms
        self.run: Run = begun(flow, at_ms)
        self.variables = started_with(flow, params)
        self.path: list[str] = []
        self.lines: list[Line] = []
        self.texts: list[str] = []
        self.webhooks: list[str] = []
        self.effect = ""

    def whole(self, happens: list[Happening]) -> Tried:
        """The run after all that. Raises Error `params_invalid` where a text cannot be made, `invalid` for what cannot happen."""
        todo = list(happens)
        self.hear(Heard(STARTED))
        while True:
            while self.effect:
                self.done(todo)
            if not todo or self.run.phase == ENDED:
                break
            self.happen(todo.pop(0))
        if todo:
            raise Error("invalid", f"the run has ended before all of it happened: {len(todo)} left")
        run = self.run
        left_ms = max(0, next_ms(run) - self.at_ms) if run.phase != ENDED else 0
        return Tried(
            run.state, run.phase, left_ms // 1000, run.outcome, self.path, self.lines, self.texts, self.webhooks,
            self.variables,
        )  # fmt: skip

    def happen(self, happening: Happening) -> None:
        run = self.run
        if happening.passes_s is not None:
            self.pass_s(happening.passes_s)
            return
        step = run.sent[self.waited()].step if self.waited() in run.sent else 0
        if happening.reply is not None:
            heard = Heard(REPLIED, happening.reply)
        elif happening.receipt is not None:
            heard = Heard(happening.receipt, step=step)
        elif happening.checked is not None:
            heard = Heard(happening.checked, message=run.verification)
        elif happening.person is not None:
            heard = Heard(ANSWERED, happening.person)
        elif happening.stop:
            heard = Heard(STOPPED)
        else:
            raise Error("invalid", "`refused` and `untold` come where something is sent or told")
        self.hear(heard)

    def waited(self) -> str:
        """The state whose message a receipt would be of."""
        state = self.flow.states[self.run.state]
        return str(getattr(state, "of", None) or self.run.state)

    def pass_s(self, seconds: int) -> None:
        end_ms = self.at_ms + seconds * 1000
        while self.run.phase != ENDED and not self.effect and 0 < next_ms(self.run) <= end_ms:
            self.at_ms = max(self.at_ms, next_ms(self.run))
            heard = late(self.run, self.at_ms)
            assert heard is not None
            self.hear(heard)
            while self.effect:
                self.done([])
        self.at_ms = max(self.at_ms, end_ms)

    def done(self, todo: list[Happening]) -> None:
        """The effect that is to be done, as it went."""
        effect, self.effect = self.effect, ""
        run, state = self.run, self.flow.states[self.run.state]
        refusal = todo[0].refused if todo and todo[0].refused is not None else None
        if effect == "webhook":
            assert isinstance(state, Webhook)
            if todo and todo[0].untold:
                todo.pop(0)
                self.hear(Heard(UNTOLD, step=run.step))
                return
            self.webhooks.append(state.event)
            self.hear(Heard(TOLD, step=run.step))
        elif refusal is not None:
            todo.pop(0)
            self.hear(Heard(REFUSED, refusal, step=run.step))
        else:
            says = self.text(state)
            if says:
                self.texts.append(says)
                self.lines[-1].says = says
            verification = "code" if isinstance(state, Verify) else ""
            self.hear(Heard(TAKEN, verification, message=f"message-{run.step}", step=run.step))

    def text(self, state: Any) -> str:
        if not isinstance(state, Send):
            return ""
        if state.texts is not None:
            return own_text(self.flow, state, self.variables, self.locale)
        if self.templates is None:
            return f"[template {state.template}]"
        return self.templates(str(state.template), self.variables, self.locale)

    def hear(self, heard: Heard) -> None:
        advanced: Advanced = advance(self.flow, self.run, self.variables, heard, self.locale or "", self.at_ms)
        if not advanced.trace and heard.what not in (LATE,):
            self.lines.append(Line((self.at_ms - self.began_ms) // 1000, self.run.state, f"{heard.what}: ignored", ""))
        self.run, self.variables = advanced.run, advanced.variables
        self.effect = advanced.effect or self.effect
        for trace in advanced.trace:
            self.lines.append(Line((self.at_ms - self.began_ms) // 1000, trace.state, trace.heard, trace.to))
            if trace.to and (not self.path or trace.to != self.path[-1]):
                self.path.append(trace.to)


class Outcome(msgspec.Struct):
    """What came of one test; `why` is empty when it passed."""

    name: str
    why: str
    lines: list[Line] = []

    @property
    def passed(self) -> bool:
        return not self.why


def run_tests(flow: Definition, templates: Templates | None = None) -> list[Outcome]:
    """The definition's own tests."""
    return [tested(flow, test, templates) for test in flow.tests]


def tested(flow: Definition, test: Test, templates: Templates | None = None) -> Outcome:
    trying = Trying(flow, test.params, test.locale, templates)
    try:
        check_params(flow, test.params)
        tried = trying.whole(test.happens)
    except Error as e:
        return Outcome(test.name, e.message, trying.lines)
    return Outcome(test.name, _missed(test, tried), tried.lines)


def _missed(test: Test, tried: Tried) -> str:
    expect = test.expect
    if expect.outcome is not None and tried.outcome != expect.outcome:
        at = f"`{tried.outcome}`" if tried.outcome else f"nothing yet: it waits in `{tried.state}`"
        return f"the outcome is {at}, not `{expect.outcome}`"
    if expect.state is not None and (tried.state != expect.state or tried.outcome):
        return f"it stands in `{tried.state}`, not `{expect.state}`"
    if expect.path is not None and tried.path != expect.path:
        return f"the way was {', '.join(tried.path)}"
    if expect.webhooks is not None and tried.webhooks != expect.webhooks:
        return f"the bank was told {', '.join(tried.webhooks) or 'nothing'}"
    if expect.says is not None:
        if len(expect.says) != len(tried.texts):
            return f"{len(tried.texts)} texts left, not {len(expect.says)}"
        for wanted, said in zip(expect.says, tried.texts, strict=True):
            if wanted not in said:
                return f"a text does not have {wanted!r} in it: {said!r}"
    return ""


def check_params(flow: Definition, given: dict[str, Value]) -> None:
    """What a run is to be started with. Raises Error `params_invalid` naming the parameter, never its value."""
    for name in given:
        if name not in flow.params:
            raise Error(
                "params_invalid", f"`{name[:32]}` is no parameter of this workflow", field=f"params.{name[:32]}"
            )
    for name, kind in flow.params.items():
        if name not in given:
            if name in flow.defaults:
                continue
            raise Error("params_invalid", f"the parameter `{name}` is missing", field=f"params.{name}")
        value = given[name]
        fits = {
            "money": isinstance(value, dict) and value.keys() == {"amount", "currency"},
            "number": isinstance(value, int | str) and not isinstance(value, bool),
            "string": isinstance(value, str),
            "moment": isinstance(value, str),
        }[kind]
        if not fits:
            raise Error("params_invalid", f"the parameter `{name}` is no {kind}", field=f"params.{name}")


def failures(flow: Definition, templates: Templates | None = None) -> list[Problem]:
    """Tests that do not pass, as problems of the definition."""
    return [Problem(1, f"tests.{o.name}", o.why) for o in run_tests(flow, templates) if not o.passed]
