"""`casemate evidence`: what the rules decided, in one archive that is checked on another machine."""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from appliance.clock import now_ms
from appliance.intercom import BlockingClient

from .people import Desk

DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.group()
def evidence() -> None:
    """Decisions about consent, senders, content and quiet hours, and the versions of the rules by which they were made."""


def _progress(what: str, done: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r  {done:,} rows of {what}   ", err=True, nl=False)


@evidence.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "begin", type=DAY, help="first day (UTC) [30 days ago]")
@click.option("--to", "end", type=DAY, help="day or time that it ends before (UTC) [now]")
@click.option("--number", is_flag=True, help="only about one number, which is read from standard input")
def export(file: Path, begin: datetime | None, end: datetime | None, number: bool) -> None:
    """Write FILE (zip): CSV files, a manifest of their digests, and the proof that the manifest is in the audit log.

    It holds no number and no text. Recorded in the audit log; the appliance must be running.
    """
    from appliance.evidence import write
    from appliance.keys import BlockingKeyring, blind_index
    from appliance.numbering import normalise

    from .consent import _settings

    settings, desk, at_ms = _settings(), Desk(), now_ms()
    to_ms = _ms(end) if end else at_ms
    from_ms = _ms(begin) if begin else to_ms - int(timedelta(days=30).total_seconds() * 1000)
    subject = None
    if number:
        given = click.prompt("number", err=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
        ring = BlockingKeyring(settings)
        subject = blind_index(ring.index_key(), normalise(given)[0])
        ring.close()
    auditor = BlockingClient(settings.socket("auditor"))
    handle, part = tempfile.mkstemp(prefix=".evidence-", dir=file.absolute().parent)  # only its owner may read it
    os.close(handle)
    try:
        manifest = write(Path(part), settings, auditor, desk.recorder, desk.who, from_ms, to_ms, subject, at_ms, _progress)  # fmt: skip
        Path(part).replace(file)
    finally:
        auditor.close()
        Path(part).unlink(missing_ok=True)
    for name, said in manifest["files"].items():
        cut = "  (there are more: ask for fewer days)" if said.get("more") else ""
        click.echo(f"{said['rows']:>10,} rows  {name}{cut}")
    click.echo(
        f"written to {file.name}; the next step, on another machine: casemate evidence verify {file.name} --key KEY"
    )


@evidence.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", required=True, help="the audit log's key that you were given, a line or a file")
def verify(file: Path, key: str) -> int:
    """Check FILE: every digest, and that its manifest is in the audit log signed by the key. Needs no appliance."""
    from appliance.audit import commands
    from appliance.evidence import checked

    manifest, proof, wrong = checked(file)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.tlog-proof"
        path.write_text(proof, encoding="utf-8")
        printed = commands.verify(path, key)
    for line in (*printed.lines, *(f"PROBLEM  {each}" for each in wrong)):
        click.echo(line)
    good = printed.ok and not wrong
    click.echo(f"{manifest['from']} to {manifest['to']}: " + ("the archive is whole" if good else "DO NOT RELY ON IT"))
    return 0 if good else 1


def _ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)
