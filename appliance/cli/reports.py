"""`casemate report`: the reports of the console, as archives: PDF, CSV, and the proof that they are in the audit log."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.clock import day_of, now_ms
from appliance.errors import Error

from .people import Desk

if TYPE_CHECKING:
    from appliance.reports import Known, Report

DAY = click.DateTime(["%Y-%m-%d"])
MONTH = click.DateTime(["%Y-%m"])
TIME = click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])
_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group()
def report() -> None:
    """Write a report as FILE (zip): PDF, CSV, and the checkpoint and proof that it is in the audit log.

    Times are UTC. The appliance must be running; `casemate evidence verify FILE --key KEY` checks one on any machine.
    """


def _write(file: Path, make: Callable[[Known, Desk], Report]) -> None:
    """Counts what is not counted yet, which may take minutes for a month of many millions."""
    from appliance.figures import FiguresBook
    from appliance.intercom import BlockingClient
    from appliance.reports import Known, write

    from .consent import _settings

    settings, desk = _settings(), Desk()
    auditor = BlockingClient(settings.socket("auditor"))
    book = FiguresBook(settings, now_ms)
    names = {key.id: key.name for key in desk.access.api_keys()}
    known = Known(settings, book, auditor.call, names, now_ms())
    handle, part = tempfile.mkstemp(prefix=".report-", dir=file.absolute().parent)  # only its owner may read it
    os.close(handle)
    try:
        manifest = write(Path(part), make(known, desk), known, desk.recorder, desk.who)
        Path(part).replace(file)
    finally:
        auditor.close()
        book.close()
        Path(part).unlink(missing_ok=True)
    for name, said in manifest["files"].items():
        click.echo(f"{said['rows']:>10,} rows  {name}" if "rows" in said else f"{'':>15}  {name}")
    click.echo(f"written to {file.name}; to check it elsewhere: casemate evidence verify {file.name} --key KEY")


@report.command("daily")
@click.argument("day", type=DAY)
@_file
def daily_(day: datetime, file: Path) -> None:
    """Operations of DAY."""
    from appliance.reports import daily

    _write(file, lambda known, desk: daily(known, _day(day)))


@report.command("monthly")
@click.argument("month", type=MONTH)
@_file
def monthly_(month: datetime, file: Path) -> None:
    """Delivery by operator in MONTH, as 2026-11."""
    from appliance.reports import monthly

    _write(file, lambda known, desk: monthly(known, month.year, month.month))


@report.command("sla")
@click.argument("first", type=DAY)
@click.argument("last", type=DAY)
@_file
def sla_(first: datetime, last: datetime, file: Path) -> None:
    """What the settings promise, and what was kept, from FIRST to LAST."""
    from appliance.reports import sla

    _write(file, lambda known, desk: sla(known, *_days(first, last)))


@report.command("access")
@click.argument("first", type=DAY)
@click.argument("last", type=DAY)
@_file
def access_(first: datetime, last: datetime, file: Path) -> None:
    """Who may do what now, and who did from FIRST to LAST."""
    from appliance.reports import review

    _write(file, lambda known, desk: review(known, desk.access, *_days(first, last)))


@report.command("incident")
@click.option("--from", "begin", type=TIME, required=True, help="when it began")
@click.option("--until", type=TIME, required=True, help="until when to look")
@click.option("--detected", type=TIME, required=True, help="when the bank knew of it")
@click.option("--classified", type=TIME, required=True, help="when it was classified as major")
@click.option("--reference", default="", help="the bank's own reference")
@_file
def incident_(
    begin: datetime, until: datetime, detected: datetime, classified: datetime, reference: str, file: Path
) -> None:
    """The timeline of an incident, and the three forms of DORA with what the box knows filled in."""
    from appliance.reports import Incident, checked
    from appliance.reports import report as of_incident

    told = checked(Incident(reference, *(_ms(at) for at in (begin, until, detected, classified))), now_ms())
    _write(file, lambda known, desk: of_incident(known, told))


def _days(first: datetime, last: datetime) -> tuple[int, int]:
    from appliance.limits import REPORT_DAYS_MAX

    days = _day(first), _day(last)
    if days[0] > days[1] or days[1] - days[0] >= REPORT_DAYS_MAX:
        raise Error("invalid", f"the first day is before the last, and {REPORT_DAYS_MAX} days are the most")
    return days


def _day(moment: datetime) -> int:
    return day_of(_ms(moment))


def _ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)
