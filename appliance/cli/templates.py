"""`casemate template`: save, list, show, try and remove templates. Every change is on the audit log first."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.settings import home_of, load
from appliance.templates import Body, Template, TemplateBook
from appliance.text import encode

from .people import Desk, show, time_text

_json = click.option("--json", "as_json", is_flag=True, help="for programs")
FILE_OCTETS_MAX = 4 * 1024 * 1024


@click.group()
def template() -> None:
    """Texts in many languages with parameters. A file is TOML or JSON: `locale`, `zone`, and a table `texts` by locale."""


def _book() -> TemplateBook:
    return TemplateBook(load(home=home_of()))


def _read(path: Path) -> Body:
    """Raises Error `file_invalid`."""
    try:
        octets = path.read_bytes()
        if len(octets) > FILE_OCTETS_MAX:
            raise Error("file_invalid", f"{path} is larger than any template")
        raw = json.loads(octets) if path.suffix == ".json" else tomllib.loads(octets.decode("utf-8"))
        return msgspec.convert(raw, Body)
    except (OSError, UnicodeDecodeError, ValueError) as e:  # what TOML, JSON and msgspec raise are ValueErrors
        raise Error("file_invalid", f"{path} is no template file: {e}", "see `casemate template --help`") from None


@template.command()
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="only say whether it could be saved")
def save(name: str, file: Path, check: bool) -> None:
    """Save FILE as the template NAME; it is in use from then on. The appliance must be running."""
    body = _read(file)
    checked = Template(name, 0, body)
    if check:
        click.echo(f"`{name}` is right: {len(body.texts)} languages; parameters: {_parameters(checked)}")
        return
    desk = Desk()
    desk.record("template.saved", f"template:{name}", locales=len(body.texts))
    saved = _book().save(name, body, desk.who, now_ms())
    click.echo(f"template `{name}` version {saved.version} is in use: {len(body.texts)} languages")


@template.command("list")
@_json
def list_(as_json: bool) -> None:
    """List the templates in use."""
    rows = [
        {
            "name": s.name,
            "version": s.version,
            "locale": s.body.locale,
            "languages": len(s.body.texts),
            "saved": time_text(s.saved_ms),
            "by": s.who,
        }
        for s in _book().all(limit=10_000)
    ]
    show(rows, as_json)


@template.command("show")
@click.argument("name")
@_json
def show_(name: str, as_json: bool) -> None:
    """Show the template NAME: its parameters and its text in every language."""
    saved = _book().one(name)
    if saved is None:
        raise Error("not_found", "there is no such template", "see `casemate template list`")
    compiled = Template(saved.name, saved.version, saved.body)
    if as_json:
        click.echo(json.dumps({**msgspec.to_builtins(saved.body), "name": name, "params": compiled.kinds}, indent=1))
        return
    click.echo(f"{name} version {saved.version}, saved {time_text(saved.saved_ms)} by {saved.who}")
    click.echo(f"parameters: {_parameters(compiled)}")
    for tag, text in saved.body.texts.items():
        click.echo(f"  {tag}: {text}")


@template.command("try")
@click.argument("name")
@click.option("--params", default="{}", help='JSON, such as {"n": 2}')
@click.option("--locale", help="only this one")
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="a file instead of what is saved")
def try_(name: str, params: str, locale: str | None, file: Path | None) -> None:
    """Show what NAME says with parameters, and how many segments that takes, in every language. Nothing is sent."""
    if file is not None:
        compiled = Template(name, 0, _read(file))
    else:
        saved = _book().one(name)
        if saved is None:
            raise Error("not_found", "there is no such template", "see `casemate template list`")
        compiled = Template(saved.name, saved.version, saved.body)
    try:
        given: Any = json.loads(params)
    except ValueError:
        raise Error("invalid", "--params is not JSON") from None
    if not isinstance(given, dict):
        raise Error("invalid", "--params is not a JSON object")
    for tag in [locale] if locale else compiled.locales:
        text = compiled.text(given, tag)
        encoding, _, segments = encode(text)
        click.echo(f"{tag}: {text}  ({('GSM-7', 'UCS-2')[encoding]}, {segments})")


@template.command()
@click.argument("name")
def remove(name: str) -> None:
    """Take the template NAME out of use; its versions stay on record."""
    book = _book()
    if book.one(name) is None:
        raise Error("not_found", "there is no such template", "see `casemate template list`")
    Desk().record("template.removed", f"template:{name}")
    book.remove(name)
    click.echo(f"template `{name}` is out of use", file=sys.stdout)


def _parameters(compiled: Template) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in compiled.kinds.items()) or "none"
