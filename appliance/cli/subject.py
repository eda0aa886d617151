"""`casemate subject`: what the box holds about one telephone number, for its owner; and its erasure. The number never is on a command line."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import Settings

from .consent import _settings
from .key_acts import as_json_option
from .people import Desk, show
from .proving import proved, signed

PAUSE_S = 1.0  # for messages that are leaving just then

number_option = click.option(
    "--number-file", type=click.File(encoding="utf-8"), help="the number; else it is read from standard input"
)


@click.group()
def subject() -> None:
    """What the box holds about the owner of one telephone number: shown (GDPR art. 15), or erased (art. 17).

    An erasure is asked for with `erase`, approved by another person with `casemate keys approve`, and done with `erase --request`.
    """


def number_of(given: Any) -> str:
    """The number in E.164, typed or from a file. Raises Error `number_invalid`, without what was given."""
    from appliance.numbering import normalise

    if given is None and sys.stdin.isatty():
        text = click.prompt("number", err=True)
    else:
        text = (given or sys.stdin).readline()
    try:
        return normalise(text.strip())[0]
    except Error as e:
        raise Error(e.code, "what was given is no telephone number", "one line, +39 333 123 4567") from None


def _progress(what: str, done: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r  {done:,} rows of {what}   ", err=True, nl=False)


def _asker(settings: Settings) -> Any:
    def call(process: str, op: str, payload: dict[str, Any], timeout_s: float = 30.0) -> Any:
        with closing(BlockingClient(settings.socket(process))) as client:
            return client.call(op, payload, timeout_s)

    return call


# --- art. 15 --------------------------------------------------------------------------------------------------


def _others(settings: Settings, ring: Any, number: str) -> dict[str, Callable[[bytes], Iterator[dict[str, Any]]]]:
    """What rooms hold that the subject's does not know."""
    from appliance.flows import Book as FlowBook
    from appliance.flows import opened, runs_of
    from appliance.message import id_text
    from appliance.verify import Book, unpacked, verifications_of
    from appliance.verify import aad as verify_aad

    def verifications(index: bytes) -> Iterator[dict[str, Any]]:
        with closing(Book(settings.home / "verify.db")) as book:
            for row in verifications_of(book, index):
                kept = unpacked(ring.by_id(row.key_id).open(row.sealed, verify_aad(row.id))) if row.sealed else None
                payment = kept is not None and bool(kept.payee)
                yield {
                    "id": id_text(row.id),
                    "purpose": row.purpose,
                    "status": row.status(now_ms()),
                    "created_at": rfc3339(row.created_ms),
                    "expires_at": rfc3339(row.expires_ms),
                    "messages": row.sends,
                    "wrong_tries": row.tries,
                    "to": kept.to if kept is not None else None,
                    "payment": {"payee": kept.payee, "amount": kept.amount, "currency": kept.currency}
                    if payment and kept is not None
                    else None,
                    "erased": kept is None,
                }

    def workflows(index: bytes) -> Iterator[dict[str, Any]]:
        with closing(FlowBook(settings.home / "flows.db")) as book:
            for row in runs_of(book, index):
                kept = opened(ring.by_id(row.key_id), row.id, row.sealed) if row.sealed else None
                yield {
                    "id": id_text(row.id),
                    "workflow": row.workflow,
                    "state": row.machine.state,
                    "outcome": row.machine.outcome or None,
                    "started_at": rfc3339(row.started_ms),
                    "changed_at": rfc3339(row.changed_ms),
                    "to": kept.to if kept is not None else None,
                    "values": kept.variables if kept is not None else None,
                    "erased": kept is None,
                }

    def waiting(_: bytes) -> Iterator[dict[str, Any]]:
        call = _asker(settings)
        yield {"kept_by": "courier", **call("courier", "known_number", {"number": number})}
        if settings["door.enabled"]:
            yield {"kept_by": "door", **call("door", "known_number", {"number": number}, 120.0)}

    return {"verifications": verifications, "workflows": workflows, "waiting": waiting}


@subject.command()
@click.argument("folder", type=click.Path(path_type=Path))
@number_option
def export(folder: Path, number_file: Any) -> None:
    """Write everything the box holds about one number into the new FOLDER as JSON.

    The number is read from standard input or a file: a command line is visible to others. Recorded in the audit log, without the
    number, before anything is read; the appliance must be running.
    """
    from appliance.keys import BlockingKeyring
    from appliance.subject import Holdings, write

    number, settings, desk = number_of(number_file), _settings(), Desk()
    ring = BlockingKeyring(settings)
    try:
        holdings = Holdings(settings, ring, number, _others(settings, ring, number))
        manifest = write(folder, holdings, desk.recorder, desk.who, now_ms(), _progress)
    finally:
        ring.close()
    for name, said in manifest["files"].items():
        click.echo(f"{said['rows']:>10,} rows  {name}")
    click.echo(f"written to {folder.name}; it holds what was written in clear: erase it when it was handed over")


# --- art. 17 --------------------------------------------------------------------------------------------------


def _erasing(settings: Settings, ring: Any, recorder: Any) -> Any:
    from appliance import flows, verify
    from appliance.subject import Erasing, Journal, sites

    def told(done: int, of: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r  {done} of {of} days   ", err=True, nl=done == of)

    return Erasing(
        settings, Journal(settings), _asker(settings), ring.index_of, sites(settings, flows, verify), recorder, now_ms,
        lambda: threading.Event().wait(PAUSE_S), told,
    )  # fmt: skip


@subject.command()
@click.option("--reason", help="why, naming a case and no number: it stays when the person is erased")
@click.option("--request", type=int, help="do what this request was approved for, or go on with it")
@click.option("--out", type=click.Path(path_type=Path), help="new folder for the certificate")
@number_option
@signed
@as_json_option
def erase(
    reason: str | None,
    request: int | None,
    out: Path | None,
    number_file: Any,
    user: str,
    password_file: Path | None,
    as_json: bool,
) -> int:
    """Erase one person: content and number of every message to and from a number, in every store.

    With --reason it is asked for; nothing happens before another person approves it (`casemate keys approve`). With --request it is
    done, day by day; cut off, the same command goes on. What stays is written on the certificate. The number is read from standard
    input or a file, both times. Refused while a legal hold covers a day that has something of the person.
    """
    import json

    from appliance.keys import BlockingKeyring

    if (reason is None) == (request is None):
        raise click.UsageError("give --reason to ask for an erasure, or --request to do it")
    number, settings, desk = number_of(number_file), _settings(), Desk()
    who = proved(settings, "keys.ask", user, password_file)
    ring = BlockingKeyring(settings)
    try:
        erasing = _erasing(settings, ring, desk.recorder)
        if reason is not None:
            n, asked = erasing.ask(number, reason, who)
            said: dict[str, Any] = {"erasure": n, "request": asked}
            line = f"erasure {n}, request {asked}: another person now runs `casemate keys approve {asked}`"
        else:
            done = erasing.run(erasing.approved(request, number, who), number, who)
            said = json.loads(done.certificate)
            line = f"erasure {done.n} is done; `casemate subject certificate {done.n} FOLDER` writes its certificate"
            if out is not None:
                _write(settings, done, out)
                line = f"erasure {done.n} is done; its certificate is in {out.name}"
    finally:
        ring.close()
    click.echo(json.dumps(said, indent=1) if as_json else line)
    return 0


def _write(settings: Settings, erasure: Any, folder: Path) -> None:
    from appliance.audit import commands
    from appliance.subject import certificate

    vkey = _asker(settings)("auditor", "state", {})["vkey"]
    proof = commands.proof(settings, erasure.entry).result["tlog_proof"]
    certificate.write(folder, erasure.certificate, erasure.signature, proof, vkey)


@subject.command()
@as_json_option
def erasures(as_json: bool) -> None:
    """List erasures: asked for, begun, done. None of them has a number."""
    from appliance.subject import Journal

    rows = [
        {
            "erasure": e.n,
            "request": e.request,
            "state": e.state,
            "asked": rfc3339(e.asked_ms),
            "done": rfc3339(e.done_ms) if e.done_ms else None,
            "stands_for": e.stands_for.hex(),
        }
        for e in Journal(_settings()).all()
    ]
    show(rows, as_json)


@subject.command("certificate")
@click.argument("erasure", type=int)
@click.argument("folder", type=click.Path(path_type=Path))
def certificate_(erasure: int, folder: Path) -> None:
    """Write the certificate of ERASURE, with the proof that the audit log has it, into the new FOLDER."""
    from appliance.subject import Journal

    settings = _settings()
    found = Journal(settings).one(erasure)
    if found is None or not found.done_ms:
        raise Error("not_found", f"there is no erasure {erasure} that is done", "see `casemate subject erasures`")
    _write(settings, found, folder)
    click.echo(f"written to {folder.name}; `casemate subject verify-certificate {folder.name}` checks it")


@subject.command("verify-certificate")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--key", help="the log's key you were given, a line or a file; without it the folder's own is believed")
@as_json_option
def verify_certificate(file: Path, key: str | None, as_json: bool) -> None:
    """Check a certificate of erasure, offline: who signed it, and that the audit log has it. FILE: its folder or certificate.json."""
    import json

    from appliance.subject import certificate

    if key is not None and Path(key[:200]).is_file():
        key = Path(key).read_text(encoding="utf-8").strip()
    said, found = certificate.verify(file, key)
    if as_json:
        click.echo(json.dumps({"certificate": said, "found": found}, indent=1))
        return
    click.echo(certificate.text_of((file if file.is_dir() else file.parent).joinpath(certificate.JSON).read_bytes()))
    click.echo("\n".join([*found, "VERIFIES"]))
