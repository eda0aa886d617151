"""Erasure of one person by number (GDPR art. 17): asked for, approved by another person, done, its certificate taken away.

A number comes in the body of a form, is compared by its blind index and is kept nowhere.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from flask import Blueprint, current_app, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import Error
from appliance.numbering import normalise
from appliance.subject import certificate

from .desk import desk, who
from .erasures import Erasures
from .guard import needs
from .languages import N_, say
from .saying import said

views = Blueprint("erasure", __name__)

#: What a request may be while its erasure is not begun, and what that means to who reads it.
WORDS = {
    "asked": N_("waits for another person"),
    "approved": N_("approved"),
    "refused": N_("refused"),
    "expired": N_("not approved in time"),
    "used": N_("begun"),
}


def erasures() -> Erasures:
    """One for the application, made when it is first needed."""
    made: Erasures | None = current_app.extensions.get("casemate.erasures")
    if made is None:
        made = current_app.extensions["casemate.erasures"] = Erasures(desk().settings, desk().peers, desk().clock)
    return made


def _rows() -> list[dict[str, Any]]:
    """Every erasure, newest first, with what the keys process says of its request."""
    asked = {each["approval_id"]: each for each in desk().peers.ask("keys", "requests", {})["requests"]}
    rows = []
    for each in erasures().journal.all():
        request_ = asked.get(each.request, {})
        state = "done" if each.done_ms else request_.get("state", "asked")
        rows.append(
            {
                "n": each.n,
                "request": each.request,
                "asked_ms": each.asked_ms,
                "done_ms": each.done_ms,
                "state": state,
                "words": WORDS.get(state, N_("done")),
                "asked_by": request_.get("asked_by", ""),
                "approved_by": request_.get("decided_by", ""),
                "reason": request_.get("reason", ""),
                "mine": request_.get("asked_by") == who(),
            }
        )
    return rows


def _page(problem: str = "", status: int = 200) -> Any:
    filled = {"rows": _rows(), "now": erasures().now, "problem": problem, "done": request.args.get("done", "")}
    return render_template("erasure.html", **filled), status


def _number() -> str:
    try:
        return normalise(request.form.get("number", ""))[0]
    except Error as e:
        raise Error(e.code, "what was typed is no telephone number", "with its country: +39 333 123 4567") from None


@views.get("/erasure")
@needs("keys.ask", proven=False)
def page() -> Any:
    return _page()


@views.get("/erasure/now")
@needs("keys.ask", proven=False)
def now() -> str:
    return render_template("_erasure_now.html", now=erasures().now)


@views.post("/erasure")
@needs("keys.ask")
def ask() -> Any:
    """Nothing is erased before another person has approved it."""
    reason = request.form.get("reason", "").strip()
    if not reason:
        return _page(say("Say why, naming a case: the other person has to judge it."), 422)
    try:
        erasures().erasing().ask(_number(), reason, who())
    except Error as e:
        if e.code not in ("invalid", "number_invalid", "legal_hold"):
            raise
        return _page(said(e), 409 if e.code == "legal_hold" else 422)
    return redirect(url_for("erasure.page", done="asked"), 303)


@views.post("/erasure/requests/<int:number>")
@needs("keys.decide")
def decide(number: int) -> AnyResponse:
    """Another person's yes or no; the keys process makes sure that it is another."""
    outcome = request.form.get("outcome", "")
    if outcome not in ("yes", "no"):
        raise Error("invalid", "a decision is yes or no")
    if erasures().journal.of_request(number) is None:
        raise Error("not_found", "there is no such erasure")
    desk().peers.ask("keys", "decide", {"request": number, "yes": outcome == "yes", "who": who()})
    return redirect(url_for("erasure.page", done=outcome), 303)


@views.post("/erasure/requests/<int:number>/erase")
@needs("keys.ask")
def erase(number: int) -> Any:
    """Begins it, or goes on where it was cut off. The number is typed again: nothing kept it."""
    try:
        erasures().begin(number, _number(), who())
    except Error as e:
        if e.code not in ("invalid", "number_invalid", "legal_hold", "forbidden", "key_state"):
            raise
        return _page(said(e), 409)
    return redirect(url_for("erasure.page", done="begun"), 303)


@views.get("/erasure/<int:number>/certificate")
@needs("keys.ask", proven=False)
def certificate_(number: int) -> AnyResponse:
    """The certificate, with the proof that the audit log has it, as one archive."""
    found = erasures().journal.one(number)
    if found is None or not found.done_ms:
        raise Error("not_found", "there is no such erasure that is done")
    peers = desk().peers
    proof = peers.ask("auditor", "proof", {"index": found.entry})["tlog_proof"]
    folder = Path(tempfile.mkdtemp(prefix="casemate-"))
    try:
        made = folder / f"erasure-{number}"
        certificate.write(made, found.certificate, found.signature, proof, peers.audit_state()["vkey"])
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(made.iterdir()):
                archive.write(path, f"{made.name}/{path.name}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    packed.seek(0)
    return send_file(
        packed, mimetype="application/zip", as_attachment=True, download_name=f"casemate-erasure-{number}.zip"
    )
