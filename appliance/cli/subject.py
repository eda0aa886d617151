"""`casemate subject`: what the box holds about one telephone number, for its owner. The number never is on a command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from appliance.clock import now_ms
from appliance.errors import Error

from .people import Desk


@click.group()
def subject() -> None:
    """What the box holds about the owner of one telephone number (GDPR art. 15)."""


def number_of(given: Any) -> str:
    """The number in E.164, typed or from a file. Raises Error `number_invalid`, without what was given."""
    from appliance.numbering import normalise

    if given is None and sys.stdin.isatty():
        text = click.prompt("number", err=True)
    else:
        text = (given or sys.stdin).readline()
    try:
        return normalise(text.strip())[0]
    except Error as e:
        raise Error(e.code, "what was given is no telephone number", "one line, +39 333 123 4567") from None


def _progress(what: str, done: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r  {done:,} rows of {what}   ", err=True, nl=False)


@subject.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--number-file", type=click.File(encoding="utf-8"), help="the number; else it is read from standard input"
)
def export(folder: Path, number_file: Any) -> None:
    """Write everything the box holds about one number into the new FOLDER as JSON.

    The number is read from standard input or a file: a command line is visible to others. Recorded in the audit log, without the
    number, before anything is read; keys process and auditor must be running.
    """
    from appliance.keys import BlockingKeyring
    from appliance.subject import Holdings, write

    from .consent import _settings

    number, settings, desk = number_of(number_file), _settings(), Desk()
    ring = BlockingKeyring(settings)
    try:
        manifest = write(folder, Holdings(settings, ring, number), desk.recorder, desk.who, now_ms(), _progress)
    finally:
        ring.close()
    for name, said in manifest["files"].items():
        click.echo(f"{said['rows']:>10,} rows  {name}")
    click.echo(f"written to {folder.name}; it holds what was written in clear: erase it when it was handed over")
