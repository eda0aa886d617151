"""`casemate settings`: the table of every setting, or whether a file of them is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from appliance.settings import SETTINGS, TABLES, Setting, home_of, load

_KINDS = {
    "strs": "list of strings",
    "str": "string",
    "bool": "true | false",
    "numbers": "table of numbers",
    "words": "table of strings",
    "tlvs": "list of tables",
}


def _kind(row: Setting) -> str:
    if isinstance(row.kind, tuple):
        return " | ".join(row.kind)
    bounds = ""
    if row.least is not None or row.most is not None:
        bounds = f" {row.least if row.least is not None else ''}..{row.most if row.most is not None else ''}"
    return _KINDS.get(row.kind, row.kind) + bounds


def _default(row: Setting) -> str:
    if row.default is None:
        return "required"
    return json.dumps(row.default)


def table() -> dict[str, tuple[Setting, ...]]:
    """Heading of the TOML -> its rows: the sections in the order of the table, then the lists of tables."""
    sections: dict[str, list[Setting]] = {}
    for row in SETTINGS:
        section, _, name = row.name.partition(".")
        sections.setdefault(f"[{section}]", []).append(row._replace(name=name))
    return {heading: tuple(rows) for heading, rows in sections.items()} | {
        f"[[{n}]]": rows for n, rows in TABLES.items()
    }


def _lines() -> list[str]:
    out = []
    for heading, rows in table().items():
        out += [heading, *(f"  {r.name} = {_default(r)}  ({_kind(r)})\n      {r.help}" for r in rows), ""]
    return out


@click.command()
@click.option(
    "--check",
    type=click.Path(dir_okay=False, path_type=Path),
    help="read this file as the appliance would and say what is wrong with it",
)
@click.option("--json", "as_json", is_flag=True, help="for programs")
def settings(check: Path | None, as_json: bool) -> int:
    """Print every setting with its default, kind and meaning; or check a settings file (exit code 2 when it is wrong)."""
    if check is not None:
        read = load(check, home_of())
        click.echo(f"{check} is right: {len(read.links)} links, {len(read.routes)} routes")
        for link in read.links:
            for doubt, hint in link.doubts:
                click.echo(f"{link.name}: {doubt}" + (f" ({hint})" if hint else ""), err=True)
        return 0
    if as_json:
        rows: list[dict[str, Any]] = [
            {"section": heading, "name": r.name, "kind": _kind(r), "default": r.default, "help": r.help}
            for heading, found in table().items()
            for r in found
        ]
        click.echo(json.dumps(rows, indent=1))
    else:
        click.echo("\n".join(_lines()))
    return 0
