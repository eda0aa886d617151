"""`casemate verification`: what becomes of one-time codes by purpose and prefix, and which prefixes are blocked. Acts are on the audit log first."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.keys import BlockingKeyring
from appliance.message import id_octets, id_text
from appliance.numbering import normalise
from appliance.settings import home_of, load
from appliance.verify import (
    BLOCK_HOURS_MAX,
    ENTRIES_MAX,
    Book,
    Told,
    by_person,
    check_of,
    check_prefix,
    check_told,
    digest,
    files,
    payment_of,
)

from .people import Desk, show, time_text

PROOF_S_MAX = 60.0
_json = click.option("--json", "as_json", is_flag=True, help="for programs")


@click.group()
def verification() -> None:
    """One-time codes: how many were entered, and prefixes that get none."""


@contextlib.contextmanager
def _open() -> Iterator[Book]:
    book = Book(load(home=home_of()).home / "verify.db")
    try:
        yield book
    finally:
        book.close()


@verification.command("purposes")
@_json
def purposes(as_json: bool) -> None:
    """For each purpose how many codes were ever sent and what became of them."""
    with _open() as book:
        counts = book.tallies()
    outcomes = ("created", "sent", "approved", "denied", "cancelled")
    names = sorted({purpose for purpose, _ in counts})
    show([{"purpose": n or "unknown"} | {o: counts.get((n, o), 0) for o in outcomes} for n in names], as_json)


@verification.command("prefixes")
@click.option("--by-operator", is_flag=True, help="the same by operator, of numbers of which the settings know it")
@_json
def conversion(by_operator: bool, as_json: bool) -> None:
    """The prefixes with most codes over the last day, and how many of a hundred codes were entered rightly."""
    with _open() as book:
        rows = book.carriers(now_ms()) if by_operator else book.conversions(now_ms())
    name = "operator" if by_operator else "prefix"
    show(
        [
            {name: row.prefix}
            | dict(zip(("sent", "approved"), row[1:], strict=True))
            | {"percent": row.approved * 100 // row.sent if row.sent else 0}
            for row in rows
        ],
        as_json,
    )


@verification.command("evidence")
@click.argument("verification_id")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--payee", help="of the payment in dispute: is it the one that the code was bound to")
@click.option("--amount", help="of the payment, as it was to be approved")
@click.option("--currency", help="of the payment, three letters")
def evidence(verification_id: str, folder: Path, payee: str | None, amount: str | None, currency: str | None) -> None:
    """Write what the audit log has of one authentication into the new FOLDER: each entry with its proof, without the number."""
    settings = load(home=home_of())
    octets = id_octets(verification_id.lower())
    if octets is None:
        raise Error("not_found", "this is no id of a verification", "what POST /v1/verifications gave")
    payment = payment_of(payee, amount, currency)
    ring, desk = BlockingKeyring(settings), Desk()
    try:
        key = ring.derive("verification", "")
    finally:
        ring.close()
    on = f"verification:{id_text(octets)}"
    with contextlib.closing(BlockingClient(settings.socket("auditor"))) as auditor:
        found = auditor.call("entries", {"on": on, "limit": ENTRIES_MAX})["entries"]
        if not found:
            raise Error("not_found", "the audit log has nothing of this verification", "it may have been pruned")
        entries = sorted(found, key=lambda each: int(each["index"]))
        proofs = [auditor.call("proof", {"index": each["index"]}, PROOF_S_MAX)["tlog_proof"] for each in entries]
        vkey = auditor.call("state", {})["vkey"]
    made = files(octets, entries, proofs, vkey, key, payment)
    desk.record("evidence.exported", on, digest=digest(made))
    try:
        folder.mkdir(mode=0o700)
        for name, content in made.items():
            (folder / name).write_bytes(content)
    except OSError as e:
        raise Error("file_invalid", f"{folder.name} cannot be written: {e.strerror}", "name a new folder") from None
    click.echo(made["authentication.json"].decode().rstrip())
    click.echo(f"written to {folder.name}: {len(entries)} entries with their proofs")


@verification.command("operator")
@click.option("--purpose", default="login", show_default=True, help="as codes of this purpose are judged")
@_json
def operator_(purpose: str, as_json: bool) -> int:
    """Ask a number's operator as it is asked before a code goes there, and say what would become of the code (exit code 2: it would not leave).

    The number is read from standard input. Nothing is sent. Recorded in the log, without the number.
    """
    settings = load(home=home_of())
    check = check_of(settings.number_checks, purpose.lower())
    if check is None:
        raise Error("not_found", "no row [[number_check]] names this purpose", "nothing is asked before its codes")
    number, _ = normalise(click.prompt("number", err=True) if sys.stdin.isatty() else sys.stdin.readline().strip())
    Desk().record("number.looked_up", "numbers:operator")
    asked = {"number": number, "swap_hours": check.swap_hours, "tenure_days": check.tenure_days, "correlator": "try"}
    with contextlib.closing(BlockingClient(settings.socket("courier"))) as courier:
        told = Told(**courier.call("number_check", asked))
    row = {"sim": told.sim or None, "tenure": told.tenure or None, "why": told.why or None} | {
        "asked_of": told.asked_of or None,
        "code": "sent",
    }
    try:
        check_told(check, told)
    except Error as e:
        row["code"] = e.code
    show([row], as_json)
    return 0 if row["code"] == "sent" else 2


@verification.command("blocks")
@_json
def blocks(as_json: bool) -> None:
    """Prefixes that get no codes now, why, and until when."""
    with _open() as book:
        rows = book.blocks(now_ms())
    cells = [
        {"prefix": b.prefix, "why": b.why, "since": time_text(b.since_ms), "until": time_text(b.until_ms)} for b in rows
    ]
    show(cells, as_json)


@verification.command("block")
@click.argument("prefix")
@click.option("--hours", type=click.IntRange(1, BLOCK_HOURS_MAX), default=24, show_default=True, help="for how long")
def block(prefix: str, hours: int) -> None:
    """Send no codes to numbers that begin with PREFIX: + calling code and three digits, such as +39347."""
    check_prefix(prefix)
    desk, made = Desk(), by_person(prefix, hours, now_ms())
    desk.record("verification.prefix_blocked", f"prefix:{prefix}", why=made.why, ends=rfc3339(made.until_ms))
    with _open() as book:
        book.act(lambda b: b.block(made))
    click.echo(f"no codes go to {prefix} until {rfc3339(made.until_ms)}", err=True)


@verification.command("open")
@click.argument("prefix")
def open_(prefix: str) -> None:
    """Let codes go to PREFIX again; what it became suspect by is forgotten."""
    with _open() as book:
        held = book.blocked(prefix, now_ms())
        Desk().record("verification.prefix_opened", f"prefix:{prefix}", why=held.why)
        book.act(lambda b: b.unblock(prefix, now_ms()))
    click.echo(f"codes go to {prefix} again", err=True)
