"""`casemate bench audit`: how many entries a second this box's audit log takes and signs, how long a proof takes, and its check."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

import click

from appliance.audit import Rate
from appliance.errors import Error

SEQUENCED_PER_S: Final = 10_000
PROOF_MS: Final = 5
VERIFIED_PER_S: Final = 100_000


@click.command("audit")
@click.option(
    "--entries",
    default=100_000,
    show_default=True,
    type=click.IntRange(1_000, 10_000_000),
    help="how many are taken; 10,000,000 need some 9 GB and half an hour",
)
@click.option("--check/--no-check", default=True, show_default=True, help="verify the whole log in the end")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="on the disk to measure  [default: .]")
@click.option("--json", "as_json", is_flag=True, help="for programs")
def audit(entries: int, check: bool, folder: Path | None, as_json: bool) -> None:
    """Fill an audit log, prove entries of it, verify it. Uses a log of its own, which is erased; no HSM."""
    with tempfile.TemporaryDirectory(prefix="casemate-bench-", dir=folder or Path.cwd()) as place:
        rate = Rate(Path(place))
        told = rate.sequence(entries) | rate.prove() | (rate.check() if check else {})
        rate.close()
    if as_json:
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(f"entries         {told['entries']:>10}")
        click.echo(
            f"sequenced       {told['sequenced_per_s']:>10} a second, durable and signed; {SEQUENCED_PER_S} are asked for"
        )
        click.echo(
            f"a proof         {told['proof_ms_p99']:>10} ms for 99 of 100 ({told['proof_ms_max']} at most); {PROOF_MS} are asked for"
        )
        if check:
            click.echo(f"verified        {told['verified_per_s']:>10} a second; {VERIFIED_PER_S} are asked for")
    if check and not told["verifies"]:
        raise Error("audit_invalid", "the log that was made does not verify")
