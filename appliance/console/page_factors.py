"""One's own second factors: security keys, a telephone's codes, recovery codes. What is added or removed is recorded, and asks again who it is."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import RECOVERY, SECURITY_KEY, TOTP, secret_text, totp_uri
from appliance.errors import Error

from . import guard, security_key
from .desk import desk, who
from .guard import needs
from .languages import say
from .saying import said

views = Blueprint("factors", __name__)

ENROL: Final = "enrol"


def _page(status: int = 200, problem: str = "", **more: Any) -> tuple[str, int]:
    access = desk().access
    has = access.factors(g.person)
    filled: dict[str, Any] = {
        "has": has,
        "party": security_key.party(),
        "required": desk().settings["console.second_factor"],
        "must": guard.must_enrol(g.person),
        "done": request.args.get("done", ""),
        "secret": "",
        "square": "",
        "codes": [],
    }
    if more.pop("offer", False):
        secret = access.offer_totp(g.person)
        filled |= {"secret": secret_text(secret), "square": square(totp_uri(secret, "Casemate", g.person.name))}
    return render_template("factors.html", problem=problem, **(filled | more)), status


def square(text: str) -> str:
    """A QR code (ISO/IEC 18004) as the `d` of an SVG path in units of its modules, beginning with its size."""
    from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    size = code.getModuleCount()
    cells = ((x, y) for y in range(size) for x in range(size) if code.isDark(y, x))
    return f"{size} " + "".join(f"M{x} {y}h1v1h-1z" for x, y in cells)


@views.get("/account/factors")
@needs("account.write")
def page() -> tuple[str, int]:
    return _page()


@views.post("/account/factors/telephone")
@needs("account.write", proven=True)
def telephone() -> tuple[str, int]:
    """Shows the secret, until a right code of it was typed."""
    return _page(offer=True)


@views.post("/account/factors/telephone/confirm")
@needs("account.write", proven=True)
def confirm() -> AnyResponse | tuple[str, int]:
    access = desk().access
    if not access.confirm_totp(g.person, request.form.get("code", "")[:16], desk().clock()):
        return _page(422, say("That code is not of this secret, or the clock of the telephone is off."), offer=True)
    try:
        return _added(TOTP)
    except Error:
        access.remove_totp(g.person)
        raise


@views.post("/account/factors/telephone/remove")
@needs("account.write", proven=True)
def remove_telephone() -> AnyResponse | tuple[str, int]:
    has = desk().access.factors(g.person)
    if _needed(len(has.keys)):
        return _page(422, say("Enrol a security key first: a second factor is required here."))
    desk().peers.record(who(), "console.factor_removed", f"user:{g.person.name}", factor=TOTP)
    desk().access.remove_totp(g.person)
    return redirect(url_for("factors.page", done="removed"), 303)


@views.post("/account/factors/recovery")
@needs("account.write", proven=True)
def recovery() -> tuple[str, int]:
    """New codes, shown once."""
    desk().peers.record(who(), "console.factor_added", f"user:{g.person.name}", factor=RECOVERY)
    return _page(codes=desk().access.new_recovery_codes(g.person))


@views.post("/account/factors/options")
@needs("account.write")
def options() -> Response:
    at = security_key.party()
    if at is None:
        raise Error("not_found", "security keys need the console's name in the address")
    access, challenge = desk().access, security_key.fresh_challenge()
    access.begin_dialogue(guard.cookie("session"), ENROL, g.person, desk().clock(), challenge)
    asked = security_key.asked_to_enrol(at, g.person, access.factors(g.person).keys, challenge)
    return make_response(asked, 200, {"Content-Type": "application/json"})


@views.post("/account/factors/keys")
@needs("account.write", proven=True)
def add_key() -> AnyResponse | tuple[str, int]:
    access, at, at_ms = desk().access, security_key.party(), desk().clock()
    asked = access.dialogue(guard.cookie("session"), ENROL, at_ms, take=True)
    name = request.form.get("name", "").strip()
    try:
        if at is None or asked is None:
            raise Error("invalid", "this page was open for too long", "try again")
        found = security_key.enrolled(at, request.form.get("answer", ""), asked[1])
        access.add_security_key(g.person, *found, name, at_ms)
    except Error as error:
        if error.code != "invalid":
            raise
        return _page(422, said(error))
    try:
        return _added(SECURITY_KEY)
    except Error:
        access.remove_security_key(g.person, found[0])
        raise


@views.post("/account/factors/keys/<key_id>/remove")
@needs("account.write", proven=True)
def remove_key(key_id: str) -> AnyResponse | tuple[str, int]:
    has = desk().access.factors(g.person)
    found = next((key for key in has.keys if key.id.hex() == key_id), None)
    if found is None:
        raise Error("not_found", "there is no such security key")
    if _needed(len(has.keys) - 1 + has.totp):
        return _page(422, say("Enrol another one first: a second factor is required here."))
    desk().peers.record(who(), "console.factor_removed", f"user:{g.person.name}", factor=SECURITY_KEY)
    desk().access.remove_security_key(g.person, found.id)
    return redirect(url_for("factors.page", done="removed"), 303)


def _needed(left: int) -> bool:
    return left <= 0 and bool(desk().settings["console.second_factor"])


def _added(factor: str) -> AnyResponse:
    desk().peers.record(who(), "console.factor_added", f"user:{g.person.name}", factor=factor)
    return redirect(url_for("factors.page", done="added"), 303)
