"""Signing in with the bank's sign-on (OpenID Connect): the way out to it, the way back, and who it was.

The browser comes back from another site, so it brings no cookie of ours (`SameSite=Strict`): a page of our own sends on what came, and only
then is it bound to the browser that left. State, nonce and verifier are made of one secret of that browser's dialogue, good once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import Final

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import OIDC, ROLES, address_of, subjects
from appliance.errors import Error

from . import guard, identity
from .desk import desk
from .languages import N_, say
from .page_sign import begun, door_of, refused, throttled
from .page_sign import form_page as sign_page
from .saying import said

views = Blueprint("sign_on", __name__)

PURPOSE: Final = "sign-on"
CHARACTERS_MAX: Final = 4_096  # of a code or state: some providers' are long
_WRONG: Final = N_("The bank's sign-on did not let you in here, or it took too long. Please try again.")


def drawn(secret: bytes, what: str) -> str:
    """43 characters that only who has the dialogue's secret can make."""
    mac = hmac.new(secret, f"casemate sign-on {what}".encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(mac).decode().rstrip("=")


def _back() -> str:
    return url_for("sign_on.back", _external=True)


@views.get("/sign-in/with-bank")
def leave() -> AnyResponse:
    """To the provider, with a door of this browser's to come back through."""
    door, secret = door_of(), secrets.token_bytes(32)
    where = desk().peers.sign_on_begin(
        drawn(secret, "state"), drawn(secret, "nonce"), drawn(secret, "verifier"), _back()
    )
    desk().access.begin_dialogue(door, PURPOSE, None, desk().clock(), secret)
    response = redirect(where, 303)
    guard.set_cookie(response, "door", door)
    return response


@views.get("/sign-in/with-bank/back")
def back() -> AnyResponse:
    """What the provider sent, handed on by a page of our own: from there on the browser brings its cookie again."""
    given = {name: request.args.get(name, "")[:CHARACTERS_MAX] for name in ("code", "state", "error")}
    return make_response(render_template("sign_on_back.html", given=given))


@views.post("/sign-in/with-bank")
def enter() -> AnyResponse:
    """The state says that this browser left; the code is worth nothing without the verifier, which never left the box."""
    access, at_ms, door = desk().access, desk().clock(), guard.cookie("door")
    asked = access.dialogue(door, PURPOSE, at_ms, take=True) if door else None
    state, code = request.form.get("state", ""), request.form.get("code", "")[:CHARACTERS_MAX]
    secret = asked[1] if asked else b""
    if guard.from_elsewhere() or not secret or not hmac.compare_digest(drawn(secret, "state").encode(), state.encode()):
        return sign_page(400, say(_WRONG))
    address = address_of(identity.remote())
    # Nobody has said yet who it is: an address waits for its own failures, and no other does.
    keys = subjects(address, address, "sign-on ")
    try:
        counts = access.begin_attempt(keys, at_ms)
    except Error as error:
        return throttled(error, None, lambda words: sign_page(429, words))
    told = desk().peers.sign_on(code, drawn(secret, "nonce"), drawn(secret, "verifier"), _back()) if code else None
    if told is None or not told[0] or told[2] not in ROLES:
        refused(None, "sign-on")
        return sign_page(401, say(_WRONG))
    try:
        person = access.from_directory(told[1], told[2], at_ms, OIDC)
    except Error as error:
        if error.code != "invalid":
            raise
        refused(None, "sign-on")
        return sign_page(401, said(error))
    access.end_attempt(keys, counts, at_ms)
    return begun(person, OIDC)
