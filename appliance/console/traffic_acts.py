"""Routes activated, templates saved and removed: what the table of acts does with them. Recorded before it counts."""

from __future__ import annotations

import msgspec

from appliance.errors import Error
from appliance.router import Draft, RouteShelf, digest_of, drafted
from appliance.templates import Body, Template

from .asked import Asked, Done
from .desk import desk


def draft(document: str) -> Draft:
    """Raises Error `settings_invalid`, `file_invalid` with what is wrong."""
    return drafted(document, desk().settings, "routes")


def digest(made: Draft) -> str:
    return digest_of(made.routes, made.operators)


def active_digest() -> str:
    """Of the active version; of the settings file's own routes where none was activated."""
    shelf = desk().routes.shelf
    return shelf.pointer().digest or digest_of(shelf.settings.routes, shelf.settings.operators)


def activate_routes(a: Asked) -> Done:
    """A version is kept, recorded, pointed at; the engine takes it now, or when it is there again."""
    made, shelf = draft(a.held), RouteShelf(desk().settings)
    heading = shelf.keep(made.routes, made.operators, a.by, desk().clock())
    on, detail = f"routes:{heading.version}", {"digest": heading.digest, "routes": heading.routes}
    desk().peers.record(a.by, "routes.activated", on, **detail)  # type: ignore[arg-type]  # text and a number
    shelf.point(heading.version, heading.digest)
    desk().peers.load_routes(a.by)
    return Done("routes.page", "activated")


def back_to(by: str) -> int:
    """The version that was active before is again; its number."""
    shelf = RouteShelf(desk().settings)
    now, before = shelf.back()
    on = f"routes:{before.version}"
    desk().peers.record(by, "routes.activated", on, digest=before.digest, back_from=now.version)
    shelf.put(before)
    desk().peers.load_routes(by)
    return before.version


def body_of(text: str) -> Body:
    """Raises Error `template_invalid`."""
    try:
        return msgspec.json.decode(text.encode(), type=Body)
    except msgspec.MsgspecError as e:
        raise Error("template_invalid", f"this is no template: {e}") from None


def save_template(a: Asked) -> Done:
    body = body_of(a.held)
    Template(a.target, 0, body)
    desk().peers.record(a.by, "template.saved", f"template:{a.target}", locales=len(body.texts))
    desk().templates.save(a.target, body, a.by, desk().clock())
    return Done("templates.page", "saved")


def remove_template(a: Asked) -> Done:
    if desk().templates.one(a.target) is None:
        raise Error("not_found", "there is no such template")
    desk().peers.record(a.by, "template.removed", f"template:{a.target}")
    desk().templates.remove(a.target)
    return Done("templates.page", "removed")
