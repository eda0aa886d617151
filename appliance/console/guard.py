"""Who may see what: default deny, sessions, CSRF, and the headers every answer carries.

A view is open only if its endpoint is in PUBLIC or it carries a permission of `appliance.access`; what carries none is shut.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import Flask, Response, abort, current_app, g, make_response, redirect, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import PROVEN, Person, may

from . import bearer
from .desk import desk

PUBLIC: Final = frozenset(
    {
        *("static", "health.healthz", "health.readyz"),
        "language.choose",
        *("sign_on.leave", "sign_on.back", "sign_on.enter"),
        *("sign.form", "sign.enter", "sign.second", "sign.second_enter", "sign.options", "sign.key"),
    }
)
#: Where somebody without the second factor that is required may go, and nowhere else.
ENROLLING: Final = frozenset({"factors", "account", "prove", "sign"})
#: Answers to a page that refreshes itself: looking on is not activity, so they do not keep a session alive.
POLLED: Final = frozenset(
    {
        *("overview.live", "overview.now", "overview.days", "links.now", "link.now", "link.trace_now"),
        *("erasure.now", "release.now"),
    }
)
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

#: CSP Level 3: a script runs only with this answer's own nonce; what becomes HTML in the page goes through `static/trusted.js` (Trusted Types).
POLICY: Final = (
    "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default"
)
HEADERS: Final = {
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-create=(self), publickey-credentials-get=(self)",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers would send `Origin: null` with our own forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

View = TypeVar("View", bound=Callable[..., Any])
Page = Callable[[str], AnyResponse]  # a page with what is wrong said on it


def needs(permission: str, proven: bool | None = None, octets_max: int = 0) -> Callable[[View], View]:
    """Marks a view with the permission that opens it. `proven`: a write asks again who it is; None: as the permission has it.

    `octets_max`: of its form, where that is more than others have.
    """

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]  # a mark on the function, read in _before
        view.octets_max = octets_max  # type: ignore[attr-defined]
        view.proven = permission in PROVEN if proven is None else proven  # type: ignore[attr-defined]
        return view

    return mark


# --- cookies ----------------------------------------------------------------------------------------------


def _cookie_name(which: str) -> str:
    # The prefix makes browsers refuse the cookie from another host or over clear text (RFC 6265bis section 4.1.3.2).
    return f"__Host-casemate-{which}" if desk().tls else f"casemate-{which}"


def cookie(which: str) -> str:
    """`session`, `language`, or `door` (what a sign-in form is bound to before there is a session)."""
    return request.cookies.get(_cookie_name(which), "")[:64]


def set_cookie(response: AnyResponse, which: str, value: str, life_s: int | None = None) -> None:
    """Gone with the browser's own session unless it has a life."""
    name, tls = _cookie_name(which), desk().tls
    response.set_cookie(name, value, life_s, path="/", httponly=True, samesite="Strict", secure=tls)


def drop_cookie(response: AnyResponse, which: str) -> None:
    response.delete_cookie(_cookie_name(which), path="/", httponly=True, samesite="Strict", secure=desk().tls)


def new_door() -> str:
    return secrets.token_urlsafe(32)


# --- CSRF -------------------------------------------------------------------------------------------------


def csrf_of(secret: str) -> str:
    """The token that belongs to a session's (or door's) cookie and can only be made by who knows it."""
    mac = hmac.new(secret.encode(), b"casemate console form", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def csrf_token() -> str:
    """For templates: the token of this request's form."""
    secret = g.get("csrf_secret", "")
    return csrf_of(secret) if secret else ""


def from_elsewhere() -> bool:
    """Whether the browser itself says that this request was started by another site (Fetch Metadata, RFC 6454)."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    return origin is not None and origin != request.host_url.rstrip("/")


def csrf_right(secret: str) -> bool:
    given = request.form.get("csrf", "") or request.headers.get("X-CSRF-Token", "")
    return bool(secret) and not from_elsewhere() and hmac.compare_digest(csrf_of(secret).encode(), given.encode())


# --- every request ----------------------------------------------------------------------------------------


def is_htmx() -> bool:
    return request.headers.get("HX-Request") == "true"


def safe_next(target: str | None) -> str:
    """A path of this console that exists and is a page, else the overview: never another site."""
    home = url_for("overview.page")
    if not target or not target.startswith("/") or target.startswith("//") or len(target) > 1_000:
        return home
    if any(c in target for c in "\\\r\n\t") or not target.isprintable():
        return home
    try:
        endpoint, _ = current_app.url_map.bind("").match(target.partition("?")[0], method="GET")
    except HTTPException:
        return home
    return home if endpoint in PUBLIC | POLLED else target


def _to_sign_in() -> AnyResponse:
    ended = bool(cookie("session"))
    wanted = request.full_path.rstrip("?") if request.method == "GET" and not is_htmx() else "/"
    if request.endpoint in POLLED:
        wanted = "/"
    where = url_for("sign.form", next=wanted if wanted != "/" else None, ended=1 if ended else None)
    if is_htmx() or request.endpoint in POLLED:
        response = make_response("", 401)
        response.headers["HX-Redirect"] = where
    else:
        response = redirect(where, 303)  # type: ignore[assignment]  # werkzeug's response, which Flask's inherits
    if ended:
        drop_cookie(response, "session")
    return response


def must_enrol(person: Person) -> bool:
    """Whether this person has to enrol a second factor before anything else."""
    it = desk()
    return bool(it.settings["console.second_factor"]) and not person.glass and not it.access.factors(person).any


def _to_prove() -> AnyResponse:
    """What was asked is not done; afterwards the person is where the form was."""
    sent_from = request.headers.get("Referer", "").removeprefix(request.host_url.rstrip("/"))
    where = url_for("prove.page", next=safe_next(sent_from))
    if not is_htmx():
        return redirect(where, 303)
    response = make_response("", 401)
    response.headers["HX-Redirect"] = where
    return response


def known_host() -> bool:
    """In clear text the console is on loopback, so no other name leads to it but by a trick (DNS rebinding).

    With TLS the browser has compared the name with the certificate.
    """
    if desk().tls:
        return True
    host = request.host.rpartition(":")[0] if re.search(r":\d{1,5}$", request.host) else request.host
    return host in LOOPBACK


def _before() -> AnyResponse | None:
    if not known_host():
        return make_response("This console has another name.\n", 421, {"Content-Type": "text/plain; charset=utf-8"})
    endpoint = request.endpoint
    if endpoint in PUBLIC:
        return None
    if bearer.asked_for():
        bearer.admit(getattr(current_app.view_functions.get(endpoint or ""), "permission", None))
        return None
    token = cookie("session")
    at_ms = desk().clock()
    session = desk().access.session(token, at_ms, touch=endpoint not in POLLED) if token else None
    if session is None:
        return _to_sign_in()
    g.session = session
    g.person = session.person
    g.csrf_secret = token
    if endpoint is None:
        return None  # 404 or 405, now that it is one of us who asks
    view = current_app.view_functions[endpoint]
    permission = getattr(view, "permission", None)
    if permission is None or not may(session.person.role, permission):
        abort(403)
    if octets_max := getattr(view, "octets_max", 0):
        request.max_content_length = request.max_form_memory_size = octets_max
    if request.method not in SAFE and not csrf_right(token):
        abort(400, "csrf")
    if endpoint.split(".")[0] not in ENROLLING and must_enrol(session.person):
        return redirect(url_for("factors.page"), 303) if request.method in SAFE and not is_htmx() else abort(403)
    window_ms = int(desk().settings["console.prove_minutes"]) * 60_000
    if request.method not in SAFE and getattr(view, "proven", True) and at_ms - session.proven_ms > window_ms:
        return _to_prove()
    return None


def nonce() -> str:
    """Of this answer, for its script elements."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(18)
    return str(g.nonce)


def _after(response: Response) -> Response:
    scripts = f"'nonce-{g.nonce}'" if "nonce" in g else "'none'"
    response.headers["Content-Security-Policy"] = POLICY.format(scripts=scripts)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Cache-Control"] = "no-cache" if request.endpoint == "static" else "no-store"
    if desk().tls:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def install(app: Flask) -> None:
    app.before_request(_before)
    app.after_request(_after)
    app.jinja_env.globals |= {"csrf_token": csrf_token, "nonce": nonce}
