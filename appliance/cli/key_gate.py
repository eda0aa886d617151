"""`casemate keys seal` and `unseal`: the token closed by a person, opened by the PIN typed or by custodians' shares, one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.ceremony import Console, Stopped
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.keys import read_line

from .key_acts import as_json_option, as_person, called, say
from .proving import signed

SHARE_LINES = 4


@click.command()
@signed
@as_json_option
def seal(user: str, password_file: Path | None, as_json: bool) -> int:
    """Seal the token: PIN and keys are forgotten, and a restart does not open it. One person may: it only takes away."""
    reply = as_person("seal", "keys.ask", user, password_file)
    return say(reply, "sealed; `casemate keys unseal` opens it", as_json)


@click.command()
@click.option("--share", is_flag=True, help="enter one custodian's share; the last that is needed opens the token")
@click.option(
    "--once-more", is_flag=True, help="one try although too many PINs were wrong: the HSM said that it has tries left"
)
@as_json_option
def unseal(share: bool, once_more: bool, as_json: bool) -> int:
    """Open the sealed token: type its PIN, or each custodian their share. Needs no account: who has the PIN, or the shares, may."""
    who = at_command()
    told = called("custody", {})
    if told["gate"] != "sealed":
        raise Error("key_state", "the token is not sealed", "see `casemate status`")
    if share:
        if not told.get("pin"):
            raise Error(
                "key_state", "the PIN is not in the custodians' hands", 'hsm.opened_by = "custodians", and a ceremony'
            )
        return _share(who, as_json)
    if told["opened_by"] == "custodians":
        raise Error("forbidden", "the custodians open this token, together", "`casemate keys unseal --share`, each one")
    pin = click.prompt("PIN of the token", hide_input=True, err=True) if told["opened_by"] == "person" else ""
    return say(called("unseal", {"who": who, "pin": pin, "once_more": once_more}), "open", as_json)


@click.command("pin")
@click.option("--once-more", is_flag=True, help="one try although too many PINs were wrong")
@signed
@as_json_option
def change_pin(once_more: bool, user: str, password_file: Path | None, as_json: bool) -> int:
    """Change the PIN of the token, of both where there are two: typed where a person opens it, else a new random one in the PIN file. Messages flow."""
    old = new = ""
    if called("custody", {})["opened_by"] == "person":
        old = click.prompt("PIN of the token", hide_input=True, err=True)
        new = click.prompt("new PIN", hide_input=True, confirmation_prompt="the same again", err=True)
    reply = as_person("pin", "keys.ask", user, password_file, old=old, new=new, once_more=once_more)
    return say(reply, f"the PIN is another one: {', '.join(reply['hsms'])} HSM", as_json)


def _share(who: str, as_json: bool) -> int:
    terminal = Console()
    try:
        lines = [_line(terminal, n) for n in range(SHARE_LINES)]
    except Stopped:
        return 1
    reply: dict[str, Any] = called("share_enter", {"lines": lines})
    terminal.wipe()
    if reply["entered"] < reply["needed"]:
        return say(reply, f"{reply['entered']} of {reply['needed']} shares are in; forgotten in 15 minutes", as_json)
    return say(called("unseal", {"who": who, "shares": True}), "open", as_json)


def _line(terminal: Console, n: int) -> str:
    while True:
        typed = terminal.ask(f"line {n + 1}:")
        try:
            read_line(n, typed)
            return typed
        except Error as e:
            click.echo(f"  {e.message}: {e.hint}.", err=True)


COMMANDS = (seal, unseal, change_pin)
