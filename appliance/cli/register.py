"""`casemate register`: certificates, keys and secrets with owner and end; requests for new certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from appliance.access import Access
from appliance.audit import BlockingRecorder
from appliance.certificates import KINDS, Item, as_csv, as_json, ask, due, slots, token_key
from appliance.certificates import register as read
from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.keys import BlockingKeyring
from appliance.settings import Settings, home_of, load

from .key_acts import as_json_option, called

#: Form of an export -> how it is written.
FORMS: dict[str, Callable[[list[Item]], str]] = {"csv": as_csv, "json": as_json}


@click.group()
def register() -> None:
    """Certificates, keys and secrets: who answers for each, until when, how it is replaced (DORA RTS 2024/1774 article 7)."""


@register.command("list")
@as_json_option
def list_(as_json: bool) -> int:
    """Show the register, what ends soonest first. Exits with 1 when something has ended."""
    items, silent = _items(load(home=home_of()), each=False)
    found = due(items, now_ms())
    if as_json:
        click.echo(FORMS["json"](items), nl=False)
    else:
        coming = {each.item.id: each for each in found}
        for item in sorted(items, key=lambda i: (i.expires_ms or 1 << 62, i.id)):
            click.echo(_line(item, coming.get(item.id)))
        if silent:
            click.echo(f"the keys process does not answer, its keys are not listed: {silent}", err=True)
    return 1 if any(each.past for each in found) else 0


def _line(item: Item, coming: Any) -> str:
    until = rfc3339(item.expires_ms)[:10] if item.expires_ms else "-"
    told = ""
    if coming is not None:
        told = "  ENDED" if coming.past else f"  ends in {coming.left} days"
    problem = f"  PROBLEM: {item.problem}" if item.problem else ""
    owner = item.owner or "owner not named"
    return f"{until:10}  {item.id:28} {item.kind:11} {owner:20} {item.purpose}{told}{problem}"


@register.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--form", type=click.Choice(sorted(FORMS)), help="else by the file's name")
def export(file: Path, form: str | None) -> int:
    """Write the whole register, each data key its own row, to FILE (.csv or .json)."""
    settings = load(home=home_of())
    chosen = form or file.suffix.lstrip(".").lower()
    if chosen not in FORMS:
        raise Error("invalid", f"{file.name}: csv or json?", "--form csv")
    items, silent = _items(settings, each=True)
    if silent:
        raise Error(
            "hsm_unavailable", f"a register without the HSM's keys is not whole: {silent}", "start the appliance"
        )
    _recorded(settings, "register.exported", "register:all", rows=len(items))
    file.write_text(FORMS[chosen](items), encoding="utf-8", newline="")
    click.echo(f"{len(items)} rows in {file}")
    return 0


@register.command()
@click.argument("purpose")
@click.option("--name", required=True, help="common name: the host's, or what the operator asks for")
@click.option("--host", "hosts", multiple=True, help="name or address of a server; again for more")
@click.option("--organisation", default="", help="the bank's name")
@click.option("--country", default="", help="two letters")
@click.option("--kind", type=click.Choice(list(KINDS)), default="p256", show_default=True, help="of the new key")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="where the two files go"
)
@click.option("--clear", is_flag=True, help="the key's file in clear (0600), for a front that cannot open a sealed one")
def csr(
    purpose: str,
    name: str,
    hosts: tuple[str, ...],
    organisation: str,
    country: str,
    kind: str,
    folder: Path,
    clear: bool,
) -> int:
    """Make a key and a signing request for PURPOSE, as `api server` or `link NAME client`.

    The key's file is sealed under the HSM and opened into memory when a process starts; put its name where the old key's is.
    """
    settings = load(home=home_of())
    sealing = None
    if not clear:
        ring = BlockingKeyring(settings)
        try:
            sealing = ring.derive("sealed file", purpose)
        finally:
            ring.close()
    known = {slot.id for slot in slots(settings)}
    made = ask(purpose, name, list(hosts), organisation, country, kind, folder, sealing)
    try:
        _recorded(settings, "register.csr_made", f"item:{purpose}", digest=made.fingerprint, sealed=not clear)
    except Error:
        made.key.unlink()
        made.request.unlink()
        raise
    click.echo(
        f"{made.request}: send it to the authority\n{made.key}: {'in clear' if clear else 'sealed under the HSM'}, stays here"
    )
    if purpose not in known:
        click.echo(f"nothing in the settings is called `{purpose}` yet", err=True)
    return 0


@register.command("token-key")
@click.argument("uri")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def token_key_(uri: str, file: Path) -> None:
    """Write FILE for a private key that lives in a token: for nginx and others that read it through OpenSSL's pkcs11-provider.

    URI is that of the key (RFC 7512), as pkcs11:token=tls;object=api;type=private. FILE holds the URI, no key and no PIN.
    """
    token_key.write(uri, file)
    click.echo(f"{file}: put its name where the key's file is named")


def _items(settings: Settings, each: bool) -> tuple[list[Item], str]:
    """The register, and why the HSM's part is missing."""
    state: dict[str, Any] = {}
    silent = ""
    try:
        state = called("state", {}, settings)
    except Error as e:
        silent = str(e)
    return read(settings, Access(settings), state, each), silent


def _recorded(settings: Settings, what: str, on: str, **detail: Any) -> None:
    recorder = BlockingRecorder(settings)
    try:
        recorder.record(at_command(), what, on, **detail)
    finally:
        recorder.close()
