"""`casemate install` writes the running system to a disk; `casemate site` signs, checks and takes what a new box is to become."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.settings import home_of, load
from appliance.updates import LIVE, Installer, Updates, disks
from appliance.updates import restart as restart_machine
from appliance.updates import site as sites

from .firmware import Progress
from .volume import say

_folder = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
UNATTENDED: Final = "process:install"


def _installer() -> Installer:
    return Installer(Updates(load(home=home_of())))


@click.group()
def install() -> None:
    """Write the running system to a disk of this machine: of a box that was started from the release's image on a USB stick."""


@install.command("disks")
def disks_() -> None:
    """Show the disks, and which of them can be installed to."""
    installer = _installer()
    need, sector = installer.needed()
    click.echo(f"a disk needs {need / 1e9:.1f} GB or more")
    for disk in installer.disks():
        why = disks.refused(disk, need, sector, "")
        click.echo(disk.line + (f"\n{'':9}{disks.REFUSALS[why][1]}" if why else ""))


@install.command("to")
@click.argument("disk")
@click.option("--serial", "typed", default="", help="the disk's serial number: what is on it may be lost")
@click.option("--yes", is_flag=True, help="without asking")
def to(disk: str, typed: str, yes: bool) -> None:
    """Write the running system to DISK, read it back, and register it with the firmware. What the disk holds is lost."""
    installer = _installer()
    need, sector = installer.needed()
    chosen = installer.disk(disk)
    disks.allowed(chosen, need, sector, typed)
    if not yes and not click.confirm(f"{chosen.line}\nWrite to it?", err=True):
        raise Error("forbidden", "nothing was done")
    progress = Progress()
    try:
        version = installer.install(chosen.name, typed, at_command(), progress)
    finally:
        progress.end()
    click.echo(f"release {version} is on {chosen.name}: take the stick out and restart")


@install.command("repair")
@click.argument("disk")
@click.option("--yes", is_flag=True, help="without asking")
def repair(disk: str, yes: bool) -> None:
    """Renew boot partition and slots of a box's DISK from this medium; its state volume stays as it is.

    Take the medium of the release that the box ran, or of a newer one. The TPM opens the state as before: kernels of the release are signed by the same key.
    """
    installer = _installer()
    chosen = installer.disk(disk)
    disks.repairable(chosen, installer.needed()[1])
    if not yes and not click.confirm(f"{chosen.line}\nRenew its releases, and keep its state?", err=True):
        raise Error("forbidden", "nothing was done")
    progress = Progress()
    try:
        version = installer.repair(chosen.name, at_command(), progress)
    finally:
        progress.end()
    click.echo(f"release {version} is on {chosen.name}, its state is as it was: take the stick out and restart")


@install.command("unattended")
@click.option(
    "--stick",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/run/casemate-seed"),
    show_default=True,
    help="folder where the stick with the site file is mounted",
)
def unattended(stick: Path) -> None:
    """Install as the signed site file on the stick says, then restart or switch off. Run by casemate-install.service.

    The stick stays in: the first start from the disk takes its settings from it, after it verified them again.
    """
    if not (stick / sites.SIGNED).exists():
        return
    installer = _installer()
    try:
        said = installer.signed(stick, now_ms() // 1000)
        say(f"installing as {said.signer} signed it, until {said.until}")
        shown = [""]

        def told(what: str, octets: int, whole: int) -> None:
            line = f"{what}: {octets * 10 // whole * 10} %"
            if line != shown[0]:
                say(line)
                shown[0] = line

        name = installer.unattended(said, UNATTENDED, told)
    except Error as e:
        say(f"not installed: {e.message} [{e.code}]. {e.hint}")
        raise
    say(f"installed to {name}. Take the medium out; the stick with the settings stays in. Now: {said.after}")
    restart_machine(said.after == "off")


@click.group()
def site() -> None:
    """A signed site file: settings of a new box, for an installation that nobody attends.

    FOLDER holds casemate.toml, the files that it names, and site.toml: until = "2026-12-31", and if wanted box = "SERIAL", disk = "SERIAL OF THE DISK",
    erase = true, after = "off", ssh_keys = ["ssh-ed25519 ..."]. Copy it to a stick labelled CASEMATE.
    """


@site.command()
@_folder
@click.option("--certificate", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="PEM")
@click.option("--key", required=True, help="file, or pkcs11: URI")
def sign(folder: Path, certificate: Path, key: str) -> None:
    """Sign FOLDER at the bank's desk: checks everything that a box would, and writes site.p7s."""
    click.echo(f"{sites.sign(folder, certificate, key)}: copy the folder to a stick labelled CASEMATE")


@site.command()
@_folder
@click.option(
    "--trust",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder with authority/*.pem",
)
@click.option("--box", default="", help="serial number of a box")
def check(folder: Path, trust: Path, box: str) -> None:
    """Check FOLDER as a box does; the refusal is the box's."""
    said = sites.read(folder, sites.authority(trust), box, now_ms() // 1000)
    click.echo(
        f"signed by {said.signer}\nbox {said.box or 'any'}, disk {said.disk}, until {said.until}, then {said.after}\n"
        + "\n".join(f"  {name}  {len(octets)} octets" for name, octets in said.files.items())
    )


@site.command()
@_folder
@click.option("--into", required=True, type=click.Path(file_okay=False, path_type=Path), help="settings folder")
def take(folder: Path, into: Path) -> None:
    """Put the settings of a signed site file into a new box. Run by its first start."""
    updates = Updates(load(home=home_of(), config=Path("/dev/null")))
    said = Installer(updates).signed(folder, now_ms() // 1000)
    click.echo(f"settings of {said.signer}: {', '.join(sites.take(said, into))}")


@site.command()
def wanted() -> None:
    """End with 0 when this medium takes signed site files only."""
    sites.authority(Path(load(home=home_of(), config=Path("/dev/null"))["firmware.site_trust"]))


@install.command()
def live() -> None:
    """End with 0 when this start keeps nothing: it is from an installation's medium."""
    if not LIVE.exists():
        raise Error("not_found", "this box keeps its state", "this is for a start from an installation's medium")
