"""`casemate apikey` and `casemate user`: who may use the API and the console. Every change is on the audit log first."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from appliance.access import GLASS, ROLES, Access, Person
from appliance.audit import BlockingRecorder
from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.settings import home_of, load

_json = click.option("--json", "as_json", is_flag=True, help="for programs")


class Desk:
    """Access and audit log of this box."""

    def __init__(self) -> None:
        settings = load(home=home_of())
        self.access = Access(settings)
        self.recorder = BlockingRecorder(settings)
        self.who = at_command()

    def record(self, what: str, on: str, **detail: Any) -> None:
        self.recorder.record(self.who, what, on, "ok", **detail)


def show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    if not rows:
        click.echo("none yet", err=True)
        return
    columns = list(rows[0])
    cells = [columns, *([cell(row[c]) for c in columns] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    for line in cells:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def cell(value: Any) -> str:
    return "-" if value is None else str(value)


def time_text(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)


@click.group()
def apikey() -> None:
    """Create, list and revoke API keys. The appliance must be running: each change goes on the audit log first."""


@apikey.command("create")
@click.argument("name")
@click.option("--rate", type=int, help="messages a second; 0: no limit  [default: limits.requests_per_s]")
@_json
def create_key(name: str, rate: int | None, as_json: bool) -> None:
    """Create the API key NAME and print its token, which is never shown again."""
    desk = Desk()
    desk.access.check_new_api_key(name, rate)  # what will be refused is not to be on record as done
    desk.record("apikey.created", "apikey:new", name=name, rate_per_s=-1 if rate is None else rate)
    key, token = desk.access.create_api_key(name, rate)
    if as_json:
        click.echo(json.dumps({"id": key.id, "name": key.name, "token": token}))
    else:
        click.echo(f"API key {key.id} `{key.name}`; keep its token, it is not shown again:", err=True)
        click.echo(token)


@apikey.command("list")
@_json
def list_keys(as_json: bool) -> None:
    """List all API keys, also the revoked ones."""
    rows = [
        {
            "id": k.id,
            "name": k.name,
            "rate_per_s": k.rate_per_s,
            "created": time_text(k.created_ms),
            "revoked": time_text(k.revoked_ms),
        }
        for k in Access(load(home=home_of())).api_keys()
    ]
    show(rows, as_json)


@apikey.command("revoke")
@click.argument("number", type=int)
def revoke_key(number: int) -> None:
    """Revoke the API key with this NUMBER, as `casemate apikey list` shows it: it stops working within a second."""
    desk = Desk()
    found = desk.access.api_key(number)
    if found is None:
        raise Error("not_found", f"there is no API key {number}", "see `casemate apikey list`")
    desk.record("apikey.revoked", f"apikey:{number}", name=found.name)
    desk.access.revoke_api_key(number)
    click.echo(f"API key {number} `{found.name}` is revoked")


@apikey.command("webhook-secret")
@click.argument("number", type=int)
def key_webhook_secret(number: int) -> None:
    """Print the secret that signs the webhooks of API key NUMBER (`whsec_...`), for the program that checks them.

    NUMBER is what `casemate apikey list` shows. That the secret was shown goes on the audit log.
    """
    from appliance.courier import webhook_secret

    desk = Desk()
    found = desk.access.api_key(number)
    if found is None:
        raise Error("not_found", f"there is no API key {number}", "see `casemate apikey list`")
    desk.record("apikey.secret_shown", f"apikey:{number}", name=found.name)
    click.echo(webhook_secret(load(home=home_of()), number))


@click.group()
def user() -> None:
    """Create and list people who may use the console."""


@user.command("create")
@click.argument("name")
@click.option(
    "--role", type=click.Choice(list(ROLES)), default="administrator", show_default=True, help="what the person may do"
)
@click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    help="one line; - reads it from standard input  [default: asks]",
)
def create_user(name: str, role: str, password_file: Any) -> None:
    """Create the console user NAME. The password is asked for, or read from a file; never from the command line."""
    if password_file is not None:
        password = password_file.readline().rstrip("\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise click.UsageError("no terminal to ask for the password: use --password-file")
    desk = Desk()
    desk.access.check_new_user(name, password, role)  # as above: what will be refused is not on record as done
    desk.record("console.user_created", f"user:{name}", role=role)
    person = desk.access.create_user(name, password, role)
    click.echo(f"user {person.name} ({person.role}) may sign in to the console")


@user.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(list(ROLES)))
def change_role(name: str, role: str) -> None:
    """Give the console user NAME another ROLE. The session ends."""
    desk = Desk()
    found = _known(desk, name)
    desk.record("console.user_changed", f"user:{found.name}", change="role", role=role)
    desk.access.set_role(found.name, role)
    click.echo(f"user {found.name} has the role {role} from the next sign-in on")


@user.command("forget-factors")
@click.argument("name")
def forget_factors(name: str) -> None:
    """Forget the second factors of the console user NAME, who lost them. The next sign-in enrols a new one."""
    desk = Desk()
    found = _known(desk, name)
    desk.record("console.factor_removed", f"user:{found.name}", factor="all")
    desk.access.forget_factors(found)
    click.echo(f"the second factors of {found.name} are forgotten")


def _known(desk: Desk, name: str) -> Person:
    found = desk.access.user(name)
    if found is None:
        raise Error("not_found", "there is no such user", "see `casemate user list`")
    return found


@user.command("seal")
def seal_glass() -> None:
    """Print a new password of the break-glass account `breakglass`, for an envelope in the safe.

    It opens the console once, for an hour, without a second factor; everybody who looks after people is shown so, and the log and the SIEM are told. The password before no longer works.
    """
    desk = Desk()
    desk.record("console.glass_sealed", f"user:{GLASS}")
    password = desk.access.seal_glass(now_ms())
    click.echo(f"name `{GLASS}`; the password is not shown again:", err=True)
    click.echo(password)


@user.command("list")
@_json
def list_users(as_json: bool) -> None:
    """List the people who may use the console."""
    rows = [
        {"name": p.name, "role": p.role, "created": time_text(p.created_ms), "disabled": time_text(p.disabled_ms)}
        for p in Access(load(home=home_of())).users()
    ]
    show(rows, as_json)
