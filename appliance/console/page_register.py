"""The register of certificates, keys and secrets: what ends soonest first; export; a request for a new certificate with a sealed key."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, Flask, Response, current_app, g, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import Access, may
from appliance.certificates import KINDS, Due, Item, Watch, as_csv, ask, due, register, shown
from appliance.clock import rfc3339
from appliance.errors import Error

from .desk import Desk, desk, who
from .guard import needs
from .languages import say
from .saying import said

views = Blueprint("register", __name__)

TONES: Final = {60: "info", 30: "warn", 7: "bad", 0: "bad"}


def watch(app: Flask, it: Desk) -> None:
    """Has ends told beforehand: log, audit log, banner."""

    def look() -> list[Item]:
        return register(it.settings, Access(it.settings), _keys(it))

    def record(what: str, on: str, outcome: str, **detail: Any) -> None:
        it.peers.record("process:console", what, on, outcome, **detail)

    looking = app.extensions["casemate-register"] = Watch(it.settings, look, record)
    looking.run(it.clock)


def coming() -> list[Due]:
    """What ends within a month or has ended, for the banner; nothing for who may not see it."""
    looking: Watch | None = current_app.extensions.get("casemate-register")
    person = getattr(g, "person", None)
    if looking is None or person is None or not may(person.role, "register.read"):
        return []
    return [each for each in looking.found if each.step <= 30]


def _keys(it: Desk) -> dict[str, Any]:
    try:
        return it.peers.keys_state()
    except Error:
        return {}


def _page(problem: str = "", done: str = "", status: int = 200) -> Any:
    it = desk()
    state = _keys(it)
    items = sorted(register(it.settings, it.access, state), key=lambda i: (i.expires_ms or 1 << 62, i.id))
    filled = {
        "items": items,
        "ending": {each.item.id: each for each in due(items, it.clock())},
        "tones": TONES,
        "silent": not state,
        "shown": shown(it.settings),
        "kinds": list(KINDS),
        "problem": problem,
        "done": done,
    }
    return render_template("register.html", **filled), status


@views.get("/register")
@needs("register.read")
def page() -> Any:
    return _page()


@views.post("/register/export")
@needs("register.read")
def export() -> AnyResponse | Any:
    """The whole register as CSV, each data key its own row."""
    it = desk()
    state = _keys(it)
    if not state:
        return _page(
            say("The keys process does not answer: a register without the HSM's keys is not whole."), status=503
        )
    items = register(it.settings, it.access, state, each=True)
    it.peers.record(who(), "register.exported", "register:all", rows=len(items))
    name = f"casemate-register-{rfc3339(it.clock())[:10]}.csv"
    return Response(
        as_csv(items), mimetype="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@views.post("/register/csr")
@needs("register.ask")
def csr() -> AnyResponse | Any:
    """A key, sealed, that stays on the box, and the request for its certificate."""
    it, form = desk(), request.form
    place = form.get("place", "")
    if place not in shown(it.settings):
        return _page(say("Choose what the certificate is for."), status=422)
    hosts = [host for host in form.get("hosts", "").replace(",", " ").split() if host]
    given = (form.get("name", "").strip(), hosts, form.get("organisation", "").strip(), form.get("country", "").strip())
    try:
        return asked(place, *given, form.get("kind", "p256"))
    except Error as error:
        if error.code != "invalid":
            raise
        return _page(said(error), status=422)


def asked(place: str, name: str, hosts: list[str], organisation: str, country: str, kind: str) -> AnyResponse:
    """The request as a file; its key stays, sealed. Raises Error `invalid`."""
    it = desk()
    folder = it.settings.home / "certificates" / rfc3339(it.clock())[:19].replace(":", "")
    sealing = it.peers.derive("sealed file", place)
    made = ask(place, name, hosts, organisation, country, kind, folder, sealing)
    try:
        it.peers.record(who(), "register.csr_made", f"item:{place}", digest=made.fingerprint, sealed=True)
    except Error:
        made.key.unlink()
        made.request.unlink()
        raise
    octets = made.request.read_bytes()
    headers = {"Content-Disposition": f'attachment; filename="{made.request.name}"'}
    return Response(octets, mimetype="application/pkcs10", headers=headers)
