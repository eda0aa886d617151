"""The audit log: entries, checkpoint, verification, export. Reading is for roles that have it; exporting is itself recorded."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from flask import Blueprint, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.audit import EVENTS, REPORTS, written
from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.limits import COSIGNED_OCTETS_MAX

from . import guard
from .desk import desk, who
from .guard import needs
from .words import OUTCOME_TONES

views = Blueprint("audit", __name__)

ROWS: Final = 50
#: Reading the whole log takes a core and, exported, its size on disk: one at a time, for everybody together.
_WHOLE_LOG: Final = threading.Lock()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    if not _WHOLE_LOG.acquire(blocking=False):
        raise Error("overloaded", "somebody verifies or exports the log already", "try again when that is done")
    try:
        yield
    finally:
        _WHOLE_LOG.release()


def _before() -> int | None:
    text = request.args.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _checkpoint() -> dict[str, Any] | None:
    try:
        return desk().peers.checkpoint()
    except Error:
        return None


def sought_of(given: Mapping[str, str]) -> dict[str, str]:
    """What is looked for; what no entry can hold is left out."""
    asked = {name: given.get(name, "").strip()[:128] for name in ("what", "who", "on", "outcome", "since", "until")}
    if asked["what"] not in EVENTS:
        asked["what"] = ""
    if asked["outcome"] not in OUTCOME_TONES:
        asked["outcome"] = ""
    for name in ("since", "until"):
        if not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?", asked[name], re.ASCII):
            asked[name] = ""
    return {name: value for name, value in asked.items() if value}


@views.get("/audit")
@needs("audit.read")
def page() -> str:
    given = sought_of(request.args)
    entries: list[dict[str, Any]] = []
    well = True
    try:
        entries = desk().peers.audit_entries(_before(), ROWS, given)
    except Error as error:
        if error.code != "peer_unavailable":
            raise
        well = False
    asked: dict[str, Any] = dict(given)
    older = url_for("audit.page", **asked, before=entries[-1]["index"]) if len(entries) == ROWS else None
    filled: dict[str, Any] = {"entries": entries, "older": older, "given": given, "well": well}
    if guard.is_htmx():
        return render_template("_audit_rows.html", **filled)
    state = _state() if well else {}
    filled |= {"checkpoint": _checkpoint() if well else None, "witnessed": _witnessed(state), "siem": state.get("siem")}
    filled["weaker"] = [change["name"] for change in state.get("weaker", ())]
    filled["marked"] = _newest("audit.reviewed") if well else None
    filled["review"] = _newest("audit.review") if well else None
    filled |= {"reports": REPORTS, "two_people": desk().settings["audit.export_approval"]}
    return render_template("audit.html", events=EVENTS, done=request.args.get("done", ""), **filled)


def _newest(what: str) -> dict[str, Any] | None:
    """The newest entry of an event, None when there is none."""
    try:
        found = desk().peers.audit_entries(None, 1, {"what": what})
    except Error:
        return None
    return found[0]["entry"] if found and found[0]["entry"]["what"] == what else None


@views.post("/audit/reviewed")
@needs("audit.verify")
def reviewed() -> AnyResponse:
    """An officer's mark: reviewed up to the end of the last daily review."""
    text = request.form.get("upto", "")
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Error("invalid", "this is no number of an entry")
    desk().peers.reviewed(int(text), who())
    page = "audit.review" if request.form.get("page") == "review" else "audit.page"
    return redirect(url_for(page, done="reviewed"), 303)


def _state() -> dict[str, Any]:
    try:
        return desk().peers.audit_state()
    except Error:
        return {}


def _witnessed(state: dict[str, Any]) -> dict[str, Any] | None:
    """Until where a witness vouches for the log, and whether that is long ago; None when no witness is set."""
    if not state.get("witnesses"):
        return None
    days = int(desk().settings["audit.cosigned_days"])
    at = datetime.fromisoformat(state["cosigned_at"]).timestamp() * 1000 if state["cosigned_at"] else 0
    return {**state, "late": desk().clock() - at > days * 86_400_000, "days": days}


@views.get("/audit/request")
@needs("audit.export")
def request_file() -> AnyResponse:
    """What a witness takes to their own PC."""
    name = f"casemate-request-{rfc3339(desk().clock())[:19].replace(':', '')}Z.txt"
    return send_file(io.BytesIO(desk().peers.request().encode()), "text/plain", as_attachment=True, download_name=name)


@views.post("/audit/cosigned")
@needs("audit.export")
def cosigned() -> AnyResponse:
    """Takes back what the witness cosigned."""
    given = request.files.get("note")
    note = given.read(COSIGNED_OCTETS_MAX + 1).decode("utf-8", "replace") if given else ""
    desk().peers.cosigned(note, who())
    return redirect(url_for("audit.page", done="cosigned"), 303)


@views.post("/audit/verify")
@needs("audit.verify")
def verify() -> str:
    with alone():
        verdict = desk().peers.verify(who())
    template = "_verdict.html" if guard.is_htmx() else "verdict.html"
    return render_template(template, verdict=verdict, at_ms=desk().clock())


#: Form of an export -> end of its file's name, and what it is.
FORMS: Final = {
    "archive": (".tar", "application/x-tar"),
    "csv": (".csv", "text/csv; charset=utf-8"),
    "pdf": (".pdf", "application/pdf"),
}


@views.post("/audit/export")
@needs("audit.export")
def export() -> AnyResponse:
    number = request.form.get("request", "").strip()
    if number and (not number.isascii() or not number.isdigit() or len(number) > 9):
        raise Error("invalid", "this is no number of a request")
    return exported(request.form.get("form", "archive"), sought_of(request.form), int(number or 0))


def exported(form: str, sought: dict[str, str], number: int) -> AnyResponse:
    """The log, or the entries that are looked for, as a signed archive, CSV or PDF. The auditor records it before it makes it."""
    if form not in FORMS:
        raise Error("invalid", "an export is an archive, CSV or PDF")
    scratch = desk().settings.home / "export"
    scratch.mkdir(mode=0o770, parents=True, exist_ok=True)
    scratch.chmod(0o770)  # a release before made it for the console alone
    with alone():
        for left in scratch.glob("audit-*"):  # by a console that was killed
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="audit-", dir=scratch))
        folder.chmod(0o770)  # the auditor writes into it: on the appliance a user of its own, in the same group
        try:
            file = folder / "audit"
            made = desk().peers.export(str(file), who(), form, sought, number)
            if form == "pdf":
                file.write_bytes(written.entries_pdf(desk().peers.call, made["size"], sought))
            packed = cast(Any, file.open("rb"))  # closed with the answer
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return sent(packed, "casemate-audit", form)


def sent(content: Any, name: str, form: str) -> AnyResponse:
    """A file to keep, with the moment in its name."""
    end, kind = FORMS[form]
    name = f"{name}-{rfc3339(desk().clock())[:19].replace(':', '')}Z{end}"
    return send_file(content, mimetype=kind, as_attachment=True, download_name=name)
