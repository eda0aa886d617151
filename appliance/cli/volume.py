"""`casemate volume`: the sealed state volume of a box and its recovery key. `open` and `enrol` are what the box runs at a start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Final

import click

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.settings import home_of, load
from appliance.volume import Escrow, digest, enrol, open_volume, root_disk, state_device

SHOWN: Final = Path("/run/casemate-recovery")  # what the greeting shows once, then removes
CONSOLES: Final = Path("/sys/class/tty/console/active")


def say(text: str) -> None:
    """A line on every console of the box, and in the journal."""
    click.echo(text, err=True)
    try:
        names = CONSOLES.read_text(encoding="ascii").split()
    except OSError:
        return
    for name in names:
        try:
            # Never makes a file where there is no such terminal.
            handle = os.open(f"/dev/{name}", os.O_WRONLY | os.O_NOCTTY)
            with os.fdopen(handle, "wb", buffering=0) as console:
                console.write(f"\r\nCasemate: {text}\r\n".encode())
        except OSError:
            continue


@click.group()
def volume() -> None:
    """The box's sealed state volume and its recovery key."""


@volume.command("open")
def open_() -> None:
    """Open the state volume, made at the first start of a box. Run by casemate-state.service."""
    try:
        open_volume(root_disk(), say)
    except Error as e:
        say(f"{e.message}. {e.hint}")
        raise


@volume.command("enrol")
def enrol_() -> None:
    """Make and show a recovery key unless one is confirmed. Run by casemate-recovery.service."""
    home = home_of()
    known = Escrow.of(home)
    if known is not None and known.confirmed_ms:
        return
    key = enrol(state_device(root_disk()))
    Escrow(digest(key), now_ms()).write(home)
    SHOWN.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(SHOWN / "key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key + "\n")


@volume.command("status")
def status() -> None:
    """Say whether the recovery key is confirmed to be in safe keeping."""
    known = Escrow.of(home_of())
    if known is None:
        click.echo("no recovery key: this is not a box with a sealed state volume")
    elif known.confirmed_ms:
        click.echo(f"confirmed {rfc3339(known.confirmed_ms)} by {known.confirmed_by}; made {rfc3339(known.made_ms)}")
    else:
        click.echo(
            f"NOT CONFIRMED: made {rfc3339(known.made_ms)}; each start makes and shows another until somebody confirms one"
        )


@volume.command("confirm")
@click.option("--key-file", type=click.File("r"), help='read it from a file, "-" for stdin; else it is asked for')
def confirm(key_file: IO[str] | None) -> None:
    """Confirm that the recovery key is in safe keeping, by typing it from there."""
    # Loaded here alone: `open` and `enrol` hold up a whole start.
    from appliance.audit import BlockingRecorder

    typed = key_file.read() if key_file is not None else click.prompt("Recovery key", hide_input=True)
    home, who = home_of(), at_command()
    known = Escrow.of(home)
    if known is None:
        raise Error("not_found", "this box has no recovery key", "only a box with a sealed state volume has one")
    recorder = BlockingRecorder(load(home=home))
    try:
        after = known.confirmed(str(typed), who, now_ms())
    except Error:
        recorder.record(who, "recovery.confirmed", "volume:state", "refused")
        raise
    recorder.record(who, "recovery.confirmed", "volume:state", "ok")
    after.write(home)
    click.echo("confirmed: it is not shown again and stays valid")
