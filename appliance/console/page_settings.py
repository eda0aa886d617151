"""Settings: every one with its value and what it means, versions that people approved, and the way to another one or back to an earlier.

An approved version is put into use by who may write where the processes read: the console on a machine of one's own, the box's own unit on the appliance, or
`casemate config apply`.
"""

from __future__ import annotations

import tomllib
from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import DOCUMENT_CHARACTERS_MAX, differences, digest_of, flat, in_use
from appliance.errors import Error
from appliance.settings import SETTINGS

from .acts import answered, do_or_begin, of_settings
from .applying import apply_newest
from .desk import desk
from .guard import needs
from .languages import N_
from .saying import said

views = Blueprint("settings", __name__)

SAID: Final = {
    "approved": N_("The version is approved. It is put into use below, or by the command casemate config apply."),
    "again": N_("The version is in use: the processes start again with it, which takes some seconds."),
    "next": N_("The version is where the processes read it at their next start."),
    "same": N_("The version is in use already."),
}


def _page(problem: str = "", status: int = 200) -> tuple[str, int]:
    it = desk()
    wanted = request.args.get("words", "").strip().lower()[:60]
    newest, present = it.access.settings_newest(), it.access.settings_present()
    rows = [(s, it.settings[s.name]) for s in SETTINGS if wanted in f"{s.name} {s.help}".lower()]
    filled: dict[str, Any] = {
        "rows": rows,
        "words": wanted,
        "links": it.settings.links,
        "versions": it.access.settings_versions(),
        "document": request.form.get("document", "") if status == 422 else present,
        "waits": newest is not None and bool(differences(in_use(), present)),
        "done": SAID.get(request.args.get("done", ""), ""),
    }
    return render_template("settings.html", problem=problem, **filled), status


@views.get("/settings")
@needs("settings.read")
def page() -> tuple[str, int]:
    return _page()


@views.get("/settings/<int:number>")
@needs("settings.read")
def one(number: int) -> str:
    """One version, compared with the one before it."""
    version = desk().access.settings_version(number)
    before = next((v for v in desk().access.settings_versions() if v.id < number), None)
    old, new = flat(tomllib.loads(before.document)) if before else {}, flat(tomllib.loads(version.document))
    names = [n for n in [*old, *(n for n in new if n not in old)] if old.get(n) != new.get(n)]
    return render_template("settings_version.html", version=version, rows=[(n, old.get(n), new.get(n)) for n in names])


@views.post("/settings")
@needs("settings.write", octets_max=4 * DOCUMENT_CHARACTERS_MAX)
def change() -> AnyResponse | tuple[str, int]:
    return _to(request.form.get("document", "").replace("\r\n", "\n"))


@views.post("/settings/<int:number>/back")
@needs("settings.write")
def back(number: int) -> AnyResponse | tuple[str, int]:
    return _to(desk().access.settings_version(number).document)


@views.post("/settings/apply")
@needs("settings.write")
def apply() -> AnyResponse:
    """The newest approved version, put into use."""
    done = apply_newest()
    said = "same" if not done.changed else "again" if done.restarts else "next"
    return redirect(url_for("settings.page", done=said), 303)


def _to(document: str) -> AnyResponse | tuple[str, int]:
    try:
        before, after = of_settings(document)
        if not before and not after:
            raise Error("invalid", "nothing of it is different from the newest version")
    except Error as error:
        if error.code not in ("invalid", "settings_invalid"):
            raise
        return _page(said(error), 422)
    return answered(do_or_begin("settings.change", digest_of(document), before, after, document))
