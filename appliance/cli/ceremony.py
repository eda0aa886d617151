"""`casemate ceremony`: key ceremonies by their scripts, at a terminal or the serial console."""

from __future__ import annotations

import json
from pathlib import Path

import click

from appliance.ceremony import CUSTODIANS, DONE, Console, Terms, load, names, new_folder, rehearse, verify
from appliance.ceremony import run as conduct
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import home_of
from appliance.settings import load as settings_of

from .key_acts import as_json_option


@click.group()
def ceremony() -> None:
    """Key ceremonies: make, back up, restore and rotate the HSM's keys, by a script, before witnesses.

    Each leaves a transcript: JSON lines, text, PDF, and a note signed by the log's key. Rehearse before you invite people.
    """


@ceremony.command("list")
@as_json_option
def list_(as_json: bool) -> int:
    """Show every ceremony with the digest of its script."""
    scripts = [load(name) for name in names()]
    if as_json:
        rows = [{"name": s.name, "title": s.title, "version": s.version, "sha256": s.digest} for s in scripts]
        click.echo(json.dumps(rows, indent=1))
        return 0
    for script in scripts:
        click.echo(f"{script.name:18} {script.title}")
        click.echo(f"{'':18} sha256 {script.digest}")
    return 0


@ceremony.command()
@click.argument("name")
def show(name: str) -> int:
    """Show the script NAME as it will be read out, for the people who review it."""
    script = load(name)
    click.echo(f"{script.title} ({script.name}, version {script.version}, sha256 {script.digest})")
    click.echo(f"\n{' '.join(script.purpose.split())}\n")
    click.echo(f"custodians: {CUSTODIANS[script.custodians]}")
    click.echo(f"kept by different people: {', '.join(script.apart)}")
    for n, step in enumerate(script.steps, 1):
        each = {"all": ", each", "quorum": ", as many as are needed"}.get(step.each, "")
        click.echo(f"\n{n}. {step.id} ({step.role}{each}){': ' + step.action if step.action else ''}")
        click.echo(f"   {' '.join(step.text.split())}")
        click.echo(f"   confirms: {' '.join(step.confirm.split())}.")
    return 0


@ceremony.command()
@click.argument("name")
@click.option("--needed", "-m", type=int, default=0, help="custodians that are needed together, of a new set")
@click.option("--custodians", "-n", type=int, default=0, help="custodians of a new set")
@click.option(
    "--backup",
    type=click.Path(file_okay=False, path_type=Path),
    help="folder of a backup: to read (restore), to write (back-up)",
)
@click.option("--transcript", type=click.Path(path_type=Path), help="new folder for the transcript")
@click.option("--rehearse", "rehearsal", is_flag=True, help="on an embedded token of its own, thrown away afterwards")
def run(name: str, needed: int, custodians: int, backup: Path | None, transcript: Path | None, rehearsal: bool) -> int:
    """Hold the ceremony NAME. Exits with 1 when it was stopped; everything not in use yet is then undone."""
    settings = settings_of(home=home_of())
    if rehearsal:
        needed, custodians = needed or 2, custodians or 3
    folder = transcript or new_folder(settings, f"rehearsal-{name}" if rehearsal else name)
    if folder.exists():
        raise Error("invalid", f"{folder} is there already", "a transcript gets a new folder")
    terms = Terms(folder, needed, custodians, backup)
    outcome = (rehearse if rehearsal else conduct)(settings, name, Console(), terms)
    return 0 if outcome.state == DONE else 1


@ceremony.command("verify")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--vkey", help="the log's verifier key, or a file that holds it; else the running box's own")
@as_json_option
def verify_(path: Path, vkey: str | None, as_json: bool) -> int:
    """Check a transcript (its folder) against its signature by the log's key."""
    checked = verify(path, _vkey(vkey))
    if as_json:
        click.echo(json.dumps({"name": checked.name, "sha256": checked.digest, "vkey": checked.key}, indent=1))
        return 0
    last = checked.lines[-1]
    click.echo(f"genuine: {checked.name}, {last.get('outcome', 'no end')}, {len(checked.lines)} lines")
    click.echo(f"sha256 {checked.digest}: look for it on the audit log (`ceremony.ended`)")
    return 0


def _vkey(given: str | None) -> str:
    if given is not None:
        path = Path(given)
        return path.read_text(encoding="utf-8") if path.is_file() else given
    client = BlockingClient(settings_of(home=home_of()).socket("auditor"))
    try:
        return str(client.call("state", {}, 10.0)["vkey"])
    finally:
        client.close()
