"""`casemate bench parked`: how fast this box's disk takes in receipts that came before their responses, and drains them when these come."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

import click

from appliance.engine import parked_rate
from appliance.errors import Error
from appliance.limits import PARKED_RECEIPTS_MAX

GOAL_PER_S: Final = 5_000


@click.command("parked")
@click.option(
    "--receipts",
    default=PARKED_RECEIPTS_MAX,
    show_default=True,
    type=click.IntRange(1_000, PARKED_RECEIPTS_MAX),
    help="how many are parked",
)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="on the disk to measure  [default: .]")
@click.option("--json", "as_json", is_flag=True, help="for programs")
def parked(receipts: int, folder: Path | None, as_json: bool) -> None:
    """Park many receipts, then let their responses come. Uses a store of its own, which is erased; no operator, no HSM."""
    with tempfile.TemporaryDirectory(prefix="casemate-bench-", dir=folder or Path.cwd()) as place:
        told = parked_rate(Path(place), receipts)
    if as_json:
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(f"receipts parked      {told['receipts']:>10}")
        click.echo(f"taken in             {told['parked_per_s']:>10} a second")
        click.echo(f"drained              {told['drained_per_s']:>10} a second, {GOAL_PER_S} are asked for")
        click.echo(f"memory               {told['memory_mib']:>10} MiB")
    if told["left"]:
        raise Error("internal", f"{told['left']} receipts found no message")
