"""`casemate network`: what the settings say of the box's network, rendered for the programs that do it."""

from __future__ import annotations

import json
import os
import pwd
import sys
import tomllib
from pathlib import Path

import click

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.network import KEYS, Changing, reach_of, tried
from appliance.network import render as render_files
from appliance.settings import home_of, load


@click.group()
def network() -> None:
    """The box's addresses and firewall, as the settings say."""


@network.command("render")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--units",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/run/systemd/network"),
    show_default=True,
    help="folder of the network unit",
)
def render(folder: Path, units: Path) -> None:
    """Write firewall.nft, nginx.conf, chrony.d/, the network unit and which processes there are more than one of: what the appliance does at boot and when settings change."""
    for host in render_files(load(home=home_of()), folder, units):
        click.echo(f"{host} has no address now; nothing may reach it until it has", err=True)


@network.command("reach")
def reach() -> None:
    """Print which process may open connections to what; nothing else leaves the box but name, time and address requests."""
    for row in reach_of(load(home=home_of())):
        click.echo(f"{row.user.removeprefix('casemate-'):8}  {row.host}:{row.port}  {row.transports}")


def _changing() -> Changing:
    return Changing(Path(os.environ.get("CASEMATE_CONFIG") or "/etc/casemate/casemate.toml"))


@network.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--seconds", default=120, show_default=True, type=click.IntRange(20, 3600), help="to confirm; then it is undone"
)
def apply(file: Path, seconds: int) -> None:
    """Apply the [network] section of FILE (TOML). `casemate network confirm` keeps it; else it is undone by itself."""
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8")).get("network", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise Error(
            "file_invalid", f"{file.name} cannot be read: {e}", "a TOML file with a section [network]"
        ) from None
    changes = {key: value for key, value in given.items() if key in KEYS}
    if not changes or set(given) - set(KEYS):
        raise Error("invalid", "the file names nothing that can be changed like this", f"keys: {', '.join(KEYS)}")
    until_ms = now_ms() + seconds * 1000
    _record("network.changed", changed=", ".join(sorted(changes)), until_ms=until_ms)
    _changing().apply(changes, until_ms)
    click.echo(f"applied; undone at {rfc3339(until_ms)[11:19]} UTC unless `casemate network confirm`")


@network.command("confirm")
def confirm() -> None:
    """Keep the change that was applied."""
    _record("network.confirmed")
    _changing().confirm()
    click.echo("confirmed")


@network.command("revert")
@click.option("--due", is_flag=True, help="only when the time to confirm is over: for timers and the start of the box")
def revert(due: bool) -> None:
    """Undo the change that was not confirmed. Does not wait for the audit log."""
    if _changing().revert(now_ms() if due else None):
        try:
            _record("network.reverted")
        except Error as e:
            click.echo(f"not on the audit log: {e.message}", err=True)
        click.echo("undone: the network is as it was before")


@network.command("tried", hidden=True)
@click.argument("told", type=click.Path(dir_okay=False, path_type=Path))
def tried_(told: Path) -> None:
    """Record who tried to open what the firewall drops. Standard input is what `nft -j list sets` says; TOLD keeps what was recorded, and when."""
    try:
        before = json.loads(told.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    at_ms = now_ms()
    rows, kept = tried.due(tried.listed(sys.stdin.read(), _user), before, at_ms)
    for row in rows:
        _record("network.tried", row.on, "refused", **row.place, packets=row.packets)
        kept[row.key] = at_ms
        told.write_text(json.dumps(kept), encoding="utf-8")


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _record(what: str, on: str = "settings:network", outcome: str = "ok", **detail: str | int | bool) -> None:
    from appliance.audit import BlockingRecorder

    recorder = BlockingRecorder(load(home=home_of()))
    try:
        recorder.record(at_command(), what, on, outcome, **detail)
    finally:
        recorder.close()
