"""`casemate door`: accounts of the SMPP door for the bank's own systems, and what is due to them. Every act is on the audit log first."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from appliance.access import ALPHABETS, Access, DoorAccount, change_told
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.message import CLASSES
from appliance.settings import home_of, load

from .people import Desk, show, time_text

_json = click.option("--json", "as_json", is_flag=True, help="for programs")
_long = click.option(
    "--long", is_flag=True, help="32 characters instead of 8; many SMPP 3.4 clients take no more than 8"
)

#: Option of `create` and `change` -> what it sets. An option that is not given changes nothing.
_OPTIONS = (
    click.option(
        "--allow", "networks", multiple=True, help="network it binds from (CIDR), repeated; none: loopback only"
    ),
    click.option("--binds", "binds_max", type=int, help="binds at the same time"),
    click.option("--window", type=int, help="messages without an answer on one bind, each way"),
    click.option(
        "--rate", "rate_per_s", type=int, help="messages a second; 0: no limit  [default: limits.requests_per_s]"
    ),
    click.option("--class", "class_", type=click.Choice(CLASSES), help="class of messages that name none"),
    click.option("--alphabet", type=click.Choice(ALPHABETS), help="what data_coding 0 means"),
    click.option("--sender", help="sender of messages that have none"),
    click.option(
        "--inbound", multiple=True, help="number or short code whose messages go here, repeated; *: all others"
    ),
    click.option("--receipt-text/--no-receipt-text", default=None, help="receipts also in the text form"),
    click.option("--receipt-body/--no-receipt-body", default=None, help="with the first 20 characters of the message"),
)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None and value != ()}


def _shown(account: DoorAccount) -> dict[str, Any]:
    return {
        "system_id": account.system_id,
        "api_key": account.caller,
        "networks": " ".join(account.networks) or "loopback",
        "binds": account.binds_max,
        "window": account.window,
        "rate_per_s": account.rate_per_s,
        "class": account.class_,
        "alphabet": account.alphabet,
        "created": time_text(account.created_ms),
        "revoked": time_text(account.revoked_ms),
    }


def _print_password(account: DoorAccount, password: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"system_id": account.system_id, "api_key": account.caller, "password": password}))
    else:
        click.echo(f"door account `{account.system_id}`; keep its password, it is not shown again:", err=True)
        click.echo(password)


@click.group()
def door() -> None:
    """The SMPP door, through which the bank's own systems send and get their receipts."""


@door.command()
@_json
def letters(as_json: bool) -> None:
    """Show what is still to be handed to each account: receipts and customers' messages due, and set aside with the reason."""
    rows = [
        {
            "system_id": told["system_id"] or f"(account {told['account']}, revoked)",
            "due": told["due"],
            "oldest": time_text(told["oldest_ms"]),
            "aside": told["aside"],
            "reasons": ", ".join(f"{why} {count}" for why, count in sorted(told["reasons"].items())) or None,
        }
        for told in _ask("state")["letters"]
    ]
    show(rows, as_json)


@door.command()
@click.argument("system_id")
def again(system_id: str) -> None:
    """Hand what the system of account SYSTEM_ID refused for good over to it once more, in the old order."""
    desk = Desk()
    found = desk.access.door_account(system_id)
    if found is None:
        raise Error("not_found", "there is no such door account", "see `casemate door account list`")
    desk.record("door.letters_again", f"door:{system_id}")
    count = _ask("again", {"account": found.id})["letters"]
    click.echo(f"due again: {count}")


def _ask(operation: str, payload: dict[str, Any] | None = None) -> Any:
    client = BlockingClient(load(home=home_of()).socket("door"))
    try:
        return client.call(operation, payload or {})
    finally:
        client.close()


@door.group()
def account() -> None:
    """Who may bind to the door. The appliance must be running: each change goes on the audit log first."""


@account.command("create")
@click.argument("system_id")
@click.option("--api-key", "caller", type=int, required=True, help="number of the API key whose messages these are")
@_options
@_long
@_json
def create_account(system_id: str, caller: int, long: bool, as_json: bool, **options: Any) -> None:
    """Create the account SYSTEM_ID and print its password, which is never shown again.

    The token of the API key is a password of the account as well.
    """
    desk, given = Desk(), _given(options)
    desk.access.check_new_door_account(
        system_id, caller, **given
    )  # what will be refused is not to be on record as done
    desk.record("door.account_created", f"door:{system_id}", api_key=caller, **change_told(given))
    made, password = desk.access.create_door_account(system_id, caller, long, **given)
    _print_password(made, password, as_json)


@account.command("list")
@_json
def list_accounts(as_json: bool) -> None:
    """List all accounts, also the revoked ones."""
    show([_shown(a) for a in Access(load(home=home_of())).all_door_accounts()], as_json)


@account.command("show")
@click.argument("system_id")
@_json
def show_account(system_id: str, as_json: bool) -> None:
    """Show everything about the account SYSTEM_ID but its password."""
    found = Access(load(home=home_of())).door_account(system_id)
    if found is None:
        raise Error("not_found", "there is no such door account", "see `casemate door account list`")
    whole = {
        **_shown(found),
        "sender": found.sender or None,
        "inbound": " ".join(found.inbound) or None,
        "receipt_text": found.receipt_text,
        "receipt_body": found.receipt_body,
        "password_set": time_text(found.password_ms),
    }
    if as_json:
        click.echo(json.dumps(whole, indent=1))
        return
    for name, value in whole.items():
        click.echo(f"{name:<14}{'-' if value is None else value}")


@account.command("change")
@click.argument("system_id")
@_options
@click.option("--loopback-only", is_flag=True, help="take all networks away")
@click.option("--no-inbound", is_flag=True, help="take all recipients away")
@click.option("--usual-rate", is_flag=True, help="the rate of the setting limits.requests_per_s again")
def change_account(system_id: str, loopback_only: bool, no_inbound: bool, usual_rate: bool, **options: Any) -> None:
    """Change the account SYSTEM_ID. Networks and recipients given replace those it had. Works within a second."""
    desk, given = Desk(), _given(options)
    for off, name, empty in (
        (loopback_only, "networks", ()),
        (no_inbound, "inbound", ()),
        (usual_rate, "rate_per_s", None),
    ):
        if off and name in given:
            raise click.UsageError(f"{name.replace('_per_s', '')}: either set it or take it away")
        if off:
            given[name] = empty
    if not given:
        raise click.UsageError("nothing to change")
    desk.access.check_door_change(system_id, **given)
    desk.record("door.account_changed", f"door:{system_id}", **change_told(given))
    desk.access.change_door_account(system_id, **given)
    click.echo(f"door account `{system_id}` is changed")


@account.command("revoke")
@click.argument("system_id")
def revoke_account(system_id: str) -> None:
    """Revoke the account SYSTEM_ID: its binds end within a second, and what was still due to it is dropped in time."""
    desk = Desk()
    desk.access.check_door_change(system_id)
    desk.record("door.account_revoked", f"door:{system_id}")
    desk.access.revoke_door_account(system_id)
    click.echo(f"door account `{system_id}` is revoked")


@account.command("password")
@click.argument("system_id")
@_long
@_json
def new_password(system_id: str, long: bool, as_json: bool) -> None:
    """Make a new password for the account SYSTEM_ID and print it, which is never shown again. Binds it has stay."""
    desk = Desk()
    desk.access.check_door_change(system_id)
    desk.record("door.account_password", f"door:{system_id}")
    made, password = desk.access.new_door_password(system_id, long)
    _print_password(made, password, as_json)
