"""`casemate firmware`: releases of this box. Checked by anybody, asked for and approved by two, installed, blessed, rolled back; firmware of the hardware."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import click

from appliance.backup import staged
from appliance.clock import now_ms
from appliance.field import destroy_keys, programs
from appliance.invoker import at_command
from appliance.settings import home_of, load
from appliance.updates import (
    Cabinets,
    Refused,
    Updates,
    asked_lines,
    at_start,
    gating,
    inspecting,
    inventory,
    noticed,
    status_lines,
    window,
)
from appliance.updates import restart as restart_machine

from .proving import proved, signed

REFUSED = 1
_json = click.option("--json", "as_json", is_flag=True, help="for programs")
_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group()
def firmware() -> None:
    """Releases of this box: check a bundle, ask, approve, install, roll back; firmware of the hardware.

    FILE is a release's bundle (.raucb). Nothing here needs a network.
    """


def _updates() -> Updates:
    return Updates(load(home=home_of()))


class Progress:
    """One line on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self.shown = ""

    def __call__(self, what: str, octets: int, whole: int) -> None:
        line = f"{what}: {octets * 100 // whole if whole else 100} %"
        if sys.stderr.isatty() and line != self.shown:
            click.echo(f"\r{line:<60}", nl=False, err=True)
            self.shown = line

    def end(self) -> None:
        if self.shown:
            click.echo("\r" + " " * 60 + "\r", nl=False, err=True)


def _told(refused: Refused) -> int:
    click.echo(f"refused: {refused.sentence} [{refused.code}]\n  {refused.hint}", err=True)
    return REFUSED


# --- looking ----------------------------------------------------------------------------------------------------


@firmware.command()
@_json
def status(as_json: bool) -> int:
    """Show the release, both slots and the newest requests."""
    found = _updates().state()
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return 0
    click.echo("\n".join(status_lines(found)))
    return 0


@firmware.command()
@_file
@_json
def check(file: Path, as_json: bool) -> int:
    """Check FILE as an installation would: signer, every octet of its content, this box. Exits with 1 when it is refused."""
    progress = Progress()
    try:
        found = _updates().look(file, at_command(), partial(progress, "reading"))
    except Refused as e:
        progress.end()
        if as_json:
            click.echo(json.dumps({"refused": e.code, "message": e.sentence, "hint": e.hint}))
            return REFUSED
        return _told(e)
    progress.end()
    click.echo(json.dumps(found._asdict(), indent=1) if as_json else "\n".join(asked_lines(found)))
    return 0


# --- two people -------------------------------------------------------------------------------------------------


@firmware.command()
@_file
@click.option("--reason", required=True, help="why, for the person who approves and for the audit log's readers")
@signed
def ask(file: Path, reason: str, user: str, password_file: Path | None) -> int:
    """Ask for FILE to be installed. Another person then runs `casemate firmware approve`."""
    updates = _updates()
    who = proved(updates.settings, "firmware.ask", user, password_file)
    try:
        number = updates.ask(file, reason, who)
    except Refused as e:
        return _told(e)
    click.echo(f"request {number}: another person now runs `casemate firmware approve {number}`")
    return 0


@firmware.command()
@click.argument("request", type=int)
@signed
def approve(request: int, user: str, password_file: Path | None) -> int:
    """Approve REQUEST of another person; it has to be installed within a day of being asked for."""
    return _decided(request, True, user, password_file)


@firmware.command()
@click.argument("request", type=int)
@signed
def refuse(request: int, user: str, password_file: Path | None) -> int:
    """Refuse REQUEST, or take back your own."""
    return _decided(request, False, user, password_file)


def _decided(request: int, approves: bool, user: str, password_file: Path | None) -> int:
    updates = _updates()
    state = updates.decide(request, approves, proved(updates.settings, "firmware.approve", user, password_file))
    click.echo(f"request {request} is {state}")
    return 0


# --- slots ------------------------------------------------------------------------------------------------------


@firmware.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--request", type=int, help="number of the request that was approved")
@click.option(
    "--approved",
    is_flag=True,
    help="install the newest approved request from where it was; nothing to do is no mistake",
)
def install(file: Path | None, request: int | None, approved: bool) -> int:
    """Write FILE to the slot that does not run. Messages flow meanwhile; cut off, call it again and it goes on."""
    updates = _updates()
    if approved:
        found = updates.approved()
        if found is None:
            click.echo("nothing is approved", err=True)
            return 0
        file, request = Path(found.path), found.number
    if file is None:
        raise click.UsageError("name a FILE, or --approved")
    progress = Progress()
    try:
        version = updates.install(file, at_command(), progress, request)
    except Refused as e:
        progress.end()
        return _told(e)
    progress.end()
    click.echo(f"release {version} is started next: `casemate firmware restart`")
    return 0


@firmware.command()
@click.option(
    "--window",
    "in_window",
    is_flag=True,
    help="only in the hours of `firmware.window`, and only when a release or firmware of hardware waits",
)
def restart(in_window: bool) -> int:
    """Restart the box. The processes stop in their order: faces first, then the engine, which waits for answers of operators."""
    updates = _updates()
    if in_window:
        waiting = Cabinets(updates).waits() or any(s["state"] == "written" for s in updates.state()["slots"])
        if not waiting or not window.open_at(updates.settings["firmware.window"], now_ms()):
            return 0
    gating.leaving(updates.settings, updates)
    updates.recorder.record(at_command(), "box.restarted", "box:self", act="restart")
    restart_machine()
    return 0


@firmware.command()
@click.option("--reason", required=True, help="for the audit log's readers")
def rollback(reason: str) -> int:
    """Go back to the release in the other slot at the next start. The one that runs is not installed again."""
    updates = _updates()
    left = updates.roll_back(at_command(), reason)
    click.echo(f"{left} is left at the next start: `casemate firmware restart`")
    return 0


@firmware.command()
def bless() -> int:
    """Say that the running release is good, without the health gate."""
    click.echo(f"{_updates().bless(at_command())} is good")
    return 0


@firmware.command()
def reinstate() -> int:
    """Let the other slot's release, which failed or was left, be tried again at the next start."""
    click.echo(f"{_updates().reinstate(at_command())} is tried at the next start: `casemate firmware restart`")
    return 0


@firmware.command()
def inspect() -> int:
    """Look into what was uploaded in the console, in a process that can do nothing else. For the unit that waits for it; exits with 1 when it is refused."""
    verdict = inspecting.inspect(_updates())
    if not verdict:
        click.echo("nothing was uploaded that nobody looked into", err=True)
        return 0
    click.echo(inspecting.told(verdict), err=True)
    return REFUSED if "refused" in verdict else 0


@firmware.command()
def gate() -> int:
    """Wait until the running release proves itself, and bless it; exits with 1 when it does not. For the unit of a start."""
    updates = _updates()
    running = [s for s in updates.state()["slots"] if s["name"] == updates.state()["running"]]
    if running and running[0]["state"] == "good":
        updates.flush()
        click.echo("this release is good already")
        return 0
    word = gating.run(updates.settings, updates, lambda line: click.echo(line, err=True))
    click.echo("good" if word == "bless" else "not good: the machine has to start again")
    return 0 if word == "bless" else REFUSED


@firmware.command()
def started() -> int:
    """Put a restored state in its place; copy the stores before a new release opens them; put books back after going back. For the unit of a
    start, before the processes."""
    taken = staged.take(home_of(), destroy_keys)
    updates = _updates()
    if taken is not None:
        click.echo("a restored backup is in place; what it replaced is destroyed")
        for kind, digest in taken.digests.items():
            updates.keep(taken.who, "backup.restored", f"backup:{kind}", kind=kind, digest=digest)
        programs.ran("lines again")  # the serial console may have opened its accounts already
    for line in at_start(updates):
        click.echo(line)
    return 0


# --- hardware ---------------------------------------------------------------------------------------------------


@firmware.command("inventory")
@_json
def inventory_(as_json: bool) -> int:
    """Show the firmware of the hardware; compare it with the bank's approved list. Exits with 1 when something differs.

    `--json` prints the list to approve: save it and name it in `firmware.hardware_list`.
    """
    updates = _updates()
    noticed(updates)
    updates.flush()  # ten minutes after a start and once a day: what was kept while the log did not answer
    cabinets = Cabinets(updates)
    devices = cabinets.devices()
    found = inventory.read(updates.machine, inventory.token(updates.settings), devices)
    if cabinets.able():
        cabinets.settle(devices, found)
    if as_json:
        click.echo(inventory.list_text(found))
    else:
        width = max(map(len, found), default=0)
        click.echo(
            "\n".join(f"{part:<{width}}  {value}" for part, value in found.items())
            or "this machine shows nothing of its firmware"
        )
    return inventory.compared(updates, found, lambda line: click.echo(line, err=True))
