"""`casemate sender`: registrations of senders by country: asked for, confirmed, ended. Every act is on the audit log first."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import click

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.senders import RULES, Details, Registration, SenderBook, campaigns_of, check_details, day_ms
from appliance.settings import home_of, load

from .people import Desk, show, time_text

_json = click.option("--json", "as_json", is_flag=True, help="for programs")
_sender = click.argument("sender")
_country = click.option("--country", required=True, help="two letters of ISO 3166, such as IT")

_OPTIONS = (
    click.option("--evidence", default="", help="where the register's answer is on file"),
    click.option("--entity-id", default="", help="India: the principal entity's id"),
    click.option("--template-id", "template_ids", multiple=True, help="India: id of a template, repeated"),
    click.option(
        "--templates",
        "templates_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="India: CSV of template id and text; with any on file, a text must be one of them",
    ),
    click.option("--campaign-id", default="", help="US: the 10DLC campaign"),
    click.option("--brand-id", default="", help="US: its brand, whose campaigns share what it may send a day"),
    click.option("--per-minute", type=click.IntRange(0), default=0, help="US: segments a minute of the campaign"),
    click.option("--per-day", type=click.IntRange(0), default=0, help="US: segments a day of the brand"),
)


def _details(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _given(options: dict[str, Any]) -> Details:
    import msgspec

    file = options.pop("templates_file")
    lists = {"template_ids": list(options["template_ids"]), "templates": _templates(file) if file else {}}
    try:
        given = msgspec.convert(options | lists, Details)
    except msgspec.ValidationError as e:
        raise Error("invalid", str(e), "see `casemate sender confirm --help`") from None
    check_details(given)
    return given


def _templates(file: Path) -> dict[str, str]:
    """Template id -> text. Raises Error `file_invalid`, naming the line."""
    out: dict[str, str] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for n, row in enumerate(csv.reader(lines), 1):
                if not row or (n == 1 and row[0].strip().lower() in ("id", "template_id", "template id")):
                    continue
                if len(row) < 2 or row[0].strip() in out:
                    why = "is not id,text" if len(row) < 2 else "has an id that was there before"
                    raise Error("file_invalid", f"{file.name}: row {n} {why}", "as the DLT platform exports them")
                out[row[0].strip()] = row[1]
    except (OSError, UnicodeDecodeError, csv.Error):
        raise Error("file_invalid", f"{file.name} cannot be read", "CSV in UTF-8: template id, text") from None
    return out


def _book() -> SenderBook:
    return SenderBook(load(home=home_of()))


def _one(book: SenderBook, sender: str, country: str) -> Registration:
    found = book.of(sender, country.strip().upper())
    if found is None:
        raise Error(
            "not_found",
            "this sender was never registered there",
            "capitals and small letters count; `casemate sender add`",
        )
    return found


@click.group()
def sender() -> None:
    """Senders and where they are registered. The setting senders.mandatory names the countries where they have to be."""


@sender.command()
@_sender
@_country
@_details
def add(sender: str, country: str, **options: Any) -> None:
    """Note that the registration of SENDER in a country was asked for."""
    book, given = _book(), _given(options)
    country, kind = book.check_request(sender, country, given)
    desk = Desk()
    desk.record("sender.requested", "sender:new", country=country, kind=kind)
    made = book.request(sender, country, given, desk.who, now_ms())
    click.echo(f"registration {made.id} of `{sender}` in {country} is requested")


@sender.command()
@_sender
@_country
@click.option("--from", "from_day", help="first day, 2026-11-22  [default: today]")
@click.option("--until", "until_day", help="day on which it ends  [default: until it is said]")
@_details
def confirm(sender: str, country: str, from_day: str | None, until_day: str | None, **options: Any) -> None:
    """Confirm the registration of SENDER: it may be used from the first day on. Needs evidence, and what the country asks."""
    book, given = _book(), _given(options)
    found = _one(book, sender, country)
    at_ms = now_ms()
    from_ms = day_ms(from_day, "from") if from_day else day_ms(rfc3339(at_ms)[:10], "from")
    until_ms = day_ms(until_day, "until") if until_day else 0
    book.check_confirm(found.id, given, from_ms, until_ms)
    desk = Desk()
    about = {"country": found.country, "kind": found.kind}
    desk.record("sender.confirmed", f"sender:{found.id}", **about, from_ms=from_ms, until_ms=until_ms)
    made = book.confirm(found.id, given, from_ms, until_ms, desk.who, at_ms)
    until = "until it is ended" if not until_ms else f"until {rfc3339(until_ms)[:10]}"
    click.echo(f"`{made.sender}` is confirmed in {made.country} from {rfc3339(from_ms)[:10]} {until}")


@sender.command()
@_sender
@_country
@_details
def expire(sender: str, country: str, **options: Any) -> None:
    """End the registration of SENDER: where it is mandatory, its messages are refused within a second."""
    book, given = _book(), _given(options)
    found = _one(book, sender, country)
    desk = Desk()
    desk.record("sender.expired", f"sender:{found.id}", country=found.country, kind=found.kind)
    book.expire(found.id, given, desk.who, now_ms())
    click.echo(f"the registration of `{sender}` in {found.country} has ended")


@sender.command("list")
@click.option("--country", help="only this country")
@_json
def list_(country: str | None, as_json: bool) -> None:
    """List registrations with their state now."""
    wanted = (country or "").strip().upper()
    show([_row(r) for r in _book().all() if not wanted or r.country == wanted], as_json)


def _row(r: Registration) -> dict[str, Any]:
    return {
        "id": r.id,
        "sender": r.sender,
        "country": r.country,
        "kind": r.kind,
        "state": r.state_at(now_ms()),
        "from": rfc3339(r.valid_from_ms)[:10] if r.valid_from_ms else None,
        "until": rfc3339(r.expires_ms)[:10] if r.expires_ms else None,
        "evidence": r.details.evidence or None,
        "changed": time_text(r.changed_ms),
        "by": r.who,
    }


@sender.command("show")
@_sender
@_country
def show_(sender: str, country: str) -> None:
    """Show one registration and all that was ever done to it, as JSON: evidence for a compliance officer."""
    book = _book()
    found = _one(book, sender, country)
    acts = [
        {
            "at": rfc3339(act.at_ms),
            "who": act.who,
            "state": act.state,
            "valid_from": rfc3339(act.valid_from_ms)[:10] if act.valid_from_ms else None,
            "expires": rfc3339(act.expires_ms)[:10] if act.expires_ms else None,
            "details": _plain(act.details),
        }
        for act in book.acts(found.id)
    ]
    click.echo(json.dumps(_row(found) | {"details": _plain(found.details), "acts": acts}, indent=1))


def _plain(details: Details) -> Any:
    import msgspec

    return msgspec.to_builtins(details)


@sender.command()
@_sender
@click.option("--to", "number", required=True, help="a number in the country; it is not recorded anywhere")
@click.option(
    "--class",
    "class_",
    type=click.Choice(["otp", "alert", "transaction", "bulk"]),
    default="transaction",
    show_default=True,
    help="class of the message",
)
def check(sender: str, number: str, class_: str) -> None:
    """Say whether a message from SENDER to a number would pass the register, by routes and settings as they are."""
    from appliance.message import CLASSES
    from appliance.numbering import normalise, region_of, sender_kind
    from appliance.router import RouteShelf, through

    settings = load(home=home_of())
    sender_kind(sender)
    to, calling_code = normalise(number)
    table = through(RouteShelf(settings).loading()).table
    register = SenderBook(settings).register()
    country = register.check(to, calling_code, CLASSES.index(class_), sender, now_ms(), table.group)
    if country:
        click.echo(
            f"`{sender}` may be used in {country}: its registration is confirmed, or {country} does not ask for one of its kind"
        )
    else:
        where = region_of(to, calling_code) or "this country"
        click.echo(f"`{sender}` may be used: {where} is not in senders.mandatory")


@sender.command()
@_json
def rules(as_json: bool) -> None:
    """Show what each country asks, by whose word, and which are switched on."""
    on = load(home=home_of())["senders.mandatory"]
    rows = [
        {
            "country": country,
            "on": country in on,
            "kinds": " ".join(sorted(rule.kinds)),
            "needs": " ".join(rule.needs) or None,
            "source": rule.source,
        }
        for country, rule in RULES.items()
    ]
    show(rows, as_json)


@sender.command()
@_json
def campaigns(as_json: bool) -> None:
    """Show the US campaigns that hold now with their senders and limits, as the engine keeps to them over all links."""
    rows = [
        {
            "campaign": c.name,
            "senders": " ".join(c.senders),
            "per_minute": c.per_minute or None,
            "brand": c.brand,
            "per_day": c.per_day or None,
        }
        for c in campaigns_of(_book().all(), now_ms())
    ]
    show(rows, as_json)
