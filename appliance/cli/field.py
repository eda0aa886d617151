"""`casemate field` and `casemate breakglass`: the serial console in any terminal, and the officer's end of its challenges."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from appliance import ceremony
from appliance.errors import Error
from appliance.field import PAGES, Cancelled, Console, Field, Hands, Left, Terminal, codes, officers, programs
from appliance.field import lines as lines_of
from appliance.settings import Settings, home_of, load, parse
from appliance.updates import Updates
from appliance.volume import root_disk


class _Line:
    """The serial console's terminal as a ceremony uses one."""

    def __init__(self, terminal: Terminal, idle_s: float) -> None:
        self.terminal, self.idle_s = terminal, idle_s

    def say(self, text: str = "") -> None:
        self.terminal.say(*text.split("\n"))

    def ask(self, prompt: str, hidden: bool = False) -> str:
        try:
            typed = self.terminal.line(f"{prompt} ", self.idle_s, secret=hidden).strip()
        except (Cancelled, Left):
            raise ceremony.Stopped from None
        if typed == "STOP":
            raise ceremony.Stopped
        return typed

    def wipe(self) -> None:
        self.terminal.wipe()


class _Ceremonies:
    """Ceremonies for the serial console; their transcripts lie where those of `casemate ceremony` do."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def listed(self) -> list[tuple[str, str]]:
        return [(name, ceremony.load(name).title) for name in ceremony.names()]

    def held(
        self, name: str, terminal: Terminal, idle_s: float, needed: int, custodians: int, rehearsal: bool
    ) -> tuple[bool, str]:
        folder = ceremony.new_folder(self.settings, f"rehearsal-{name}" if rehearsal else name)
        backup = (
            Path(self.settings["field.media"], "keys-backup")
            if name in ("back-up", "restore") and not rehearsal
            else None
        )
        hold = ceremony.rehearse if rehearsal else ceremony.run
        terms = ceremony.Terms(folder, needed, custodians, backup)
        return hold(self.settings, name, _Line(terminal, idle_s), terms).state == ceremony.DONE, str(folder)


def _settings(strict: bool) -> tuple[Settings, str]:
    """The settings, or the defaults and what is wrong with the file: the console has to be there when it is, of all times."""
    try:
        return load(home=home_of()), ""
    except Error as e:
        if strict:
            raise
        return parse({}, home_of(), "defaults"), e.message


def _lines(settings: Settings) -> dict[str, int]:
    """Lines and their speeds; without those of the settings when they are wrong."""
    try:
        return lines_of.found(settings["field.lines"])
    except Error:
        return lines_of.found([])


@click.command()
@click.option("--forever", is_flag=True, help="sign-in again after each session: what the unit of the serial line does")
@click.option(
    "--lines", is_flag=True, help="start it on every further line of settings and firmware: what a unit does at a start"
)
@click.option("--manual", is_flag=True, help="print the menu as the manual has it, and end")
def field(forever: bool, lines: bool, manual: bool) -> int:
    """The serial console: a numbered menu for who stands in front of the box; here for rehearsal.

    Sign-in is by an account of its own with a code of the telephone, by the bank's officers (`glass`), or by the PIN from the safe (`envelope`).
    """
    if manual:
        from appliance.field import manual as made

        click.echo(made())
        return 0
    settings, fault = _settings(strict=not (forever or lines))
    if lines:
        for name in sorted(_lines(settings).keys() - {lines_of.FIRST}):
            programs.ran("line", f"casemate-field@{name}.service")
        return 0
    config = Path(os.environ.get("CASEMATE_CONFIG") or "/etc/casemate/casemate.toml")
    updates = Updates(settings)
    hands = Hands(settings, config, updates)
    hands.ceremonies = _Ceremonies(settings)
    if forever and updates.machine.root_hash:  # the box itself, started from its own disk: never a rehearsal
        hands.disk = Path("/dev", root_disk())
    if forever and os.isatty(sys.stdin.fileno()):
        name = os.ttyname(sys.stdin.fileno()).removeprefix("/dev/")
        lines_of.set_speed(sys.stdin.fileno(), _lines(settings).get(name, lines_of.SPEED))
    with Terminal(sys.stdin.fileno(), sys.stdout.fileno()) as terminal:
        console = Console(terminal, Field(settings, updates.serial), hands, PAGES, fault)
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
