"""`casemate bench keys`: how many keys a second the HSM of this box unwraps, MACs and wraps through its workers' sockets."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

import click

from appliance.errors import Error
from appliance.keys import unwrapped_rate

GOAL_PER_S: Final = 3_000


@click.command("keys")
@click.option(
    "--seconds", default=5.0, show_default=True, type=click.FloatRange(0.5, 120.0), help="of each measurement"
)
@click.option("--callers", default=8, show_default=True, type=click.IntRange(1, 256), help="calls under way at once")
@click.option("--two", is_flag=True, help="two HSMs: the same again while the second serves alone")
@click.option("--json", "as_json", is_flag=True, help="for programs")
def keys(seconds: float, callers: int, two: bool, as_json: bool) -> None:
    """Unwrap keys as the keys process does: pool, breaker, keep-alive, workers. Uses embedded tokens of its own, which are erased."""
    with tempfile.TemporaryDirectory(prefix="casemate-bench-") as place:
        told = unwrapped_rate(Path(place), seconds, callers, two)
    if as_json:
        click.echo(json.dumps(told, indent=1))
    else:
        for row in told["rows"]:
            click.echo(
                f"{row['what']:28} {row['per_s']:>8} a second, half within {row['p50_us']} us, 99 of 100 within {row['p99_us']} us"
            )
        click.echo(f"{'unwraps asked for':28} {GOAL_PER_S:>8} a second")
    if told["wrong"]:
        raise Error("internal", f"{told['wrong']} answers were wrong")
