"""`casemate routes`: check a file of routes, try it against yesterday's messages, activate it, go back, and say why this link."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.audit import BlockingRecorder
from appliance.clock import DAY_MS, day_name, day_of, now_ms, rfc3339
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.message import CLASSES
from appliance.settings import Settings, home_of, load
from appliance.shards import blocking_engines

if TYPE_CHECKING:
    from appliance.router import Draft

_json = click.option("--json", "as_json", is_flag=True, help="for programs")
_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))

PAGE_ROWS = 500
PROGRESS_EACH = 20_000  # messages between two words about how far it is


@click.group()
def routes() -> None:
    """Which link takes which message: versions of the routes, activated while the appliance runs.

    A FILE of routes is TOML with [[route]] and [[operator]] tables, as in the settings file (see `casemate settings`).
    Once a version is active it stands in place of the settings file's routes.
    """


def _settings() -> Settings:
    """The appliance's; those of the demo when it wrote some and no other file is named."""
    home = home_of()
    demo = home / "run" / "demo.toml"
    named = os.environ.get("CASEMATE_CONFIG") or Path("/etc/casemate/casemate.toml").exists()
    return load(demo if not named and demo.exists() else None, home)


def _read(file: Path, settings: Settings) -> Draft:
    from appliance.router import drafted

    try:
        document = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise Error("settings_invalid", f"{file.name} cannot be read: {e}") from None
    return drafted(document, settings, file.name, file.absolute().parent)


def _print(told: dict[str, Any], lines: list[str], as_json: bool) -> None:
    click.echo(json.dumps(told, indent=1) if as_json else "\n".join(lines))


def _summary(file: Path, settings: Settings) -> tuple[dict[str, Any], list[str], Any]:
    rows, operators, table, said = _read(file, settings)
    told: dict[str, Any] = {
        "routes": len(table),
        "prefixes": len({row.prefix for row in table.rows()}),
        "operators": len(operators),
        "links": sorted({name for row in table.rows() for name in row.way.links}),
        "warnings": said,
    }
    over = f"{told['prefixes']} prefixes, {told['operators']} operators, links {', '.join(told['links'])}"
    lines = [f"{file.name} is right: {told['routes']} routes on {over}", *(f"warning: {text}" for text in said)]
    return told, lines, (rows, operators, table)


@routes.command()
@_file
@_json
def check(file: Path, as_json: bool) -> int:
    """Read FILE as the appliance would: what is wrong, what is doubtful (exit code 2 when it is wrong)."""
    told, lines, _ = _summary(file, _settings())
    _print(told, lines, as_json)
    return 0


@routes.command("try")
@_file
@click.option("--day", default="yesterday", show_default=True, help="yesterday, today or a date such as 2026-11-22")
@_json
def try_(file: Path, day: str, as_json: bool) -> int:
    """Take a day's messages through the active routes and through FILE: how many would change link, by route.

    Numbers are opened in memory, one after the other, and neither shown nor kept. The unwrapping of the day's key is on
    the audit log.
    """
    from appliance.keys import BlockingKeyring
    from appliance.router import RouteShelf, Trial, through
    from appliance.store import Readers

    settings = _settings()
    _, lines, (_, _, table) = _summary(file, settings)
    number = _day(day)
    trial = Trial(through(RouteShelf(settings).loading()).table, table)
    ring, reader = BlockingKeyring(settings), Readers(settings.stores)
    try:
        cursor: str | None = None
        while True:
            from_ms, to_ms = number * DAY_MS, (number + 1) * DAY_MS
            rows, cursor = reader.search(from_ms=from_ms, to_ms=to_ms, limit=PAGE_ROWS, cursor=cursor)
            for row in rows:
                if not row.number:
                    continue
                try:
                    to = ring.by_id(row.key_id).open(row.number, b"n" + row.id).decode()
                except Error as e:
                    if e.code != "key_destroyed":
                        raise
                    continue
                trial.take(to, row.class_, row.sender, row.send_at_ms or row.accepted_ms, row.link)
            if trial.messages % PROGRESS_EACH < len(rows) and sys.stderr.isatty():
                click.echo(f"{trial.messages} messages ...", err=True)
            if cursor is None:
                break
    finally:
        reader.close()
        ring.close()
    told = trial.told()
    _print({"day": day_name(number), **told}, [*lines, *_trial_lines(day_name(number), told)], as_json)
    return 0


def _day(text: str) -> int:
    today = day_of(now_ms())
    if text in ("today", "yesterday"):
        return today - (text == "yesterday")
    for day in range(today, today - 3_651, -1):
        if day_name(day) == text:
            return day
    raise Error("invalid", f"{text!r} is no day that messages could be of", "yesterday, today or 2026-11-22")


def _trial_lines(day: str, told: dict[str, Any]) -> list[str]:
    n, changed = told["messages"], told["changed"]
    if not n:
        return [f"no messages of {day} are stored"]
    out = [f"{day}: {n} messages, {changed} would go otherwise ({changed / n:.1%})"]
    if told["only_sender_changed"]:
        out.append(f"  of these, {told['only_sender_changed']} over the same links with another sender")
    if told["without_route"]:
        out.append(f"  {told['without_route']} would be refused: no route takes them")
    for move in told["moves"]:
        out.append(
            f"  {move['messages']:>8}  {move['route_before']} -> {move['route_after']}:"
            f" {move['links_before']} -> {move['links_after']}"
        )
    if told["moves_not_shown"]:
        out.append(f"  and {told['moves_not_shown']} smaller groups")
    return out


@routes.command()
@_file
@_json
def activate(file: Path, as_json: bool) -> int:
    """Make FILE the active routes. Messages that wait are grouped anew; none is lost, traffic does not pause. On the audit log first."""
    from appliance.router import RouteShelf

    settings = _settings()
    told, lines, (rows, operators, _) = _summary(file, settings)
    shelf = RouteShelf(settings)
    heading = shelf.keep(rows, operators, at_command(), now_ms())
    _record(settings, heading.version, digest=heading.digest, routes=heading.routes)
    shelf.point(heading.version, heading.digest)
    taken = _load(settings)
    told |= {"version": heading.version, "digest": heading.digest, "engine": taken}
    _print(
        told, [*lines, f"version {heading.version} is active ({heading.digest[:16]})", *_taken_lines(taken)], as_json
    )
    return 0


@routes.command()
@_json
def back(as_json: bool) -> int:
    """Make the version active again that was before. On the audit log first."""
    from appliance.router import RouteShelf

    settings = _settings()
    shelf = RouteShelf(settings)
    now, before = shelf.back()
    _record(settings, before.version, digest=before.digest, back_from=now.version)
    shelf.put(before)
    taken = _load(settings)
    name = f"version {before.version}" if before.version else "the settings file's own routes"
    lines = [f"{name} active again, version {now.version} no longer", *_taken_lines(taken)]
    _print({"version": before.version, "before": now.version, "engine": taken}, lines, as_json)
    return 0


@routes.command("list")
@_json
def list_(as_json: bool) -> int:
    """Show the versions that are kept, which is active, and whether the engine has it."""
    from appliance.router import RouteShelf

    settings = _settings()
    shelf = RouteShelf(settings)
    active = shelf.pointer().version
    rows: list[dict[str, Any]] = [
        {"version": h.version, "active": h.version == active, "routes": h.routes, "at": rfc3339(h.at_ms), "who": h.who}
        | {"digest": h.digest}
        for h in shelf.versions()
    ]
    own = {"version": 0, "active": active == 0, "routes": len(settings.routes), "at": None, "who": "settings file"}
    rows.insert(0, own | {"digest": ""})
    lines = [
        f"{'*' if row['active'] else ' '} {row['version']:>6}  {row['routes']:>6} routes  {row['at'] or '-':<24}"
        f"  {row['who']}  {str(row['digest'])[:16]}"
        for row in rows
    ]
    _print({"versions": rows}, lines, as_json)
    return 0


@routes.command()
@click.argument("number")
@click.option(
    "--class", "class_", type=click.Choice(CLASSES), default="transaction", show_default=True, help="its class"
)
@click.option("--sender", default="", help="its sender, when it has one of its own")
@click.option("--at", help="when, such as 2026-11-22T18:30; now without it (UTC)")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="by these routes, not the active ones",
)
@_json
def explain(number: str, class_: str, sender: str, at: str | None, file: Path | None, as_json: bool) -> int:
    """Say step by step which link a message to NUMBER takes, and why. NUMBER is not recorded anywhere."""
    from appliance.numbering import normalise
    from appliance.router import RouteShelf, through
    from appliance.router import explain as explained

    settings = _settings()
    table = _summary(file, settings)[2][2] if file else through(RouteShelf(settings).loading()).table
    states: dict[str, Any] | None = None
    if at is None and file is None:
        try:
            answer = blocking_engines(settings).call("state", {}, timeout_s=2.0)
            states = {link["name"]: link for link in answer["links"]}
        except Error:
            states = None
    found = explained(table, normalise(number)[0], CLASSES.index(class_), sender, _at_ms(at), states)
    told = {
        "links": found.links,
        "sender": found.sender,
        "steps": [{"rule": s.rule, "matched": s.matched, "why": s.why} for s in found.steps],
    }
    lines = [f"{'->' if s.matched else '  '} {s.rule}: {s.why}" for s in found.steps]
    _print(told, [*lines, f"links: {', '.join(found.links) or 'none'}"], as_json)
    return 0 if found.links else 1


def _at_ms(text: str | None) -> int:
    from datetime import UTC, datetime

    if text is None:
        return now_ms()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Error("invalid", f"{text!r} is no time", "write 2026-11-22T18:30") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _record(settings: Settings, version: int, **detail: Any) -> None:
    recorder = BlockingRecorder(settings)
    try:
        recorder.record(at_command(), "routes.activated", f"routes:{version}", "ok", **detail)
    finally:
        recorder.close()


def _load(settings: Settings) -> dict[str, Any] | None:
    """What the engine says of the version it took; None when it does not run: it takes it when it starts."""
    client = blocking_engines(settings)
    try:
        answer: dict[str, Any] = client.call("routes_load", {"who": at_command()})
        return answer
    except Error as e:
        if e.code in ("peer_unavailable", "engine_unavailable"):
            return None
        raise
    finally:
        client.close()


def _taken_lines(taken: dict[str, Any] | None) -> list[str]:
    if taken is None:
        return ["the engine does not answer: it takes them when it starts"]
    out = [
        f"the engine took them: compiled in {taken['compiled_ms']} ms, never away for more than {taken['longest_ms']} ms"
    ]
    return out + [f"warning: {text}" for text in taken["problems"]]
