"""Verifications: what became of codes by purpose and by prefix, and prefixes that get none. Shows no number and no code: it could not."""

from __future__ import annotations

import io
import zipfile
from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.message import id_octets, id_text
from appliance.verify import (
    BLOCK_HOURS_MAX,
    ENTRIES_MAX,
    NONE,
    WHY,
    Book,
    by_person,
    check_prefix,
    digest,
    files,
)

from .desk import desk, who
from .guard import needs
from .languages import say
from .saying import said

views = Blueprint("verifications", __name__)

DAYS: Final = 7


def _book() -> Book:
    return Book(desk().settings.home / "verify.db")


@views.get("/verifications")
@needs("verifications.read")
def page() -> Any:
    return _page()


def _page(problem: str = "", status: int = 200) -> Any:
    filled = counted()
    done = request.args.get("done", "")
    return render_template("verifications.html", **filled, why=WHY, days=DAYS, problem=problem, done=done), status


def counted() -> dict[str, Any]:
    """What became of codes by purpose and by prefix, and prefixes that get none."""
    now_ms = desk().clock()
    book = _book()
    try:
        return {
            "funnel": book.funnel(now_ms, DAYS),
            "prefixes": book.conversions(now_ms),
            "operators": book.carriers(now_ms),
            "blocks": book.blocks(now_ms),
        }
    finally:
        book.close()


@views.post("/verifications/evidence")
@needs("evidence.export")
def evidence() -> Any:
    """What the audit log has of one authentication, as a ZIP archive: entries, proofs, the log's key."""
    verification = id_octets(request.form.get("verification", "").strip().lower())
    if verification is None:
        return _page(say("This is no id of a verification."), 422)
    on, peers = f"verification:{id_text(verification)}", desk().peers
    found = peers.call("entries", {"on": on, "limit": ENTRIES_MAX})["entries"]
    if not found:
        return _page(say("The audit log has nothing of this verification."), 404)
    entries = sorted(found, key=lambda each: int(each["index"]))
    proofs = [peers.call("proof", {"index": each["index"]})["tlog_proof"] for each in entries]
    made = files(verification, entries, proofs, peers.call("state", {})["vkey"], b"", NONE)
    peers.record(who(), "evidence.exported", on, digest=digest(made))
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in made.items():
            archive.writestr(name, content)
    named = f"attachment; filename=authentication-{id_text(verification)}.zip"
    headers = {"Content-Type": "application/zip", "Content-Disposition": named}
    return octets.getvalue(), 200, headers


@views.post("/verifications/block")
@needs("verifications.block")
def block() -> Any:
    prefix, hours = request.form.get("prefix", "").strip(), request.form.get("hours", "")
    try:
        blocked(prefix, int(hours) if hours.isascii() and hours.isdigit() and len(hours) < 9 else 0)
    except Error as error:
        if error.code != "invalid":
            raise
        return _page(said(error), 422)
    return redirect(url_for("verifications.page", done="blocked"), 303)


def blocked(prefix: str, hours: int) -> None:
    """Raises Error `invalid`."""
    check_prefix(prefix)
    if not 1 <= hours <= BLOCK_HOURS_MAX:
        raise Error("invalid", f"hours are a whole number from 1 to {BLOCK_HOURS_MAX:,}")
    made = by_person(prefix, int(hours), desk().clock())
    until = rfc3339(made.until_ms)
    desk().peers.record(who(), "verification.prefix_blocked", f"prefix:{prefix}", why=made.why, ends=until)
    book = _book()
    try:
        book.act(lambda b: b.block(made))
    finally:
        book.close()


@views.post("/verifications/open")
@needs("verifications.block")
def open_() -> AnyResponse:
    opened(request.form.get("prefix", ""))
    return redirect(url_for("verifications.page", done="opened"), 303)


def opened(prefix: str) -> None:
    """Raises Error `not_found`."""
    book = _book()
    try:
        held = book.blocked(prefix, desk().clock())
        desk().peers.record(who(), "verification.prefix_opened", f"prefix:{prefix}", why=held.why)
        book.act(lambda b: b.unblock(prefix, desk().clock()))
    finally:
        book.close()
