"""`casemate bench compare`: two runs side by side, scenario by scenario, as ratios."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from appliance.errors import Error

from .outcome import Outcome, Report, number, read


def compared(before: Report, after: Report) -> str:
    """A table of what both runs have; processor time of each process as well."""
    told = {outcome.scenario: outcome for outcome in before.outcomes}
    lines = []
    for name in ("processor", "cores", "disk", "fsync_us_median", "sqlite", "python", "casemate"):
        one, other = before.hardware.get(name), after.hardware.get(name)
        if one != other:
            lines.append(f"not the same {name}: {one} and {other}")
    for outcome in after.outcomes:
        if outcome.scenario in told:
            lines += ["", f"{outcome.scenario:<46}{'before':>12}{'after':>12}{'ratio':>9}"]
            lines += _rows(told[outcome.scenario], outcome)
    return "\n".join(lines).lstrip("\n")


def _rows(before: Outcome, after: Outcome) -> list[str]:
    values = {figure.name: figure.value for figure in before.figures}
    rows = [(f.name, f.unit, values[f.name], f.value, f.better) for f in after.figures if f.name in values]
    for name, us in after.cpu_us.items():
        if name in before.cpu_us and max(us, before.cpu_us[name]) >= 0.1:
            rows.append((name, "us a message", before.cpu_us[name], us, "less"))
    return [_row(*row) for row in rows]


def _row(name: str, unit: str, before: float, after: float, better: str) -> str:
    ratio = after / before if before else 0.0
    mark = ""
    if before and better and abs(ratio - 1) >= 0.05:
        mark = "  better" if (ratio > 1) == (better == "more") else "  worse"
    shown = f"{ratio:.2f}" if before else "-"
    return f"  {f'{name}, {unit}':<44}{number(before):>12}{number(after):>12}{shown:>9}{mark}"


def _read(path: Path) -> Report:
    try:
        return read(path.read_bytes())
    except (OSError, msgspec.DecodeError) as e:
        raise Error("file_invalid", f"{path} is no report of a run", "write one with --json") from e


@click.command("compare")
@click.argument("before", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.argument("after", type=click.Path(dir_okay=False, exists=True, path_type=Path))
def compare(before: Path, after: Path) -> None:
    """Show two runs side by side: BEFORE and AFTER are files written with --json."""
    click.echo(compared(_read(before), _read(after)))
