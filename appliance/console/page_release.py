"""Release: a bundle uploaded in pieces, what was found in it, who asked and who approved, the slots, and how its installation is going; firmware of hardware
that waits for another person.

The console never looks into a bundle: a process apart does (`casemate firmware inspect`), and who installs it checks all of it again.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, g, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import may
from appliance.errors import Error
from appliance.limits import OFFER_APPROVAL_OCTETS_MAX, OFFER_PIECE_OCTETS_MAX
from appliance.updates import REFUSALS, Cabinets, Offers, Updates, begun, grouped, progress

from . import saying
from .desk import desk, party, who
from .guard import needs
from .languages import N_, say

views = Blueprint("release", __name__)

FORM_OCTETS: Final = 8 * 1024
TONES: Final = {"asked": "warn", "approved": "info", "refused": "bad", "expired": "quiet", "used": "good"}
SLOT_TONES: Final = {"good": "good", "trying": "warn", "written": "info", "bad": "bad", "empty": "quiet"}
#: What became of firmware of hardware -> (how it is said, its tone).
BECAME: Final = {
    "applied": (N_("written"), "good"),
    "restart": (N_("takes effect at a restart"), "info"),
    "failed": (N_("not written"), "bad"),
    "refused": (N_("not written"), "bad"),
    "begun": (N_("is being written"), "info"),
}
INSPECTION: Final = (
    "nothing that looked into the file came to an end",
    "take it away and upload the file as it was published",
)


def offers() -> Offers:
    it = desk()
    return Offers(Updates(it.settings, recorder=Signed(), clock=it.clock))  # type: ignore[arg-type]  # records as a recorder does


class Signed:
    """What is asked for by a program stands in the log as the program's, though where two people decide it counts as who made its token."""

    def record(self, by: str, *what: Any, **detail: Any) -> Any:
        return desk().peers.record(who() if by == party() else by, *what, **detail)


def state() -> dict[str, Any]:
    """The offer, what was found in it, and the requests, for pages and programs."""
    it = offers()
    requests = [it.updates.shown(r) for r in it.updates.book.requests()[:10]]
    return {**it.state(), "version": it.updates.machine.version, "requests": requests}


def _filled(problem: str = "") -> dict[str, Any]:
    """Everything on the page. A machine without slots, or with a disk that only root may read, shows the offer and the requests."""
    it = offers()
    found = it.state()
    verdict = found["verdict"]
    code = str(verdict.get("refused", ""))
    sentence, hint = REFUSALS.get(code, INSPECTION) if code else ("", "")
    requests = [it.updates.shown(r) for r in it.updates.book.requests()[:10]]
    path = str(it.path or "")
    open_ = [r for r in requests if r["path"] == path and r["state"] in ("asked", "approved")]
    return {
        **found,
        "problem": problem,
        "version": it.updates.machine.version,
        "sentence": sentence,
        "hint": hint.replace("`", ""),
        "fingerprint": grouped(verdict.get("fingerprint", "")),
        "requests": requests,
        "open": open_[0] if open_ else None,
        "mine": bool(open_) and open_[0]["asked_by"] == who(),
        "progress": progress(it.updates.book.folder),
        "tones": TONES,
        "piece": OFFER_PIECE_OCTETS_MAX,
        "asks": may(g.person.role, "firmware.ask"),
        "decides": may(g.person.role, "firmware.approve"),
        "window": desk().settings["firmware.window"],
        "cabinets": _cabinets(it.updates),
    }


def _cabinets(updates: Updates) -> list[dict[str, Any]]:
    """Firmware of hardware that was asked for, newest first: what was shown then, and what became of it."""
    out = []
    for r in Cabinets(updates).state()[:5]:
        became = BECAME.get(r["result"].get("state", ""))
        shown = r["cabinet"]
        out.append(
            {
                **r,
                "name": f"{shown['name']} {shown['version']}",
                "signer": shown["signer"],
                "fingerprint": grouped(shown["fingerprint"]),
                "devices": [f"{name}: {before} → {after}" for _, name, before, after, _ in shown["fits"]],
                "warnings": sorted({warning for fit in shown["fits"] for warning in fit[4]}),
                "said": say(became[0]) if became else "",
                "tone": became[1] if became else "",
                "mine": r["asked_by"] == who(),
            }
        )
    return out


@views.get("/release")
@needs("firmware.read")
def page() -> str:
    return render_template("release.html", **_filled())


@views.get("/release/now")
@needs("firmware.read")
def now() -> str:
    return render_template("_release_now.html", **_filled())


# --- an upload ------------------------------------------------------------------------------------------------


@views.post("/release/upload")
@needs("firmware.ask", proven=False, octets_max=FORM_OCTETS)
def begin() -> AnyResponse:
    octets = request.form.get("octets", "")
    if not (octets.isascii() and octets.isdigit() and len(octets) < 16):
        raise Error("invalid", "that is no size")
    return jsonify({"here": offers().begin(request.form.get("name", ""), int(octets), who())})


@views.post("/release/upload/piece")
@needs("firmware.ask", proven=False, octets_max=OFFER_PIECE_OCTETS_MAX)
def piece() -> AnyResponse:
    at = request.args.get("at", "")
    if not (at.isascii() and at.isdigit() and len(at) < 16):
        raise Error("invalid", "that is no place in a file")
    return jsonify({"here": offers().piece(int(at), request.get_data())})


@views.post("/release/upload/end")
@needs("firmware.ask", proven=False, octets_max=FORM_OCTETS)
def end() -> AnyResponse:
    return jsonify({"sha256": ended(offers())})


def ended(it: Offers) -> str:
    """The digest of the whole bundle; what is in it is found out by a process apart."""
    digest = it.end(who())
    _looked(it)
    return digest


@views.post("/release/approval")
@needs("firmware.approve", octets_max=OFFER_APPROVAL_OCTETS_MAX + FORM_OCTETS)
def approval() -> Any:
    """An officer's signature over the bundle, made at the bank's desk."""
    given = request.files.get("approval")
    it = offers()
    try:
        it.approved(given.read() if given is not None else b"", who())
    except Error as e:
        if e.code != "invalid":
            raise
        return _again(e)
    _looked(it)
    return redirect(url_for("release.page"), 303)


def _looked(it: Offers) -> None:
    """On the appliance a unit of its own begins when something waits; elsewhere nobody else would."""
    if not it.updates.machine.root_hash:
        begun("firmware", "inspect")


@views.post("/release/leave")
@needs("firmware.ask", octets_max=FORM_OCTETS)
def leave() -> AnyResponse:
    offers().leave()
    return redirect(url_for("release.page"), 303)


# --- two people -------------------------------------------------------------------------------------------------


@views.post("/release/ask")
@needs("firmware.ask", octets_max=FORM_OCTETS)
def ask() -> Any:
    try:
        offers().ask(request.form.get("reason", ""), who())
    except Error as e:
        if e.code != "invalid":
            raise
        return _again(e)
    return redirect(url_for("release.page"), 303)


@views.post("/release/requests/<int:number>")
@needs("firmware.approve", octets_max=FORM_OCTETS)
def decide(number: int) -> AnyResponse:
    """Another person's yes or no. After a yes the box installs it by itself; it restarts in the hours of the settings."""
    offers().updates.decide(number, _yes(), who())
    return redirect(url_for("release.page"), 303)


@views.post("/release/hardware/<int:number>")
@needs("firmware.approve", octets_max=FORM_OCTETS)
def decide_hardware(number: int) -> AnyResponse:
    """Another person's yes or no to firmware of hardware. After a yes the box writes it by itself."""
    Cabinets(offers().updates).decide(number, _yes(), who())
    return redirect(url_for("release.page"), 303)


def _yes() -> bool:
    """What the form says of a request. Raises Error `invalid`."""
    outcome = request.form.get("outcome", "")
    if outcome not in ("yes", "no"):
        raise Error("invalid", "a decision is yes or no")
    return outcome == "yes"


def _again(e: Error) -> tuple[str, int]:
    return render_template("release.html", **_filled(saying.said(e))), 422
