"""Is a definition right? Every mistake with its line and its reason; what passes here can be run to its end. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from appliance.errors import Error
from appliance.limits import FLOW_OCTETS_MAX
from appliance.templates import Body, Template

from .definition import CHANNELS, Branch, Case, Definition, End, Send, Set, State, Test, Verify, Wait, Webhook, exits
from .lines import Path, Syntax, line_of, read

#: Kinds of parameters by name.
Kinds = Mapping[str, str]
#: What is known of templates: name -> kinds of its parameters, None for a name that is not there.
Templates = Callable[[str], Kinds | None]
RECEIPTS: Final = frozenset({"delivered", "undelivered"})
REPLIES: Final = frozenset({"yes", "no", "other", "stop"})
ONE_OF: Final = ("equals", "one_of", "at_least", "below", "present")
HAPPENS: Final = ("reply", "receipt", "checked", "person", "passes_s", "refused", "untold", "stop")


class Problem(NamedTuple):
    """One mistake. `where` is a path within the definition, `line` counts from 1."""

    line: int
    where: str
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.where}: {self.why}" if self.where else f"line {self.line}: {self.why}"


def check(
    text: str, templates: Templates = lambda _: None, channels: Collection[str] = CHANNELS
) -> tuple[Definition | None, list[Problem]]:
    """The definition, or None and all that is wrong with it, by line. `channels`: names of those that there are."""
    if len(text) > FLOW_OCTETS_MAX:
        return None, [Problem(1, "", f"a definition has at most {FLOW_OCTETS_MAX:,} characters")]
    try:
        raw, lines = read(text)
    except Syntax as e:
        return None, [Problem(e.line, "", str(e))]
    checked = _Checking(raw, lines, templates, channels)
    return (None if checked.problems else checked.definition), sorted(checked.problems)


class _Checking:
    def __init__(self, raw: Any, lines: dict[Path, int], templates: Templates, channels: Collection[str]) -> None:
        self.lines, self.templates, self.channels = lines, templates, channels
        self.problems: list[Problem] = []
        self.definition: Definition | None = None
        if not isinstance(raw, dict):
            self.wrong((), "a definition is a JSON object")
            return
        states = raw.get("states")
        if isinstance(states, dict):
            for name, state in states.items():
                self.shape(("states", name), state, State)
        if not self.problems:
            self.definition = self.shape((), raw, Definition)
        if self.definition is not None:
            self.flow = self.definition
            self.known = self.variables()
            self.whole()
            if not self.problems:
                self.ways_through()

    def wrong(self, path: Path, why: str) -> None:
        problem = Problem(line_of(self.lines, path), ".".join(map(str, path))[:120], why)
        if problem not in self.problems:
            self.problems.append(problem)

    def shape(self, path: Path, raw: Any, kind: Any) -> Any:
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as e:
            what, _, where = str(e).partition(" - at `")
            inner = where.rstrip("`").removeprefix("$").removeprefix("key in ").split("[")[0]
            self.wrong((*path, *[part for part in inner.split(".") if part]), _plain(what))
            return None

    # --- each state by itself -----------------------------------------------------------------------------

    def variables(self) -> dict[str, str]:
        """What variables there may be, and their kinds."""
        flow = self.flow
        known: dict[str, str] = dict(flow.params)
        for name, state in flow.states.items():
            if isinstance(state, Set):
                for variable, value in state.values.items():
                    kind = _kind(value)
                    if known.setdefault(variable, kind) != kind:
                        self.wrong(("states", name, "values", variable), f"is a {known[variable]} elsewhere")
                for variable in state.count:
                    if known.setdefault(variable, "number") != "number":
                        self.wrong(("states", name, "count"), f"`{variable}` is no number")
            if isinstance(state, Wait) and state.keep and known.setdefault(state.keep, "string") != "string":
                self.wrong(("states", name, "keep"), f"`{state.keep}` is no string")
        return known

    def whole(self) -> None:
        flow = self.flow
        if flow.start not in flow.states:
            self.wrong(("start",), f"there is no state `{flow.start}`")
        for variable, value in flow.defaults.items():
            if variable not in flow.params:
                self.wrong(("defaults", variable), "is no parameter")
            elif flow.params[variable] not in (_kind(value), "moment" if isinstance(value, str) else ""):
                self.wrong(("defaults", variable), f"is no {flow.params[variable]}")
        for name, state in flow.states.items():
            path: Path = ("states", name)
            for how, to in exits(state).items():
                if to not in flow.states:
                    self.wrong(self.member(path, state, how), f"there is no state `{to}` ({how})")
            if (state.most is None) != (state.beyond is None):
                self.wrong(path, "`most` and `beyond` belong together")
            match state:
                case Send():
                    self.send(path, state)
                case Wait():
                    self.wait(path, state)
                case Branch():
                    for n, each in enumerate(state.cases):
                        self.case((*path, "cases", n), each)
                case Verify():
                    self.verify(path, state)
                case Webhook():
                    self.webhook(path, state)
        names = [test.name for test in flow.tests]
        for n, test in enumerate(flow.tests):
            self.test(("tests", n), test, names.count(test.name))

    def member(self, path: Path, state: State, how: str) -> Path:
        """Where an exit is written."""
        if isinstance(state, Wait) and how in state.on and how != "timeout":
            return (*path, "on", how)
        return (*path, how)

    def ways(self, path: Path, state: Send | Verify) -> None:
        for n, way in enumerate(state.ways):
            if way.channel not in self.channels:
                self.wrong(
                    (*path, "ways", n, "channel"),
                    f"there is no channel `{way.channel[:20]}` here; there is: {', '.join(self.channels)}",
                )

    def send(self, path: Path, state: Send) -> None:
        self.ways(path, state)
        if (state.template is None) == (state.texts is None):
            self.wrong(path, "a message has `template` or `texts`, and not both")
            return
        if state.texts is not None:
            own = self.flow.locale if self.flow.locale in state.texts else ""
            if not own:
                self.wrong((*path, "texts"), f"there is no text in the workflow's own locale `{self.flow.locale[:35]}`")
                return
            try:
                kinds: Kinds | None = Template("flow", 1, Body(state.texts, own)).kinds
            except Error as e:
                self.wrong((*path, "texts", str(e.detail.get("locale", ""))), e.message)
                return
        else:
            kinds = self.templates(str(state.template))
            if kinds is None:
                self.wrong((*path, "template"), f"there is no template `{str(state.template)[:64]}`")
                return
        for variable, kind in (kinds or {}).items():
            self.needs((*path, "texts" if state.texts is not None else "template"), variable, kind)

    def needs(self, path: Path, variable: str, kind: str) -> None:
        known = self.known.get(variable)
        if known is None:
            self.wrong(path, f"the text needs `{variable}`, which is no parameter and is set nowhere")
        elif known != kind:
            self.wrong(path, f"the text needs `{variable}` as {kind}; it is a {known}")

    def wait(self, path: Path, state: Wait) -> None:
        if state.timeout_s is None or state.timeout is None:
            self.wrong(path, "a wait without a time-out would never end: `timeout_s`, and `timeout` says where to")
        if state.for_ == "receipt":
            if state.of is None or not isinstance(self.flow.states.get(state.of), Send):
                self.wrong((*path, "of"), "names no send state, whose receipt is waited for")
            self.only(path, state, RECEIPTS)
        elif state.of is not None:
            self.wrong((*path, "of"), "belongs to a receipt")
        if state.for_ == "reply":
            for word in state.words.keys() & REPLIES:
                self.wrong((*path, "words", word), "has its words already")
            for word, by_locale in state.words.items():
                if not any(any(w.strip() for w in words) for words in by_locale.values()):
                    self.wrong((*path, "words", word), "there are no words")
            self.only(path, state, REPLIES | state.words.keys())
        elif state.words:
            self.wrong((*path, "words"), "belong to a reply")
        if state.for_ == "time" and state.on:
            self.wrong((*path, "on"), "nothing comes while only time passes")
        elif state.for_ != "time" and not state.on:
            self.wrong(path, "waits for something and does not say what: `on`")
        if state.for_ == "person" and "timeout" in state.on:
            self.wrong((*path, "on", "timeout"), "is no answer of a person")

    def only(self, path: Path, state: Wait, words: frozenset[str] | set[str]) -> None:
        for word in state.on.keys() - words:
            self.wrong((*path, "on", word), f"nothing is heard as `{word[:40]}`; {', '.join(sorted(words))} are")

    def case(self, path: Path, case: Case) -> None:
        given = [name for name in ONE_OF if getattr(case, name) is not None]
        if len(given) != 1:
            self.wrong(path, f"a case has exactly one of {', '.join(ONE_OF)}")
        kind = self.known.get(case.var)
        if kind is None:
            self.wrong((*path, "var"), f"`{case.var}` is no parameter and is set nowhere")
        elif given and given[0] in ("at_least", "below") and kind not in ("number", "money"):
            self.wrong((*path, given[0]), f"`{case.var}` is a {kind}: only numbers and money are compared so")

    def verify(self, path: Path, state: Verify) -> None:
        self.ways(path, state)
        if state.payment:
            for variable, kind in (("payee", "string"), ("amount", "money")):
                if self.flow.params.get(variable) != kind:
                    self.wrong((*path, "payment"), f"needs the parameter `{variable}` as {kind}")

    def webhook(self, path: Path, state: Webhook) -> None:
        for variable in state.values:
            if variable not in self.known:
                self.wrong((*path, "values"), f"`{variable}` is no parameter and is set nowhere")
        if state.url is not None:
            try:
                scheme = urlsplit(state.url).scheme
            except ValueError:
                scheme = ""
            if scheme not in ("https", "http"):
                self.wrong((*path, "url"), "is no address of https")

    def test(self, path: Path, test: Test, same: int) -> None:
        if same > 1:
            self.wrong((*path, "name"), "another test has this name")
        for n, each in enumerate(test.happens):
            if sum(getattr(each, name) is not None for name in HAPPENS) != 1:
                self.wrong((*path, "happens", n), f"is exactly one of {', '.join(HAPPENS)}")
        for name in (*(test.expect.path or ()), *([test.expect.state] if test.expect.state else [])):
            if name not in self.flow.states:
                self.wrong((*path, "expect"), f"there is no state `{name[:48]}`")

    # --- all of them together -----------------------------------------------------------------------------

    def ways_through(self) -> None:
        states = self.flow.states
        edges = {name: set(exits(state).values()) for name, state in states.items()}
        for name in states.keys() - _reached(edges, [self.flow.start]):
            self.wrong(("states", name), "cannot be reached from the start")
        backwards: dict[str, set[str]] = {name: set() for name in states}
        for name, tos in edges.items():
            for to in tos:
                backwards[to].add(name)
        ends = [name for name, state in states.items() if isinstance(state, End)]
        if not ends:
            self.wrong(("states",), "there is no end")
        for name in states.keys() - _reached(backwards, ends) if ends else ():
            self.wrong(("states", name), "no end can be reached from here")
        # A state with `most` is passed so often and then only left by `beyond`: without a circle in what is left then, every run ends.
        left = {name: {state.beyond} if state.beyond else edges[name] for name, state in states.items()}
        for name in _circle(left):
            self.wrong(
                ("states", name), "is in a loop that nothing bounds: one of its states needs `most` and `beyond`"
            )


def _reached(edges: Mapping[str, set[str]], begin: list[str]) -> set[str]:
    seen, todo = set[str](), list(begin)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += edges[name]
    return seen


def _circle(edges: Mapping[str, set[str]]) -> list[str]:
    """The states of circles: what is left when those that lead nowhere are taken away, again and again, from both sides."""
    left = {name: set(tos) for name, tos in edges.items()}
    while True:
        entered = set().union(*left.values()) if left else set()
        gone = {name for name, tos in left.items() if not tos & left.keys() or name not in entered}
        if not gone:
            return sorted(left)
        left = {name: tos - gone for name, tos in left.items() if name not in gone}


def _kind(value: Any) -> str:
    return "money" if isinstance(value, dict) else "number" if isinstance(value, int) else "string"


def _plain(what: str) -> str:
    """msgspec's words without the library's types."""
    if "missing required field `delivery`" in what:
        return 'a webhook may be told twice after a crash: say so with `"delivery": "at-least-once"`'
    return what[:1].lower() + what[1:]
