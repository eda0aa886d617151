"""Who calls the admin API: a program with a token, looked at before anything of the request is read. No cookie opens it, and a token opens no page.

A right token is never held up by others' wrong ones: what is counted and made to wait is the address that guesses.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Final

from flask import current_app, g, request

from appliance.access import AdminToken, address_of, may, subjects
from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.intake import Pauses, Rates
from appliance.limits import ADMIN_CALLS_PER_S

from .desk import desk

ROOT: Final = "/admin/v1"


class Doorkeeper:
    """What is remembered between calls: how fast each token calls, and when a refusal was last recorded. One for the application."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rates, self._pauses = Rates(ADMIN_CALLS_PER_S, 1), Pauses()

    def wait_s(self, token: int) -> int:
        with self._lock:
            return self._rates.take(token, None, 1, monotonic_s())

    def untold(self, token: str) -> int:
        """0: say nothing now. Else how many refusals since it was said."""
        with self._lock:
            return self._pauses.refused(token, monotonic_s())


def asked_for() -> bool:
    """Whether this request is the admin API's, also where there is no such call."""
    return request.path == ROOT or request.path.startswith(ROOT + "/")


def admit(permission: str | None) -> None:
    """Sets who calls. `permission` None: any valid token. Raises Error `unauthorized`, `rate_limited`, `forbidden`."""
    token = _token()
    wait_s = _doorkeeper().wait_s(token.id)
    if wait_s:
        raise Error("rate_limited", f"a token calls {ADMIN_CALLS_PER_S} times a second", retry_after_s=wait_s)
    if permission is not None and not allowed(token, permission):
        hint = "name it when the token is made" if may(token.role, permission) else "another role has it"
        raise Error("forbidden", f"this token may not: {permission}", hint)
    desk().access.used_admin_token(token, request.remote_addr or "", desk().clock())


def allowed(token: AdminToken, permission: str) -> bool:
    """What the token's own scope has, and its maker still may."""
    maker = desk().access.user_of_id(token.maker)
    return maker is not None and token.allows(permission) and may(maker.role, permission)


def _token() -> AdminToken:
    access, at_ms = desk().access, desk().clock()
    address = request.remote_addr or ""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Error("unauthorized", "a token is missing", "Authorization: Bearer TOKEN, made on the page Admin tokens")
    token = access.admin_token_of(secret.strip())
    if token is None:
        counted = address_of(address)
        access.begin_attempt(subjects(counted, counted, "token "), at_ms)
        raise Error("unauthorized", "this is no token of the admin API")
    maker = access.user_of_id(token.maker)
    if ended := token.ended(maker, address, at_ms):
        if count := _doorkeeper().untold(f"{token.name} {ended}"):
            desk().peers.record(
                f"token:{token.name}", "token.refused", f"token:{token.name}", "refused", reason=ended, attempts=count
            )
        raise Error("unauthorized", f"this token opens nothing: {ended}", "a person makes another")
    assert maker is not None
    g.token, g.person = token, replace(maker, role=token.role)
    return token


def _doorkeeper() -> Doorkeeper:
    keeper: Doorkeeper = current_app.extensions["casemate-doorkeeper"]
    return keeper
