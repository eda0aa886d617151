"""`casemate bench stages`: what each stage of the engine costs a message in processor time."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from appliance.engine import stage_costs


@click.command("stages")
@click.option(
    "--messages", default=100_000, show_default=True, type=click.IntRange(100, 5_000_000), help="full lives measured"
)
@click.option(
    "--per-beat",
    default=100,
    show_default=True,
    type=click.IntRange(100, 10_000),
    help="messages a beat: what one commit is for",
)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="on the disk to measure  [default: .]")
@click.option("--json", "as_json", is_flag=True, help="for programs")
def stages(messages: int, per_beat: int, folder: Path | None, as_json: bool) -> None:
    """Show where the engine's processor time goes. Uses a store of its own, which is erased; no operator, no HSM, no sockets."""
    with tempfile.TemporaryDirectory(prefix="casemate-bench-", dir=folder or Path.cwd()) as place:
        told = stage_costs(Path(place), messages, per_beat)
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    click.echo("microseconds of processor time a message")
    for stage, each in told.items():
        click.echo(f"  {stage:<28}{each:>8.2f}")
