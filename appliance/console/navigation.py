"""The menu that every page has: who sees which place, made once for each role, language and place and then kept, for it changes with nothing else."""

from __future__ import annotations

from typing import Final, NamedTuple

from flask import Flask, current_app, g, request, url_for
from markupsafe import Markup

from appliance.access import may

from .languages import N_, chosen, say


class Place(NamedTuple):
    """One entry: the page it leads to, what it is called, who may see it, its sign as a path of 24 by 24."""

    endpoint: str
    label: str
    permission: str
    sign: str


PLACES: Final = (
    Place("overview.page", N_("Overview"), "overview.read", "M3 12h4l3-8 4 16 3-8h4"),
    Place("messages.page", N_("Messages"), "messages.read", "M4 5h16v11H9l-5 4z"),
    Place("held.page", N_("In doubt"), "messages.read", "M12 3l10 18H2zM12 10v5M12 18v.5"),
    Place("inbound.page", N_("Inbound"), "inbound.read", "M4 5h16v11H9l-5 4zM12 8v5M9.5 11l2.5 2.5 2.5-2.5"),
    Place(
        "links.page", N_("Links"), "links.read", "M9 15l6-6M10 7l2-2a4 4 0 0 1 6 6l-2 2M14 17l-2 2a4 4 0 0 1-6-6l2-2"
    ),
    Place(
        "routes.page",
        N_("Routes"),
        "links.read",
        "M4 19V5M4 12h6a4 4 0 0 0 4-4h6M10 12a4 4 0 0 1 4 4h6M17 5l3 3-3 3M17 13l3 3-3 3",
    ),
    Place("templates.page", N_("Templates"), "templates.read", "M5 3h10l4 4v14H5zM14 3v5h5M8 12h8M8 16h5"),
    Place("consent.page", N_("Consent"), "consent.read", "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6zM9 9l6 6M15 9l-6 6"),
    Place(
        "verifications.page",
        N_("Verifications"),
        "verifications.read",
        "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6zM8 12l3 3 5-6",
    ),
    Place("erasure.page", N_("Erasure"), "keys.ask", "M4 20h16M6 16l8-12 6 4-7 12H9zM9 11l7 5"),
    Place(
        "workflows.page",
        N_("Workflows"),
        "workflows.read",
        "M4 4h6v5H4zM14 15h6v5h-6zM10 6h4a3 3 0 0 1 3 3v6M7 9v6a3 3 0 0 0 3 3h4",
    ),
    Place("usage.page", N_("Usage"), "usage.read", "M4 20V10M10 20V4M16 20v-8M3 20h18"),
    Place("webhooks.page", N_("Webhooks"), "webhooks.read", "M12 3v10M8 9l4 4 4-4M5 15v4h14v-4"),
    Place("evidence.page", N_("Evidence"), "evidence.export", "M6 3h9l4 4v14H6zM9 12h7M9 16h7M9 8h3"),
    Place("reports.page", N_("Reports"), "reports.make", "M6 3h9l4 4v14H6zM14 3v5h5M9 17v-3M12 17v-6M15 17v-2"),
    Place("audit.page", N_("Audit log"), "audit.read", "M5 3h14v18H5zM9 8h6M9 12h6M9 16h4"),
    Place("api_keys.page", N_("API keys"), "apikeys.read", "M8 20a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM11 13l9-9M16 8l3 3"),
    Place("door.page", N_("SMPP door"), "door.read", "M5 21V4h11v17M3 21h16M12 12v1M16 6l4 2v13"),
    Place("senders.page", N_("Senders"), "senders.read", "M4 12a8 8 0 0 1 16 0M7 13a5 5 0 0 1 10 0M12 13v8M9 21h6"),
    Place("register.page", N_("Register"), "register.read", "M5 3h14v18H5zM9 3v18M12 8h4M12 12h4"),
    Place("changes.page", N_("Approvals"), "changes.read", "M5 3h14v18H5zM8 12l3 3 5-6"),
    Place("release.page", N_("Release"), "firmware.read", "M4 8l8-5 8 5v9l-8 5-8-5zM4 8l8 5 8-5M12 13v9"),
    Place("settings.page", N_("Settings"), "settings.read", "M4 7h10M18 7h2M4 17h2M10 17h10M14 4v6M6 14v6"),
    Place("system.page", N_("System"), "box.look", "M4 4h16v12H4zM9 20h6M12 16v4"),
    Place(
        "users.page",
        N_("Users"),
        "users.read",
        "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 20a7 7 0 0 1 14 0M16 3a4 4 0 0 1 0 8M18 14a7 7 0 0 1 4 6",
    ),
    Place("tokens.page", N_("Admin tokens"), "tokens.read", "M4 7h16v10H4zM8 12h.5M12 12h.5M16 12h.5"),
    Place(
        "help.page",
        N_("Help"),
        "account.write",
        "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .9-1 1.7M12 17v.5",
    ),
    Place("account.page", N_("Account"), "account.write", "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21a8 8 0 0 1 16 0"),
)
#: Pages without an entry of their own -> whose entry is marked.
WITHIN: Final = {"link": "links", "factors": "account", "prove": "account"}
ENTRY: Final = '<li><a href="{}"{}><svg viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>{}</a></li>'


def menu() -> Markup:
    """For a template: the entries for the person of this request."""
    person = g.get("person")
    if person is None:
        return Markup("")
    kept: dict[tuple[str, str, str], Markup] = current_app.extensions["casemate-menu"]
    here = WITHIN.get(request.blueprint or "", request.blueprint or "")
    what = person.role, chosen(), here
    if what not in kept:
        kept[what] = _made(person.role, here)
    return kept[what]


def _made(role: str, here: str) -> Markup:
    marked = {True: Markup(' aria-current="page"'), False: Markup("")}
    return Markup("").join(
        Markup(ENTRY).format(
            url_for(place.endpoint), marked[place.endpoint.split(".")[0] == here], place.sign, say(place.label)
        )
        for place in PLACES
        if may(role, place.permission)
    )


def install(app: Flask) -> None:
    app.extensions["casemate-menu"] = {}  # as many as roles, languages and places: some hundreds at most
    app.jinja_env.globals["menu"] = menu
