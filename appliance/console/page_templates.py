"""Templates: which are in use, what each says in every language, what it needs, and every version it ever had."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, render_template, request, url_for

from appliance.errors import Error
from appliance.templates import LOCALES, Template

from .desk import desk
from .guard import needs

views = Blueprint("templates", __name__)

ROWS: Final = 100
NAMES: Final = {each.tag: each.name for each in LOCALES}
RIGHT_TO_LEFT: Final = frozenset(each.tag for each in LOCALES if each.right_to_left)


@views.get("/templates")
@needs("templates.read")
def page() -> str:
    after = request.args.get("after", "")[:64]
    rows = desk().templates.all(after, ROWS + 1)
    more = url_for("templates.page", after=rows[ROWS - 1].name) if len(rows) > ROWS else None
    return render_template("templates.html", rows=rows[:ROWS], more=more)


@views.get("/templates/<name>")
@needs("templates.read")
def one(name: str) -> str:
    versions = desk().templates.versions(name)
    if not versions:
        raise Error("not_found", "there is no such template")
    wanted = request.args.get("version", "")
    shown = next((v for v in versions if str(v.version) == wanted), versions[0])
    kinds: dict[str, Any] = Template(shown.name, shown.version, shown.body).kinds
    filled = {"names": NAMES, "right_to_left": RIGHT_TO_LEFT, "kinds": kinds}
    return render_template("template.html", shown=shown, versions=versions, **filled)
