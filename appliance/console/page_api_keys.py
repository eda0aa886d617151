"""API keys of the bank's systems: list, create (the token is shown once), revoke. Administrators only."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import ApiKey
from appliance.errors import Error

from .acts import Done, answered, do_or_begin
from .desk import desk
from .guard import needs
from .saying import said

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
def create() -> AnyResponse | tuple[str, int]:
    """The token is shown once: to who asked, after another person's word where the setting wants one."""
    rate = request.form.get("rate", "").strip()
    if rate and not (rate.isascii() and rate.isdigit() and len(rate) <= 7):
        return _list("A rate is a whole number of messages a second, 0 for no limit.", status=422)
    name, number = request.form.get("name", "").strip(), int(rate) if rate else None
    try:
        desk().access.check_new_api_key(name, number)
        found = do_or_begin("apikey.create", name, {}, {"name": name, "rate": number})
    except Error as error:
        if error.code != "invalid":
            raise
        return _list(said(error), status=422)
    if not isinstance(found, Done):
        return found
    assert isinstance(found.made, ApiKey)
    return _list(made=found.made, token=found.token)


def shown_once(made: ApiKey, token: str) -> str:
    """For who asked and was approved."""
    return _list(made=made, token=token)[0]


@views.post("/api-keys/<int:number>/revoke")
@needs("apikeys.write")
def revoke(number: int) -> AnyResponse:
    key = desk().access.api_key(number)
    if key is None:
        raise Error("not_found", "there is no such API key")
    if key.revoked_ms is not None:
        return redirect(url_for("api_keys.page", done="revoked"), 303)
    return answered(
        do_or_begin(
            "apikey.revoke", str(number), {"name": key.name, "revoked": False}, {"name": key.name, "revoked": True}
        )
    )
