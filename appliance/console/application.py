"""Puts the Flask application together: views, guard, words, and one way for anything to go wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from flask import Flask, render_template
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import Access
from appliance.clock import now_ms
from appliance.errors import CODES, Error
from appliance.figures import FiguresBook, FiguresWatch
from appliance.settings import Settings, behind_front
from appliance.templates import TemplateBook

from . import (
    bearer,
    call_changes,
    call_messages,
    call_people,
    call_record,
    call_rules,
    call_settings,
    call_traffic,
    calling,
    describing,
    guard,
    languages,
    navigation,
    page_account,
    page_api_keys,
    page_changes,
    page_consent,
    page_door,
    page_erasure,
    page_evidence,
    page_factors,
    page_held,
    page_help,
    page_inbound,
    page_language,
    page_link,
    page_links,
    page_messages,
    page_overview,
    page_prove,
    page_register,
    page_release,
    page_reports,
    page_review,
    page_routes,
    page_senders,
    page_settings,
    page_sign,
    page_sign_on,
    page_system,
    page_templates,
    page_tokens,
    page_usage,
    page_users,
    page_verifications,
    page_webhooks,
    page_workflows,
    saying,
    words,
)
from .desk import Desk
from .health import health
from .languages import N_, say
from .peers import Peers
from .pulse import Pulse
from .taken import TakenRoutes

log = logging.getLogger(__name__)

FORM_OCTETS_MAX: Final = 16 * 1024  # the largest form brings a checkpoint with a few cosignatures

#: Every page; a new one stands here, in `navigation.py` and in the stories of the console.
PAGES: Final = (
    page_sign,
    page_sign_on,
    page_language,
    page_overview,
    page_messages,
    page_held,
    page_inbound,
    page_usage,
    page_webhooks,
    page_links,
    page_link,
    page_routes,
    page_consent,
    page_verifications,
    page_erasure,
    page_workflows,
    page_evidence,
    page_reports,
    page_review,
    page_api_keys,
    page_door,
    page_senders,
    page_register,
    page_templates,
    page_users,
    page_tokens,
    page_account,
    page_factors,
    page_prove,
    page_changes,
    page_release,
    page_settings,
    page_system,
    page_help,
)
#: Every file of calls of the admin API: who imports it has its calls in the table.
CALL_FILES: Final = (
    call_people,
    call_changes,
    call_settings,
    call_traffic,
    call_rules,
    call_messages,
    call_record,
    describing,
)
#: Error code -> HTTP status; what is not here is our own mistake.
HTTP_STATUS: Final = {
    "invalid": 422,
    "number_invalid": 422,
    "sender_invalid": 422,
    "not_found": 404,
    "settings_invalid": 422,
    "not_decidable": 409,
    "key_state": 409,
    "workflow_state": 409,
    "legal_hold": 409,
    "forbidden": 403,
    "rate_limited": 429,
    "peer_unavailable": 503,
    "hsm_unavailable": 503,
    "engine_unavailable": 503,
    "audit_unavailable": 503,
    "store_full": 503,
    "too_large": 413,
    "file_invalid": 422,
    "overloaded": 503,
    "audit_invalid": 503,
}
#: HTTP status -> (heading, sentence) when there is no Error that says it better.
SENTENCES: Final = {
    400: (
        N_("That form can no longer be sent"),
        N_("It was opened too long ago or in another session. Go back, reload the page and try again."),
    ),
    403: (N_("Not allowed"), N_("Your role does not include this. An administrator can change that.")),
    404: (N_("Nothing here"), N_("There is no such page, or it is not yours to see.")),
    405: (N_("Not possible"), N_("This page cannot be used that way.")),
    413: (N_("Too large"), N_("What was sent is larger than any form of this console.")),
    429: (N_("Too many attempts"), N_("Wait a little and try again.")),
    500: (
        N_("Something went wrong"),
        N_("The mistake is the appliance's own and is in its journal. Nothing was half done."),
    ),
    503: (N_("Not available right now"), N_("A part of the appliance does not answer. It is restarted by itself.")),
}
HEADINGS: Final = {
    "audit_unavailable": N_("Refused: it could not be recorded"),
    "peer_unavailable": N_("A part of the appliance does not answer"),
    "overloaded": N_("One at a time"),
    "invalid": N_("That cannot be done as asked"),
    "number_invalid": N_("That is not a telephone number"),
}


class RowNumber(IntegerConverter):
    """A number in an address: one that a row may have (SQLite counts to 2 ** 63)."""

    regex = r"\d{1,18}"


def create_app(
    settings: Settings,
    access: Access | None = None,
    peers: Peers | None = None,
    clock: Callable[[], int] = now_ms,
    watch: bool = False,
) -> Flask:
    """The WSGI application. `watch` starts the thread that follows the engine's throughput."""
    app = Flask(__name__)
    app.url_map.converters["int"] = RowNumber
    if behind_front():
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]  # as Flask's manual has it
    app.config.update(
        MAX_CONTENT_LENGTH=FORM_OCTETS_MAX,
        MAX_FORM_MEMORY_SIZE=FORM_OCTETS_MAX,
        MAX_FORM_PARTS=50,
        TRAP_HTTP_EXCEPTIONS=False,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    desk = Desk(
        settings,
        access or Access(settings),
        peers or Peers(settings),
        Pulse(),
        clock,
        TakenRoutes(settings),
        TemplateBook(settings),
        FiguresBook(settings, clock),
    )
    app.extensions["casemate"] = desk
    for page in PAGES:
        app.register_blueprint(page.views)
    app.register_blueprint(health)
    app.register_blueprint(calling.views)
    app.extensions["casemate-doorkeeper"] = bearer.Doorkeeper()
    guard.install(app)
    languages.install(app)
    navigation.install(app)
    words.install(app)
    app.jinja_env.globals["coming"] = page_register.coming
    app.jinja_env.globals["waiting_changes"] = page_changes.waiting
    app.jinja_env.globals["opened_glass"] = desk.access.opened_glass
    app.register_error_handler(Error, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _mistake)
    if watch:
        desk.pulse.watch(desk.peers.engine_state, clock)
        page_register.watch(app, desk)
        FiguresWatch(desk.figures, clock).watch()
    return app


def _page(status: int, heading: str, sentence: Markup, hint: Markup | str = "") -> tuple[str, int]:
    template = "_refusal.html" if guard.is_htmx() else "refusal.html"
    return render_template(template, status=status, heading=say(heading), sentence=sentence, hint=hint), status


def _refused(error: Error) -> AnyResponse | tuple[str, int]:
    if bearer.asked_for():
        if error.code not in calling.STATUS:
            log.error("console: %s", error)
        return calling.problem(error)
    status = HTTP_STATUS.get(error.code, 500)
    if status == 500:
        log.error("console: %s", error)
        return _own(500)
    heading = HEADINGS.get(error.code) or SENTENCES.get(status, SENTENCES[500])[0]
    return _page(status, heading, saying.sentence(error.message), saying.sentence(error.hint))


def _http(error: HTTPException) -> AnyResponse | tuple[str, int]:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    if bearer.asked_for():
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(status, "malformed")
        allow = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return calling.problem(Error(code, CODES[code], allow=allow))
    return _own(status)


def _own(status: int) -> tuple[str, int]:
    heading, sentence = SENTENCES.get(status, SENTENCES[400 if status < 500 else 500])
    return _page(status, heading, say(sentence))


def _mistake(error: Exception) -> AnyResponse | tuple[str, int]:
    # The type and place only: the text of an exception may hold what a person typed.
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame is not None else "nowhere"
    log.error("console: %s at %s", type(error).__name__, place)
    return calling.problem(Error("internal", CODES["internal"])) if bearer.asked_for() else _own(500)
