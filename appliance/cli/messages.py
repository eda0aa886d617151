"""`casemate messages`: search messages and show one through the REST API; on the appliance itself, decide on those in doubt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import httpx

from appliance.clock import rfc3339
from appliance.errors import CODES, Error
from appliance.invoker import at_command
from appliance.limits import PAGE_ROWS_MAX
from appliance.message import CLASSES, STATUSES, id_octets, id_text
from appliance.settings import home_of, load
from appliance.shards import blocking_engines
from appliance.store import Readers

from .send import access_to, client_for

_api = click.option("--api", help="address of the REST API  [default: CASEMATE_API, else the demo's]")
_key = click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="file with the API key  [default: CASEMATE_API_KEY, else the demo's]",
)
_ca = click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM authorities of the API's certificate",
)
_json = click.option("--json", "as_json", is_flag=True, help="for programs")


def get(api: str | None, key_file: Path | None, ca: Path | None, path: str, query: dict[str, Any]) -> dict[str, Any]:
    """The API's answer. Raises the Error that its problem document describes, or `peer_unavailable`."""
    address, key = access_to(api, key_file)
    try:
        with client_for(address, key, ca) as client:
            answer = client.get(path, params={name: value for name, value in query.items() if value is not None})
        body = answer.json()
    except (httpx.TransportError, ValueError) as e:
        raise Error(
            "peer_unavailable", f"the API at {address} does not answer: {type(e).__name__}", "see --api"
        ) from None
    if not isinstance(body, dict):
        raise Error("peer_unavailable", f"{address} is not the API", "see --api")
    if answer.status_code != httpx.codes.OK:
        code = str(body.get("code"))
        raise Error(code if code in CODES else "internal", str(body.get("detail") or body.get("title")))
    return body


class _Default(click.Group):
    """`casemate messages` alone, or with options, is the search."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Default)
def messages() -> None:
    """Search messages (`messages` or `messages list`), show one (`show ID`), decide on those in doubt (`held`, `decide`)."""


@messages.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="only in this status")
@click.option("--class", "class_", type=click.Choice(CLASSES), help="only of this class")
@click.option("--link", help="only over this link")
@click.option("--from-time", help="accepted at or after, RFC 3339")
@click.option("--to-time", help="accepted before, RFC 3339")
@click.option(
    "--number-file",
    type=click.File(encoding="utf-8"),
    help="only to the number in this file, - for standard input; recorded",
)
@click.option("--limit", default=20, show_default=True, help="how many")
@click.option("--cursor", help="the next page, as the page before named it")
@click.option("--content", is_flag=True, help="with --json: the numbers as well")
@_api
@_key
@_ca
@_json
def search(
    class_: str | None,
    number_file: Any,
    content: bool,
    api: str | None,
    key_file: Path | None,
    ca: Path | None,
    as_json: bool,
    **query: Any,
) -> None:
    """Search messages, newest first. A number is read from a file: a command line is visible to others."""
    query |= {"class": class_, "number": number_file.readline().strip() if number_file else None}
    page = get(api, key_file, ca, "/v1/messages", query)
    if as_json:
        if not content:
            page["messages"] = [{n: v for n, v in m.items() if n != "to"} for m in page["messages"]]
        click.echo(json.dumps(page, indent=1, ensure_ascii=False))
        return
    if not page["messages"]:
        click.echo("no messages", err=True)
    for m in page["messages"]:
        line = f"{m['id']}  {m['accepted_at']}  {m['class']:<11}  {m['status']:<13}  {m['segments']:>3}  {m['link'] or '-'}"
        click.echo(line + (f"  {m['error']}" if m.get("error") else ""))
    if page.get("next"):
        click.echo(f"more: --cursor {page['next']}", err=True)


@messages.command()
@click.argument("message_id", metavar="ID")
@click.option("--content", is_flag=True, help="show number and text as well")
@_api
@_key
@_ca
@_json
def show(
    message_id: str, content: bool, api: str | None, key_file: Path | None, ca: Path | None, as_json: bool
) -> None:
    """Show one message with its events in order."""
    if id_octets(message_id.lower()) is None:
        raise Error("invalid", "this is not the id of a message", "36 characters, as the API answered it")
    m = get(api, key_file, ca, f"/v1/messages/{message_id}", {})
    if not content:
        m = {name: value for name, value in m.items() if name not in ("to", "text", "metadata")}
    if as_json:
        click.echo(json.dumps(m, indent=1, ensure_ascii=False))
        return
    for name, value in m.items():
        if name not in ("events", "parts") and value is not None:
            click.echo(f"{name:<12} {value}")
    for event in m["events"]:
        click.echo(f"  {event['at']}  {event['status']:<13} {event['detail'] or ''}".rstrip())
    for p in m["parts"]:
        click.echo(f"  segment {p['part']}: {p['status']}" + (f", {p['error']}" if p.get("error") else ""))


@messages.command()
@click.option("--limit", default=50, show_default=True, help="how many")
@click.option("--cursor", help="the next page, as the page before named it")
@_json
def held(limit: int, cursor: str | None, as_json: bool) -> None:
    """Messages that nobody knows whether they left: they wait for a decision. On the appliance itself."""
    reader = Readers(load(home=home_of()).stores)
    try:
        rows, following = reader.held(max(1, min(limit, PAGE_ROWS_MAX)), cursor)
    finally:
        reader.close()
    if as_json:
        found = [
            {
                "id": id_text(m.id),
                "class": CLASSES[m.class_],
                "link": m.link,
                "accepted_at": rfc3339(m.accepted_ms),
                "since": rfc3339(m.changed_ms),
                "expires_at": rfc3339(m.expires_ms),
            }
            for m in rows
        ]
        click.echo(json.dumps({"messages": found, "next": following}, indent=1))
        return
    if not rows:
        click.echo("no message waits for a decision", err=True)
    for m in rows:
        click.echo(f"{id_text(m.id)}  since {rfc3339(m.changed_ms)}  {CLASSES[m.class_]:<11}  {m.link or '-'}")
    if following:
        click.echo(f"more: --cursor {following}", err=True)


@messages.command()
@click.argument("message_id", metavar="ID")
@click.argument("act", type=click.Choice(("resend", "close")))
def decide(message_id: str, act: str) -> None:
    """Decide on a held message: send it again, which may make it a duplicate, or close it as failed. It is on the record."""
    octets = id_octets(message_id.lower())
    if octets is None:
        raise Error("invalid", "this is not the id of a message", "36 characters, as `messages held` shows it")
    client = blocking_engines(load(home=home_of()))
    try:
        client.call("decide", {"id": octets, "act": act, "who": at_command()})
    finally:
        client.close()
    done = "is sent again; the customer may get it twice" if act == "resend" else "is closed as failed"
    click.echo(f"{id_text(octets)} {done}")
