"""API keys of the bank's systems: list, create (the token is shown once), revoke. Administrators only."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import ApiKey
from appliance.errors import Error

from .desk import desk, who
from .guard import needs

views = Blueprint("api_keys", __name__)


def _list(problem: str = "", made: ApiKey | None = None, token: str = "", status: int = 200) -> tuple[str, int]:
    keys = desk().access.api_keys()
    filled = {
        "valid": [k for k in keys if k.revoked_ms is None],
        "revoked": [k for k in keys if k.revoked_ms is not None],
        "standard_rate": desk().settings["limits.requests_per_s"],
        "done": request.args.get("done", ""),
    }
    given = request.form if status == 422 else {}
    return render_template("api_keys.html", problem=problem, made=made, token=token, entered=given, **filled), status


@views.get("/api-keys")
@needs("apikeys.read")
def page() -> tuple[str, int]:
    return _list()


@views.post("/api-keys")
@needs("apikeys.write")
def create() -> tuple[str, int]:
    """What cannot be recorded is undone before its token was seen by anybody."""
    access = desk().access
    rate = request.form.get("rate", "").strip()
    if rate and not (rate.isascii() and rate.isdigit() and len(rate) <= 7):
        return _list("A rate is a whole number of messages a second, 0 for no limit.", status=422)
    try:
        key, token = access.create_api_key(
            request.form.get("name", "").strip(), int(rate) if rate else None, desk().clock()
        )
    except Error as error:
        if error.code != "invalid":
            raise
        return _list(error.message[:1].upper() + error.message[1:] + ".", status=422)
    try:
        desk().peers.record(who(), "apikey.created", f"apikey:{key.id}", name=key.name)
    except BaseException:
        access.revoke_api_key(key.id, desk().clock())
        raise
    return _list(made=key, token=token)


@views.post("/api-keys/<int:number>/revoke")
@needs("apikeys.write")
def revoke(number: int) -> AnyResponse:
    key = desk().access.api_key(number)
    if key is None:
        raise Error("not_found", "there is no such API key")
    if key.revoked_ms is None:
        desk().peers.record(who(), "apikey.revoked", f"apikey:{key.id}", name=key.name)
        desk().access.revoke_api_key(number, desk().clock())
    return redirect(url_for("api_keys.page", done="revoked"), 303)
