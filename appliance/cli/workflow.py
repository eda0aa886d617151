"""`casemate workflow`: definitions checked, tested, tried and saved; activated by two people; runs looked at. Acts are on the audit log first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.flows import (
    Book,
    Definition,
    Happening,
    Trying,
    Version,
    active,
    ask,
    book_of,
    check,
    check_params,
    checked,
    decide,
    drawn,
    listed,
    newest,
    one,
    published,
    retire,
    run_tests,
    save,
    versions,
    waiting,
)
from appliance.message import id_octets, id_text
from appliance.settings import Settings, home_of, load
from appliance.templates import TemplateBook

from .people import Desk, show, time_text
from .proving import proved, signed

_json = click.option("--json", "as_json", is_flag=True, help="for programs")
_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def workflow() -> None:
    """Workflows: what is asked and sent to customers step by step. A definition is JSON; `casemate workflow schema` prints its schema."""


@contextmanager
def _open(settings: Settings | None = None) -> Iterator[Book]:
    with closing(book_of(settings or load(home=home_of()))) as book:
        yield book


def _templates() -> Any:
    snapshot = TemplateBook(load(home=home_of())).snapshot()

    def kinds(name: str) -> Any:
        template = snapshot.get(name)
        return None if template is None else template.kinds

    return kinds, snapshot.text


@workflow.command()
def schema() -> None:
    """Print the JSON Schema (2020-12) of a definition."""
    click.echo(json.dumps(published(), indent=1))


@workflow.command("check")
@_file
@click.pass_context
def check_(ctx: click.Context, file: Path) -> None:
    """Say what is wrong with FILE, each with its line, and run its tests. Needs no running appliance."""
    kinds, _ = _templates()
    flow, problems = check(file.read_text(encoding="utf-8"), kinds, load(home=home_of()).channels)
    for problem in problems:
        click.echo(f"{file}:{problem.line}: {problem.where}: {problem.why}")
    if flow is None:
        ctx.exit(1)
    outcomes = run_tests(flow)
    for outcome in outcomes:
        click.echo(f"{'ok  ' if outcome.passed else 'FAIL'} {outcome.name}{': ' + outcome.why if outcome.why else ''}")
    click.echo(f"{len(flow.states)} states, {len(outcomes)} tests, {sum(not o.passed for o in outcomes)} failed")
    ctx.exit(0 if all(o.passed for o in outcomes) else 1)


@workflow.command("try")
@click.argument("name")
@click.option(
    "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="a file instead of what is saved"
)
@click.option("--params", default="{}", help='JSON, such as {"merchant": "ACME"}')
@click.option("--locale", default=None, help="language of the customer, as it-IT")
@click.option("--happens", default="[]", help='JSON, such as [{"reply": "NO"}, {"passes_s": 300}]')
def try_(name: str, file: Path | None, params: str, locale: str | None, happens: str) -> None:
    """Step through NAME without sending anything."""
    kinds, text = _templates()
    if file is not None:
        flow = checked(file.read_text(encoding="utf-8"), kinds, load(home=home_of()).channels)
    else:
        with _open() as book:
            flow = _definition(_newest(book, name))
    try:
        given, events = json.loads(params), msgspec.json.decode(happens.encode(), type=list[Happening])
    except (ValueError, msgspec.MsgspecError) as e:
        raise Error("invalid", f"--params or --happens: {e}") from None
    check_params(flow, given)
    tried = Trying(flow, given, locale, text).whole(events)
    for line in tried.lines:
        says = f"   {line.says!r}" if line.says else ""
        click.echo(f"{line.after_s:>7} s  {line.state:20} {line.heard or '-':24} {line.to}{says}")
    click.echo(
        f"ended: {tried.outcome}"
        if tried.outcome
        else f"waits in {tried.state} for {tried.waits_for}, {tried.until_s} s at most"
    )


@workflow.command("list")
@_json
def list_(as_json: bool) -> None:
    """List workflows: the version in use, else the newest; and those that wait for a second person."""
    with _open() as book:
        found, asked = listed(book.conn), {v.name: v.version for v in waiting(book.conn)}
    rows = [
        {
            "name": v.name,
            "version": v.version,
            "state": v.state,
            "saved": time_text(v.saved_ms),
            "by": v.who,
            "asked": asked.get(v.name),
        }
        for v in found
    ]
    show(rows, as_json)


@workflow.command("show")
@click.argument("name")
@click.option("--version", type=int, default=None, help="number of the version; else the newest")
@click.option("--picture", is_flag=True, help="its picture (SVG) instead of its text")
def show_(name: str, version: int | None, picture: bool) -> None:
    """Print the definition NAME."""
    with _open() as book:
        found = one(book.conn, name, version) if version is not None else active(book.conn, name) or _newest(book, name)
    click.echo(drawn(_definition(found)) if picture else found.body.rstrip())


@workflow.command("versions")
@click.argument("name")
@_json
def versions_(name: str, as_json: bool) -> None:
    """List every version of NAME, who wrote, asked for and decided it."""
    with _open() as book:
        found = versions(book.conn, name)
    rows = [
        {
            "version": v.version,
            "state": v.state,
            "saved": time_text(v.saved_ms),
            "by": v.who,
            "asked_by": v.asked_by,
            "decided_by": v.decided_by,
            "digest": v.digest[:16],
        }
        for v in found
    ]
    show(rows, as_json)


@workflow.command("save")
@_file
@signed
def save_(file: Path, user: str, password_file: Path | None) -> int:
    """Save FILE as a draft: checked, its tests passed. It is used once two people activated it."""
    settings = load(home=home_of())
    who = proved(settings, "workflows.write", user, password_file)
    kinds, _ = _templates()
    text = file.read_text(encoding="utf-8")
    flow = checked(text, kinds, settings.channels)
    digest = _digest(text)
    Desk().recorder.record(who, "workflow.saved", f"workflow:{flow.name}", digest=digest)
    with _open(settings) as book:
        saved = book.act(lambda b: save(b.conn, flow.name, text, who, now_ms()))
    click.echo(f"{flow.name} version {saved.version} is saved: {saved.state}")
    return 0


@workflow.command("ask")
@click.argument("name")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="why, for the person who decides")
@signed
def ask_(name: str, version: int, reason: str, user: str, password_file: Path | None) -> int:
    """Ask that VERSION of NAME be used. Another person decides."""
    settings = load(home=home_of())
    who = proved(settings, "workflows.write", user, password_file)
    with _open(settings) as book:
        digest = one(book.conn, name, version).digest
        on = f"workflow:{name}"
        Desk().recorder.record(who, "workflow.asked", on, version=version, reason=reason[:300], digest=digest)
        book.act(lambda b: ask(b.conn, name, version, reason, who, now_ms()))
    click.echo(f"another person now runs `casemate workflow approve {name} {version}`")
    return 0


@workflow.command("approve")
@click.argument("name")
@click.argument("version", type=int)
@signed
def approve_(name: str, version: int, user: str, password_file: Path | None) -> int:
    """Agree that VERSION of NAME is used, from the next run on."""
    return _decided(name, version, True, user, password_file)


@workflow.command("refuse")
@click.argument("name")
@click.argument("version", type=int)
@signed
def refuse_(name: str, version: int, user: str, password_file: Path | None) -> int:
    """Refuse that."""
    return _decided(name, version, False, user, password_file)


def _decided(name: str, version: int, yes: bool, user: str, password_file: Path | None) -> int:
    settings = load(home=home_of())
    who = proved(settings, "workflows.decide", user, password_file)
    recorder, on = Desk().recorder, f"workflow:{name}"
    with _open(settings) as book:
        digest = one(book.conn, name, version).digest

        def act(b: Book) -> Version:
            decided = decide(b.conn, name, version, yes, who, now_ms())
            recorder.record(who, "workflow.decided", on, "ok" if yes else "refused", version=version, digest=digest)
            return decided

        decided = book.act(act)
    click.echo(f"{name} version {version} is {decided.state}")
    return 0


@workflow.command("retire")
@click.argument("name")
@signed
def retire_(name: str, user: str, password_file: Path | None) -> int:
    """Take NAME out of use at once; runs that are under way go on."""
    settings = load(home=home_of())
    who = proved(settings, "workflows.decide", user, password_file)
    with _open(settings) as book:
        found = active(book.conn, name)
        if found is None:
            raise Error("not_found", "no version of this workflow is active", "see `casemate workflow list`")
        Desk().recorder.record(who, "workflow.retired", f"workflow:{name}", version=found.version)
        book.act(lambda b: retire(b.conn, name, who, now_ms()))
    click.echo(f"{name} is not started any more")
    return 0


@workflow.command("runs")
@click.option("--workflow", "name", default=None, help="only runs of this workflow")
@click.option("--persons", is_flag=True, help="only those that wait for a person, longest first")
@click.option("--limit", default=50, show_default=True, help="how many at most")
@_json
def runs_(name: str | None, persons: bool, limit: int, as_json: bool) -> None:
    """List the newest runs. No number is shown: it could not be."""
    with _open() as book:
        rows = book.latest(name, limit, "person" if persons else None)
    shown = [
        {
            "run": id_text(r.id),
            "workflow": f"{r.workflow} {r.version}",
            "state": r.machine.state,
            "waits_for": r.machine.phase,
            "outcome": r.machine.outcome,
            "started": time_text(r.started_ms),
        }
        for r in rows
    ]
    show(shown, as_json)


@workflow.command("run")
@click.argument("run")
@_json
def run_(run: str, as_json: bool) -> None:
    """Show what became of RUN, step by step."""
    octets = id_octets(run.lower())
    if octets is None:
        raise Error("not_found", "there is no such run", "see `casemate workflow runs`")
    with _open() as book:
        book.one(octets)
        rows = [
            {"at": rfc3339(s.at_ms), "step": s.step, "state": s.state, "heard": s.heard, "to": s.went}
            for s in book.story(octets)
        ]
    show(rows, as_json)


def _newest(book: Book, name: str) -> Version:
    found = newest(book.conn, name)
    if found is None:
        raise Error("not_found", "there is no such workflow", "see `casemate workflow list`")
    return found


def _definition(version: Version) -> Definition:
    return msgspec.json.decode(version.body.encode(), type=Definition)


def _digest(text: str) -> str:
    return Version("", 0, text, 0, "", "", "", 0, "", "", 0).digest
