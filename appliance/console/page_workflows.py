"""Workflows: pictures, versions that two people activate, runs and their stories, and a trial step by step. Shows no number and no text of a customer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final, TypeVar

import msgspec
from flask import Blueprint, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import Error
from appliance.flows import (
    ENDED,
    PERSON,
    Book,
    Definition,
    Happening,
    Heard,
    Row,
    Trying,
    Version,
    Wait,
    active,
    ask,
    book_of,
    check_params,
    checked,
    decide,
    drawn,
    listed,
    one,
    retire,
    save,
    versions,
    waiting,
)
from appliance.message import id_octets, id_text

from .desk import desk, party, who
from .guard import needs
from .languages import say
from .saying import said

views = Blueprint("workflows", __name__)

RUNS: Final = 50
#: State of a version -> tone of its badge.
TONES: Final = {"active": "good", "asked": "warn", "draft": "info", "refused": "bad", "retired": "quiet"}
T = TypeVar("T")


@contextmanager
def opened() -> Iterator[Book]:
    with closing(book_of(desk().settings)) as book:
        yield book


def _read(version: Version) -> Definition:
    return msgspec.json.decode(version.body.encode(), type=Definition)


@views.get("/workflows")
@needs("workflows.read")
def page() -> Any:
    return _page()


def _page(problem: str = "", text: str = "", status: int = 200) -> Any:
    with opened() as book:
        rows, asked, persons = listed(book.conn), waiting(book.conn), book.latest(None, RUNS, PERSON)
        counts = book.tallies()
    begun = {name: n for (name, outcome), n in counts.items() if not outcome}
    titles = {v.name: json.loads(v.body).get("title", "") for v in rows}
    filled = {"rows": rows, "asked": asked, "persons": persons, "begun": begun, "titles": titles, "tones": TONES}
    return render_template(
        "workflows.html", **filled, problem=problem, text=text, done=request.args.get("done", "")
    ), status


@views.get("/workflows/<name>")
@needs("workflows.read")
def workflow(name: str) -> Any:
    return _workflow(name)


def _workflow(name: str, problem: str = "", status: int = 200) -> Any:
    wanted = request.args.get("version", "")
    with opened() as book:
        every = versions(book.conn, name)
        if not every:
            raise Error("not_found", "there is no such workflow")
        inuse = active(book.conn, name) or every[0]
        shown = next((v for v in every if str(v.version) == wanted), inuse)
        runs = book.latest(name, RUNS)
    flow = _read(shown)
    tried, wrong = _tried(flow)
    been = tried.path if tried is not None else []
    picture = Markup(drawn(flow, tried.state if tried is not None else "", been))  # all its texts are escaped
    filled = {"shown": shown, "versions": every, "runs": runs, "flow": flow, "tones": TONES, "tried": tried}
    asked = {key: request.args.get(key, "") for key in ("locale", "params", "happens")}
    if not asked["params"] and flow.tests:
        asked["params"] = json.dumps(flow.tests[0].params, ensure_ascii=False)
    problem = problem or wrong
    done = request.args.get("done", "")
    return render_template(
        "workflow.html", **filled, picture=picture, asked=asked, problem=problem, done=done, ENDED=ENDED
    ), status


def _tried(flow: Definition) -> tuple[Any, str]:
    """The trial that the page's form asks for, and what is wrong with it."""
    if "happens" not in request.args:
        return None, ""
    try:
        params = json.loads(request.args.get("params", "") or "{}")
        happens = msgspec.json.decode((request.args.get("happens", "") or "[]").encode(), type=list[Happening])
        check_params(flow, params)
        trying = Trying(flow, params, request.args.get("locale") or None, desk().templates.snapshot().text)
        return trying.whole(happens), ""
    except (ValueError, AttributeError, msgspec.MsgspecError):
        return (
            None,
            say(
                "What it is started with is a JSON object, what happens a list such as %(example)s.",
                example='[{"reply": "NO"}, {"passes_s": 300}]',
            ),
        )
    except Error as error:
        return None, said(error)


@views.get("/runs/<run>")
@needs("workflows.read")
def run(run: str) -> Any:
    with opened() as book:
        row = found_run(book, run)
        story = book.story(row.id)
        flow = _read(one(book.conn, row.workflow, row.version))
    been = {s.state for s in story} | {s.went for s in story}
    picture = Markup(drawn(flow, row.machine.state, been))  # all its texts are escaped
    answers = sorted(answers_of(flow, row))
    done = request.args.get("done", "")
    return render_template("run.html", row=row, story=story, picture=picture, answers=answers, ENDED=ENDED, done=done)


def found_run(book: Book, run: str) -> Row:
    octets = id_octets(run.lower())
    if octets is None:
        raise Error("not_found", "there is no such run")
    return book.one(octets)


def answers_of(flow: Definition, row: Row) -> list[str]:
    state = flow.states.get(row.machine.state)
    return list(state.on) if row.machine.phase == PERSON and isinstance(state, Wait) else []


# --- acts -------------------------------------------------------------------------------------------------


@views.post("/workflows/save")
@needs("workflows.write")
def save_() -> Any:
    text = request.form.get("definition", "").replace("\r\n", "\n")
    try:
        made = saved(text)
    except Error as error:
        if error.code not in ("workflow_invalid", "invalid"):
            raise
        return _page(said(error), text, 422)
    return redirect(url_for("workflows.workflow", name=made.name, version=made.version, done="saved"), 303)


def saved(text: str) -> Version:
    """A draft, the newest again when it says the same. Raises Error `workflow_invalid` with every problem."""
    snapshot = desk().templates.snapshot()

    def kinds(name: str) -> Any:
        template = snapshot.get(name)
        return None if template is None else template.kinds

    flow = checked(text, kinds, desk().settings.channels)
    version = Version(flow.name, 0, text, 0, "", "", "", 0, "", "", 0)
    desk().peers.record(who(), "workflow.saved", f"workflow:{flow.name}", digest=version.digest)
    return _act(lambda b: save(b.conn, flow.name, text, party(), desk().clock()))


@views.post("/workflows/<name>/ask")
@needs("workflows.write")
def ask_(name: str) -> Any:
    reason, number = request.form.get("reason", ""), _number()
    if not reason.strip():
        return _workflow(name, say("Say why: the other person has to judge it."), 422)
    asked(name, number, reason)
    return redirect(url_for("workflows.workflow", name=name, version=number, done="asked"), 303)


def name_of(text: str) -> str:
    """What a definition calls itself, right or not; empty when it does not say."""
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return str(found.get("name", "")) if isinstance(found, dict) else ""


def asked(name: str, number: int, reason: str) -> Version:
    """Raises Error `not_found`, `workflow_state`, `invalid`."""
    with opened() as book:
        found = one(book.conn, name, number)
    if not reason.strip():
        raise Error("invalid", "say why: the other person has to judge it", field="reason")
    detail: dict[str, Any] = {"version": number, "reason": reason.strip()[:300], "digest": found.digest}
    desk().peers.record(who(), "workflow.asked", f"workflow:{name}", **detail)
    return _act(lambda b: ask(b.conn, name, number, reason, party(), desk().clock()))


@views.post("/workflows/<name>/decide")
@needs("workflows.decide")
def decide_(name: str) -> Any:
    number, yes = _number(), request.form.get("yes") == "yes"
    with opened() as book:
        digest = one(book.conn, name, number).digest

    def decided(book: Book) -> None:
        decide(book.conn, name, number, yes, who(), desk().clock())
        # Within the act: what the log does not take is not decided.
        desk().peers.record(
            who(), "workflow.decided", f"workflow:{name}", "ok" if yes else "refused", version=number, digest=digest
        )

    try:
        _act(decided)
    except Error as error:
        if error.code not in ("forbidden", "workflow_state"):
            raise
        return _workflow(name, said(error), 422)
    done = "activated" if yes else "refused"
    return redirect(url_for("workflows.workflow", name=name, version=number, done=done), 303)


@views.post("/workflows/<name>/retire")
@needs("workflows.decide")
def retire_(name: str) -> AnyResponse:
    with opened() as book:
        found = active(book.conn, name)
    if found is None:
        raise Error("not_found", "no version of this workflow is active")
    desk().peers.record(who(), "workflow.retired", f"workflow:{name}", version=found.version)
    _act(lambda b: retire(b.conn, name, who(), desk().clock()))
    return redirect(url_for("workflows.workflow", name=name, done="retired"), 303)


@views.post("/runs/<run>/answer")
@needs("workflows.answer")
def answer(run: str) -> AnyResponse:
    answered(run, request.form.get("answer", ""))
    return redirect(url_for("workflows.run", run=run, done="answered"), 303)


def answered(run: str, given: str) -> None:
    """Raises Error `not_found`, `workflow_state`."""
    with opened() as book:
        row = found_run(book, run)
        flow = _read(one(book.conn, row.workflow, row.version))
    if given not in answers_of(flow, row):
        raise Error("workflow_state", "the run waits for no such answer")
    on = f"run:{id_text(row.id)}"
    desk().peers.record(who(), "workflow.answered", on, answer=given, by=who())
    source = b"a" + row.id + row.machine.step.to_bytes(4, "big")
    _act(lambda b: b.bring(source, row.id, Heard("answered", given), desk().clock()))


@views.post("/runs/<run>/cancel")
@needs("workflows.answer")
def cancel(run: str) -> AnyResponse:
    cancelled(run)
    return redirect(url_for("workflows.run", run=run, done="cancelled"), 303)


def cancelled(run: str) -> bool:
    """Whether it was under way. Raises Error `not_found`."""
    with opened() as book:
        row = found_run(book, run)
    if row.machine.phase != ENDED:
        desk().peers.record(who(), "workflow.cancelled", f"run:{id_text(row.id)}")
        _act(lambda b: b.cancel(b.one(row.id), desk().clock(), "cancelled", "cancelled"))
    return row.machine.phase != ENDED


def _act(what: Callable[[Book], T]) -> T:
    with opened() as book:
        result: T = book.act(what)
        return result


def _number() -> int:
    text = request.form.get("version", "")
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Error("not_found", "there is no such version of this workflow")
    return int(text)
