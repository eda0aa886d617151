"""`casemate field` and `casemate breakglass`: the serial console in any terminal, and the officer's end of its challenges."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from appliance.errors import Error
from appliance.field import PAGES, Console, Field, Hands, Terminal, codes, officers
from appliance.settings import home_of, load
from appliance.updates import Updates


@click.command()
@click.option("--forever", is_flag=True, help="sign-in again after each session: what the unit of the serial line does")
@click.option("--manual", is_flag=True, help="print the menu as the manual has it, and end")
def field(forever: bool, manual: bool) -> int:
    """The serial console: a numbered menu for who stands in front of the box; here for rehearsal.

    Sign-in is by an account of its own with a code of the telephone, by the bank's officers (`glass`), or by the PIN from the safe (`envelope`).
    """
    if manual:
        from appliance.field import manual as made

        click.echo(made())
        return 0
    settings = load(home=home_of())
    config = Path(os.environ.get("CASEMATE_CONFIG") or "/etc/casemate/casemate.toml")
    updates = Updates(settings)
    hands = Hands(settings, config, updates)
    with Terminal(sys.stdin.fileno(), sys.stdout.fileno()) as terminal:
        console = Console(terminal, Field(settings, updates.serial), hands, PAGES)
        console.run() if forever else console.once()
    return 0


@click.group()
def breakglass() -> None:
    """An officer's answer to a box that asks for it. Runs on the bank's desk; no box and no network is needed.

    KEY is the officer's RSA key: a file, or a pkcs11: URI of a smartcard or an HSM (CASEMATE_PKCS11_MODULE, CASEMATE_PIN_FILE).
    """


_key = click.option("--key", required=True, help="file, or pkcs11: URI")


@breakglass.command()
@click.argument("serial")
@_key
def enrol(serial: str, key: str) -> int:
    """Print the box key of the box SERIAL, to be entered there once (menu 13, `officer`). It answers for this box alone."""
    made = officers.enrolment(officers.box_key(serial, key))
    click.echo("\n".join("-".join(made[n : n + 4] for n in range(start, min(start + 28, 52), 4)) for start in (0, 28)))
    return 0


@breakglass.command()
@click.argument("serial")
@click.argument("purpose", type=click.Choice(codes.PURPOSES))
@click.argument("nonce")
@_key
@click.option("--yes", is_flag=True, help="without asking")
def answer(serial: str, purpose: str, nonce: str, key: str, yes: bool) -> int:
    """Print the answer to the challenge that the box SERIAL shows: for PURPOSE, with its NONCE."""
    if not yes and not click.confirm(f"Let somebody in at {serial}, for {purpose}?", err=True):
        raise Error("forbidden", "not answered")
    made = officers.answer(serial, purpose, nonce, officers.box_key(serial, key))
    click.echo("-".join(made[n : n + 4] for n in range(0, len(made), 4)))
    return 0
