"""`casemate keys` for acts that two people decide: asked for, approved by another, done; and legal holds.

Both sign with their console password: who may open a terminal on the box is one person to the system, and that is not four eyes.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import click

from appliance.clock import day_name, now_ms, rfc3339
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.keys import BlockingKeyring
from appliance.settings import Settings, home_of, load

from .proving import proved, signed

PAUSE_S = 1.0  # between two passes over the stores
BAR_CHARACTERS = 30
ACT_S_MAX = 180.0  # a rotation opens the HSM anew, twice
#: What needs no ceremony; `back-up`, `replace-custodians` and `add-hsm` are asked for within theirs.
ACTS = (
    "destroy-key",
    "compromised-key",
    "rotate-root",
    "destroy-root",
    "lift-hold",
    "export-log",
    "weaken-audit",
    "replicate",
)
_EPOCH = date(1970, 1, 1).toordinal()

as_json_option = click.option("--json", "as_json", is_flag=True, help="for programs")


def called(op: str, payload: dict[str, Any], settings: Settings | None = None) -> dict[str, Any]:
    """The answer of the keys process."""
    client = BlockingClient((settings or load(home=home_of())).socket("keys"))
    try:
        reply: dict[str, Any] = client.call(op, payload, ACT_S_MAX)
        return reply
    finally:
        client.close()


def as_person(op: str, permission: str, user: str, password_file: Path | None, **payload: Any) -> dict[str, Any]:
    """Asks in the name of a person. Raises Error `unauthorized` and `forbidden`."""
    settings = load(home=home_of())
    who = proved(settings, permission, user, password_file)
    return called(op, {**payload, "who": who}, settings)


def say(reply: dict[str, Any], line: str, as_json: bool) -> int:
    click.echo(json.dumps(reply, indent=1) if as_json else line)
    return 0


def _day(text: str) -> int:
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        raise Error("invalid", f"{text!r} is no day", "a day is written 2026-11-22") from None


@click.command()
@click.argument("act", type=click.Choice(ACTS))
@click.argument("number", type=int, default=0)
@click.option("--reason", required=True, help="why, for the person who approves and for the audit log's readers")
@signed
@as_json_option
def ask(act: str, number: int, reason: str, user: str, password_file: Path | None, as_json: bool) -> int:
    """Ask for ACT on key, root or hold NUMBER. Nothing happens before another person approves it."""
    reply = as_person("ask", "keys.ask", user, password_file, act=act, on=number, reason=reason)
    return say(reply, f"request {reply['request']}: another person now runs `casemate keys approve`", as_json)


@click.command()
@click.argument("request", type=int)
@signed
@as_json_option
def approve(request: int, user: str, password_file: Path | None, as_json: bool) -> int:
    """Approve REQUEST of another person; it has to be done within a day of being asked for."""
    reply = as_person("decide", "keys.decide", user, password_file, request=request, yes=True)
    return say(reply, f"request {request} is {reply['state']}: {reply['asked_by']} may do it", as_json)


@click.command()
@click.argument("request", type=int)
@signed
@as_json_option
def refuse(request: int, user: str, password_file: Path | None, as_json: bool) -> int:
    """Refuse REQUEST, or take back your own."""
    reply = as_person("decide", "keys.decide", user, password_file, request=request, yes=False)
    return say(reply, f"request {request} is {reply['state']}", as_json)


@click.command()
@click.argument("request", type=int)
@signed
@as_json_option
def do(request: int, user: str, password_file: Path | None, as_json: bool) -> int:
    """Do what REQUEST was approved for. A rotation takes some seconds; messages go on meanwhile."""
    reply = as_person("do", "keys.ask", user, password_file, request=request)
    return say(reply, "done: " + ", ".join(f"{name} {value}" for name, value in reply.items()), as_json)


@click.command()
@click.argument("first")
@click.argument("last", required=False)
@click.option("--reason", required=True, help="case or order, without anybody's name")
@signed
@as_json_option
def hold(first: str, last: str | None, reason: str, user: str, password_file: Path | None, as_json: bool) -> int:
    """Put a legal hold on the days FIRST to LAST: their keys and messages are not erased. Lifting it takes two people."""
    days = {"first_day": _day(first), "last_day": _day(last or first)}
    reply = as_person("hold", "keys.ask", user, password_file, **days, reason=reason)
    return say(reply, f"hold {reply['hold']}", as_json)


@click.command()
@as_json_option
def requests(as_json: bool) -> int:
    """Show what was asked for, approved and done, newest first."""
    rows = called("requests", {})["requests"]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        on = f" {row['on']}" if row["on"] else ""
        by = f", {row['decided_by']}" if row["decided_by"] else ""
        click.echo(
            f"{row['approval_id']:4}  {row['state']:9} {row['act']}{on}  {row['asked_by']}{by}"
            f"  until {rfc3339(row['until_ms'])[:16]}  {row['reason']}"
        )
    return 0


@click.command("list")
@as_json_option
def list_keys(as_json: bool) -> int:
    """Show roots, keys with their states and dates (NIST SP 800-57), and legal holds."""
    state = called("state", {})
    shown = {name: state[name] for name in ("roots", "keys", "holds")}
    if as_json:
        click.echo(json.dumps(shown, indent=1))
        return 0
    for version, now in state["roots"].items():
        click.echo(f"root v{version}  {now}")
    for key in state["keys"]:
        under = f"key {key['parent']}" if key["parent"] else f"root v{key['root']}"
        click.echo(
            f"key {key['key_id']:<5} {key['purpose']:8} {day_name(key['day'])}  {key['state']:11} under {under:9}"
            f"  seals until {day_name(key['to_ms'] // 86_400_000)}"
        )
    for row in state["holds"]:
        click.echo(
            f"hold {row['hold_id']}  {day_name(row['first_day'])} to {day_name(row['last_day'])}  {row['who']}  {row['reason']}"
        )
    return 0


@click.command("confirm-clock")
@signed
@as_json_option
def confirm_clock(user: str, password_file: Path | None, as_json: bool) -> int:
    """Say that this box's clock is right after it went far ahead: days past their retention are erased again."""
    reply = as_person("confirm_clock", "keys.ask", user, password_file)
    return say(reply, f"today is {day_name(reply['today'])}", as_json)


@click.command()
@click.argument("key", type=int)
@signed
@as_json_option
def reseal(key: int, user: str, password_file: Path | None, as_json: bool) -> int:
    """Seal anew everything that the compromised data key KEY sealed, under the key in its place.

    Messages go on meanwhile. Cut off, run it again: what is done is not done twice. When it is over `destroy-key` ends the old one, and
    with it every copy that was sealed under it.
    """
    from appliance.audit import BlockingRecorder
    from appliance.keys import Resealing

    settings = load(home=home_of())
    who = proved(settings, "keys.ask", user, password_file)
    recorder = BlockingRecorder(settings)

    def call(process: str, op: str, payload: dict[str, Any], timeout_s: float = ACT_S_MAX) -> Any:
        with contextlib.closing(BlockingClient(settings.socket(process))) as client:
            return client.call(op, payload, timeout_s)

    ring = BlockingKeyring(settings)
    try:
        recorder.record(who, "key.reseal_begun", f"key:{key}")
        pause = partial(threading.Event().wait, PAUSE_S)
        done = Resealing(
            settings,
            call,
            {"verify": partial(_verifications, settings, ring), "flows": partial(_runs, settings, ring)},
            now_ms,
            pause,
            _bar,
        ).run(key, who)
        recorder.record(who, "key.resealed", f"key:{key}", rows=done["rows"])
    finally:
        ring.close()
        recorder.close()
    broken = f"; {done['unreadable']:,} cannot be read and stay as they are" if done["unreadable"] else ""
    return say(
        done, f"{done['rows']:,} rows are under another key{broken}; now `casemate keys ask destroy-key {key}`", as_json
    )


def _verifications(settings: Settings, ring: BlockingKeyring, key: int) -> tuple[int, int]:
    from appliance.verify import Book
    from appliance.verify import reseal as reseal_book

    old, new = ring.by_id(key), ring.successor(key)
    with contextlib.closing(Book(settings.home / "verify.db")) as book:
        return reseal_book(book, key, new.key_id, lambda sealed, aad: new.seal(old.open(sealed, aad), aad))


def _runs(settings: Settings, ring: BlockingKeyring, key: int) -> tuple[int, int]:
    from appliance.flows import Book, reseal

    old, new = ring.by_id(key), ring.successor(key)
    with contextlib.closing(Book(settings.home / "flows.db")) as book:
        return reseal(book, key, new.key_id, lambda sealed, aad: new.seal(old.open(sealed, aad), aad))


def _bar(what: str, share: float, rows: int) -> None:
    if sys.stderr.isatty():
        full = int(share * BAR_CHARACTERS)
        bar = "#" * full + "." * (BAR_CHARACTERS - full)
        click.echo(f"\r  [{bar}] {share:4.0%}  {rows:,} rows  {what:24}", err=True, nl=share >= 1.0)


COMMANDS = (list_keys, requests, ask, approve, refuse, do, hold, reseal, confirm_clock)
