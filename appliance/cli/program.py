"""`casemate`: the table of its commands, where each lives, and what every command has in common."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Final

import click

from appliance import __version__
from appliance.errors import Error
from appliance.intercom import share
from appliance.settings import home_of

from .exits import FAULT, tell

#: Name of the command -> (module of this room or another room's front door, name in it, one line of help).
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "up": ("appliance.cli.running", "up", "run the appliance here, in the foreground"),
    "run": ("appliance.cli.running", "run", "run one process of the appliance"),
    "simulate": ("appliance.cli.running", "simulate", "run a simulated operator"),
    "status": ("appliance.cli.status", "status", "show processes, links, queues, HSM and audit log"),
    "send": ("appliance.cli.send", "send", "send a file of messages; refusals are summed up by line"),
    "link": ("appliance.cli.links", "link", "operator links: list, drain, test, trace; link profiles"),
    "messages": ("appliance.cli.messages", "messages", "search messages; `messages show ID` for one"),
    "template": ("appliance.cli.templates", "template", "texts in many languages: save, try, list, remove"),
    "evidence": ("appliance.cli.evidence", "evidence", "what the rules decided, in a signed archive; check one"),
    "report": ("appliance.cli.reports", "report", "a day, a month by operator, service levels, access, an incident"),
    "verification": (
        "appliance.cli.verification",
        "verification",
        "one-time codes: what became of them, blocked prefixes",
    ),
    "workflow": (
        "appliance.cli.workflow",
        "workflow",
        "workflows: check, test, try, save; activated by two people; runs",
    ),
    "consent": ("appliance.cli.consent", "consent", "who asked not to be written to: import, export, decide"),
    "subject": ("appliance.cli.subject", "subject", "what the box holds about one number, for its owner"),
    "apikey": ("appliance.cli.people", "apikey", "create, list and revoke API keys"),
    "door": ("appliance.cli.door", "door", "accounts of the SMPP door, and what is due to them"),
    "sender": ("appliance.cli.senders", "sender", "senders and the countries they are registered in"),
    "user": ("appliance.cli.people", "user", "people of the console: create, list, change role, envelope"),
    "keys": (
        "appliance.cli.keys",
        "keys",
        "the HSM and its keys: list, hold, seal, unseal; acts that two people decide; try a new HSM",
    ),
    "ceremony": (
        "appliance.cli.ceremony",
        "ceremony",
        "key ceremonies: make, back up, restore, rotate keys",
    ),
    "register": (
        "appliance.cli.register",
        "register",
        "certificates, keys and secrets: owner, end; requests for new ones",
    ),
    "audit": ("appliance.cli.audit", "audit", "read, export and verify the audit log"),
    "routes": ("appliance.cli.routes", "routes", "check, try, activate and explain who takes which message"),
    "numbers": ("appliance.cli.numbers", "numbers", "ported numbers: import a database, look one up, go back"),
    "firmware": ("appliance.cli.firmware", "firmware", "releases: check, approve, install, roll back; hardware"),
    "hardware": (
        "appliance.cli.hardware",
        "hardware",
        "firmware of hardware: a vendor's cabinet shown, approved, written",
    ),
    "field": ("appliance.cli.field", "field", "the serial console, here for rehearsal"),
    "breakglass": ("appliance.cli.field", "breakglass", "an officer's answer to a box that asks for it"),
    "ssh": ("appliance.cli.ssh", "ssh", "whether SSH is open for a time; it is opened at the serial console"),
    "network": ("appliance.cli.network", "network", "the box's addresses and firewall, as the settings say"),
    "backup": ("appliance.cli.backup", "backup", "make, restore and try encrypted backups"),
    "install": ("appliance.cli.install", "install", "write the running system to a disk, attended or not"),
    "site": ("appliance.cli.install", "site", "a signed site file: what a new box is to become"),
    "volume": ("appliance.cli.volume", "volume", "the sealed state volume of a box and its recovery key"),
    "selftest": ("appliance.cli.selftest", "selftest", "is this box enough, what was shipped, and closed"),
    "settings": ("appliance.cli.settings", "settings", "print every setting, or check a settings file"),
    "config": ("appliance.cli.config", "config", "the settings as code: export, compare, ask for, put into use"),
    "bench": ("appliance.bench", "bench", "measure segments a second, end to end"),
}


class _Commands(click.Group):
    """Loads a command only when it is called: `casemate run engine` must not pay for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="casemate", message="%(prog)s %(version)s")
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), help="state folder [CASEMATE_HOME]")
def program(home: Path | None) -> None:
    """Casemate, a bank's own messaging appliance.

    CASEMATE_HOME names the state folder, CASEMATE_CONFIG the settings file; `casemate COMMAND --help` says more.
    """
    if home is not None:
        import os

        os.environ["CASEMATE_HOME"] = str(home.absolute())
    share(home_of())


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. No traceback reaches a person: an Error is told in two lines, anything else by where it is logged."""
    try:
        result: Any = program.main(arguments, prog_name="casemate", standalone_mode=False)
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as e:
        e.show()
        return e.exit_code
    except Error as e:
        return tell(e)
    except BrokenPipeError:
        sys.stderr.close()
        return FAULT
    return result if isinstance(result, int) else 0
