"""`casemate network`: what the settings say of the box's network, rendered for the programs that do it."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.network import reach_of
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
