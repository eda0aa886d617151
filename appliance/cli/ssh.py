"""`casemate ssh`: whether SSH is open for a time; and what the unit that runs it has put on record."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.clock import rfc3339
from appliance.network import ssh as opening
from appliance.settings import home_of, load
from appliance.updates import Updates

ON = "box:ssh"


@click.group()
def ssh() -> None:
    """SSH for a time. It is opened and closed at the serial console (menu 18), and ends by itself."""


@ssh.command("status")
def status() -> None:
    """Say whether it is open, and until when (root alone sees it)."""
    until_ms = opening.until_ms()
    click.echo(f"open until {rfc3339(until_ms)[:19]}Z" if until_ms else "closed")


@ssh.command("entered", hidden=True)
@click.argument("address")
@click.argument("shown", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def entered(address: str, shown: Path) -> None:
    """Record who connected from ADDRESS, before a shell is given; SHOWN is what sshd says of the key (ExposeAuthInfo, sshd_config(5))."""
    line = shown.read_text(encoding="ascii").splitlines()[0].removeprefix("publickey ")
    key = opening.key_of(line)
    updates = Updates(load(home=home_of()))
    updates.recorder.record("cli:root", "ssh.entered", ON, "ok", address=address, fingerprint=key.digest.hex())


@ssh.command("ended", hidden=True)
def ended() -> None:
    """Record that its time is over; a person who closes it does that himself."""
    if not opening.by_a_person():
        Updates(load(home=home_of())).record_or_keep("cli:root", "ssh.closed", ON, why="by itself")
