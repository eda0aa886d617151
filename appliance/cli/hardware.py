"""`casemate hardware`: firmware of hardware in vendors' cabinets. Shown to anybody, asked for and approved by two, written by the box through fwupd."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import click

from appliance.errors import Error
from appliance.invoker import at_command
from appliance.settings import home_of, load
from appliance.updates import Cabinets, Refused, Updates, cabinet_lines, hardware_lines, inventory

from .proving import proved, signed

REFUSED = 1
AGAIN = 75  # EX_TEMPFAIL of sysexits.h: the unit tries again in five minutes
_json = click.option("--json", "as_json", is_flag=True, help="for programs")
_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group()
def hardware() -> None:
    """Firmware of BIOS, disks, cards: show a vendor's cabinet, ask, approve; the box then writes it through fwupd.

    FILE is a cabinet (.cab), as the vendor or LVFS publishes it. `casemate firmware inventory` shows what the hardware has. Nothing here needs a network.
    """


def _cabinets() -> Cabinets:
    return Cabinets(Updates(load(home=home_of())))


def _told(refused: Refused, as_json: bool = False) -> int:
    if as_json:
        click.echo(json.dumps({"refused": refused.code, "message": refused.sentence, "hint": refused.hint}))
    else:
        click.echo(f"refused: {refused.sentence} [{refused.code}]\n  {refused.hint}", err=True)
    return REFUSED


@hardware.command()
@_json
def status(as_json: bool) -> int:
    """Show what was asked for, and what became of it."""
    found = _cabinets().state()
    click.echo(json.dumps(found, indent=1) if as_json else "\n".join(hardware_lines(found)))
    return 0


@hardware.command()
@_file
@_json
def show(file: Path, as_json: bool) -> int:
    """Show what FILE is, who signed it and which devices of this box take it. Exits with 1 when it is refused."""
    try:
        found = _cabinets().look(file, at_command())
    except Refused as e:
        return _told(e, as_json)
    if as_json:
        click.echo(json.dumps({**found._asdict(), "fits": [f._asdict() for f in found.fits]}, indent=1))
    else:
        click.echo("\n".join(cabinet_lines(found)))
    return 0


@hardware.command()
@_file
@click.option("--reason", required=True, help="why, for the person who approves and for the audit log's readers")
@signed
def ask(file: Path, reason: str, user: str, password_file: Path | None) -> int:
    """Ask for FILE to be applied; the box keeps it. Another person then runs `casemate hardware approve`."""
    cabinets = _cabinets()
    who = proved(cabinets.updates.settings, "firmware.ask", user, password_file)
    try:
        number = cabinets.ask(file, reason, who)
    except Refused as e:
        return _told(e)
    two = cabinets.updates.settings["firmware.two_people"]
    then = f"another person now runs `casemate hardware approve {number}`" if two else "the box applies it now"
    click.echo(f"request {number}: {then}")
    return 0


@hardware.command()
@click.argument("request", type=int)
@signed
def approve(request: int, user: str, password_file: Path | None) -> int:
    """Approve REQUEST of another person; the box then writes it. `casemate hardware status` says how it went."""
    return _decided(request, True, user, password_file)


@hardware.command()
@click.argument("request", type=int)
@signed
def refuse(request: int, user: str, password_file: Path | None) -> int:
    """Refuse REQUEST, or take back your own."""
    return _decided(request, False, user, password_file)


def _decided(request: int, approves: bool, user: str, password_file: Path | None) -> int:
    cabinets = _cabinets()
    who = proved(cabinets.updates.settings, "firmware.approve", user, password_file)
    click.echo(f"request {request} is {cabinets.decide(request, approves, who)}")
    return 0


@hardware.command()
def apply() -> int:
    """Write everything that was approved, as root: for the unit that waits for it. Exits with 1 when something was refused or failed, with 75
    when it could not be tried: the audit log does not answer, or fwupd is at work."""
    # Inherited by fwupdmgr; the daemon waits by itself. Whoever stops the machine waits for the end of a write.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    cabinets = _cabinets()
    updates = cabinets.updates
    token = inventory.token(updates.settings)
    code = 0
    cabinets.taken()
    while (request := cabinets.approved()) is not None:
        try:
            result = cabinets.apply(
                request.number, at_command(), lambda found: inventory.read(updates.machine, token, found)
            )
        except Refused as e:
            code = _told(e)
            continue
        except Error as e:
            click.echo(f"not now: {e.message}\n  {e.hint}", err=True)
            return AGAIN
        code = code or (REFUSED if result["state"] == "failed" else 0)
        click.echo("\n".join(hardware_lines([r for r in cabinets.state() if r["number"] == request.number])))
    return code
