"""`casemate consent`: lists of numbers in and out, what a number's customer asked for, and messages that a person has to read."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.settings import Settings, home_of, load
from appliance.shards import blocking_engines

from .people import Desk, show, time_text

_json = click.option("--json", "as_json", is_flag=True, help="for programs")
PAGE = 50


@click.group()
def consent() -> None:
    """Who asked not to be written to. Every use is on the audit log first, without a number; the appliance must be running."""


def _settings() -> Settings:
    """The appliance's; those of the demo when it wrote some and no other file is named."""
    home = home_of()
    demo = home / "run" / "demo.toml"
    named = os.environ.get("CASEMATE_CONFIG") or Path("/etc/casemate/casemate.toml").exists()
    return load(demo if not named and demo.exists() else None, home)


@contextlib.contextmanager
def _open() -> Iterator[tuple[Settings, Any, Any]]:
    """Settings, book and keys."""
    from appliance.consent import Book
    from appliance.keys import BlockingKeyring

    settings = _settings()
    ring = BlockingKeyring(settings)
    book = Book(settings.home / "consent.db")
    try:
        yield settings, book, ring
    finally:
        book.close()
        ring.close()


def _progress(what: str, done: int, of: int) -> None:
    if sys.stderr.isatty() or done == of:
        share = f" of {of:,}" if of else ""
        click.echo(f"\r  {done:,}{share} {what}", err=True, nl=done == of)


def _effective(settings: Settings, subject: bytes, programmes: list[str], out: bool, who: str) -> int:
    """Tells the engine, which has messages queued; how many it cancelled."""
    client = blocking_engines(settings)
    try:
        payload = {"subject": subject, "programmes": programmes, "out": out, "who": who}
        return int(client.call("left_alone", payload)["cancelled"])
    finally:
        client.close()


@consent.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--programme", default="all", show_default=True, help="where a line names none")
def import_(file: Path, programme: str) -> int:
    """Suppress the numbers of FILE: CSV with the columns `number` and perhaps `programme`, or numbers alone.

    Done again it changes nothing. Lines that are wrong are told by number (exit code 2). What is queued already still leaves.
    """
    from appliance.consent import bring_in, read

    desk = Desk()
    with _open() as (settings, book, ring):
        listed = read(file, programme, [p.name for p in settings.programmes], _progress)
        numbers = sum(map(len, listed.numbers.values()))
        desk.record("consent.imported", "consent:list", numbers=numbers, refused=len(listed.refused))
        new, known = bring_in(book, ring, listed, desk.who, now_ms(), _progress)
    click.echo(f"{new:,} suppressed, {known:,} were before, {len(listed.refused):,} lines refused")
    for line, code in listed.refused[:20]:
        click.echo(f"  line {line}: {code}", err=True)
    return 2 if listed.refused else 0


@consent.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path) -> None:
    """Write every suppression to FILE as CSV, numbers in clear, with source and evidence."""
    from appliance.consent import write_out

    desk = Desk()
    with _open() as (_, book, ring):
        desk.record("consent.exported", "consent:list", numbers=sum(book.counts().values()))
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            count = write_out(book, ring, out, _progress)
    click.echo(f"{count:,} suppressions written to {file.name}")


@consent.command("list")
@_json
def list_(as_json: bool) -> None:
    """How many numbers are suppressed in each programme."""
    with _open() as (_, book, _ring):
        counts = book.counts()
    show([{"programme": name or "all", "numbers": n} for name, n in counts.items()], as_json)


@consent.command()
@_json
def lookup(as_json: bool) -> int:
    """What was decided about a number, with the evidence. The number is read from standard input, not from the command line."""
    from appliance.consent import PURPOSE, row_of
    from appliance.keys import DataKey, blind_index
    from appliance.numbering import normalise

    desk = Desk()
    number = normalise(click.prompt("number", err=True) if sys.stdin.isatty() else sys.stdin.readline().strip())[0]
    with _open() as (_, book, ring):
        desk.record("consent.looked_up", "consent:number")
        subject = blind_index(ring.index_key(), number)
        key = DataKey(0, ring.derive(PURPOSE, ""))
        held = book.suppressed_in(subject)
        rows = [{"action": d.action, **row_of(d, key)} for d in book.history(subject)]
    show([{k: v for k, v in row.items() if k != "number"} for row in rows], as_json)
    names = ", ".join(name or "all" for name in held)
    click.echo(f"suppressed in: {names}" if held else "not suppressed", err=True)
    return 0


@consent.command()
@_json
def reviews(as_json: bool) -> None:
    """Customers' messages that may be a wish to be left alone; their texts are in GET /v1/inbound, by id."""
    from appliance.message import id_text

    with _open() as (_, book, _ring):
        found = book.reviews(limit=PAGE)
    rows = [
        {
            "n": r.n,
            "at": time_text(r.at_ms),
            "programme": r.programme or "all",
            "word": r.word,
            "message": id_text(r.evidence),
        }
        for r in found
    ]
    show(rows, as_json)


@consent.command()
@click.argument("n", type=int)
@click.argument("outcome", type=click.Choice(["stop", "none"]))
def decide(n: int, outcome: str) -> None:
    """Close the entry N of `casemate consent reviews`: `stop` suppresses its customer, `none` leaves all as it is."""
    desk = Desk()
    with _open() as (settings, book, _ring):
        if book.review(n) is None:
            raise Error("not_found", "there is no such open entry", "`casemate consent reviews` lists them")
        desk.record("consent.reviewed", f"review:{n}", act=outcome)
        review = book.close_review(n, outcome, now_ms(), desk.who)
        cancelled = 0
        if outcome == "stop":
            cancelled = _effective(settings, review.subject, [review.programme], True, desk.who)
    click.echo(f"closed: {outcome}" + (f"; {cancelled} queued messages cancelled" if cancelled else ""))
