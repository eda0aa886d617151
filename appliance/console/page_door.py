"""Accounts of the SMPP door: list, create (the password is shown once), new password, revoke. Administrators only."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import DoorAccount
from appliance.errors import Error

from .desk import desk, who
from .guard import needs
from .saying import said

views = Blueprint("door", __name__)


def _list(problem: str = "", shown: DoorAccount | None = None, password: str = "", status: int = 200) -> Any:
    access = desk().access
    accounts = access.all_door_accounts()
    keys = [k for k in access.api_keys() if k.revoked_ms is None]
    filled = {
        "valid": [a for a in accounts if a.revoked_ms is None],
        "revoked": [a for a in accounts if a.revoked_ms is not None],
        "keys": keys,
        "names": {k.id: k.name for k in access.api_keys()},
        "listen": desk().settings["door.listen"],
        "tls": bool(desk().settings["door.tls_certificate"]),
        "done": request.args.get("done", ""),
    }
    given = request.form if status == 422 else {}
    return render_template(
        "door.html", problem=problem, shown=shown, password=password, entered=given, **filled
    ), status


@views.get("/door")
@needs("door.read")
def page() -> Any:
    return _list()


def _entered() -> dict[str, Any]:
    """What the form sets besides system_id and API key. Raises Error `invalid`."""
    out: dict[str, Any] = {"networks": tuple(request.form.get("networks", "").replace(",", " ").split())}
    for field, name, what in (
        ("binds_max", "binds", "binds"),
        ("window", "window", "a window"),
        ("rate_per_s", "rate", "a rate"),
    ):
        text = request.form.get(name, "").strip()
        if text:
            if not (text.isascii() and text.isdigit() and len(text) <= 7):
                raise Error("invalid", f"{what} is a whole number")
            out[field] = int(text)
    inbound = tuple(request.form.get("inbound", "").replace(",", " ").split())
    if inbound:
        out["inbound"] = inbound
    return out


@views.post("/door")
@needs("door.write")
def create() -> Any:
    system_id = request.form.get("system_id", "").strip()
    try:
        key = request.form.get("key", "")
        caller = int(key) if key.isascii() and key.isdigit() and len(key) < 19 else 0
        account, password = created(system_id, caller, "long" in request.form, **_entered())
    except Error as error:
        if error.code not in ("invalid", "sender_invalid"):
            raise
        return _list(said(error), status=422)
    return _list(shown=account, password=password)


def created(system_id: str, caller: int, long: bool, **given: Any) -> tuple[DoorAccount, str]:
    """The account and its password. What cannot be recorded is undone before anybody saw it. Raises Error."""
    access = desk().access
    account, password = access.create_door_account(system_id, caller, long=long, at_ms=desk().clock(), **given)
    try:
        desk().peers.record(who(), "door.account_created", f"door:{account.system_id}", api_key=account.caller)
    except BaseException:
        access.revoke_door_account(account.system_id, desk().clock())
        raise
    return account, password


@views.post("/door/<int:number>/password")
@needs("door.write")
def new_password(number: int) -> Any:
    account, password = another_password(_account(number))
    return _list(shown=account, password=password)


def another_password(account: DoorAccount) -> tuple[DoorAccount, str]:
    desk().peers.record(who(), "door.account_password", f"door:{account.system_id}")
    return desk().access.new_door_password(account.system_id, at_ms=desk().clock())


@views.post("/door/<int:number>/revoke")
@needs("door.write")
def revoke(number: int) -> AnyResponse:
    revoked(_account(number))
    return redirect(url_for("door.page", done="revoked"), 303)


def revoked(account: DoorAccount) -> None:
    desk().peers.record(who(), "door.account_revoked", f"door:{account.system_id}")
    desk().access.revoke_door_account(account.system_id, desk().clock())


def _account(number: int) -> DoorAccount:
    """A valid one. Its system_id may hold any visible character, so that addresses name accounts by number."""
    found = next((a for a in desk().access.all_door_accounts() if a.id == number and a.revoked_ms is None), None)
    if found is None:
        raise Error("not_found", "there is no such door account")
    return found
