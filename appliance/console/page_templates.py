"""Templates: which are in use, what each says in every language, what it needs, and every version it ever had."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from flask import Blueprint, render_template, request, url_for

from appliance.errors import Error
from appliance.message import ENCODINGS
from appliance.templates import LOCALES, Saved, Template
from appliance.text import encode

from .desk import desk
from .guard import needs
from .saying import said

views = Blueprint("templates", __name__)

ROWS: Final = 100
VALUE_CHARACTERS_MAX: Final = 500
#: Kind of a parameter -> what a trial begins with.
SAMPLES: Final = {"string": "Example", "number": "2", "money": "12.50 EUR", "moment": "2026-11-22T18:30:00Z"}


class Tried(NamedTuple):
    """What a language says."""

    locale: str
    text: str
    encoding: str
    segments: int


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
    return _page(shown, versions)


def _page(shown: Saved, versions: list[Saved], **more: Any) -> str:
    kinds: dict[str, Any] = Template(shown.name, shown.version, shown.body).kinds
    filled: dict[str, Any] = {
        "names": NAMES,
        "right_to_left": RIGHT_TO_LEFT,
        "kinds": kinds,
        "tried": [],
        "problem": "",
    }
    filled["values"] = {name: SAMPLES.get(kind, "") for name, kind in kinds.items()}
    return render_template("template.html", shown=shown, versions=versions, **(filled | more))


@views.post("/templates/<name>/preview")
@needs("templates.read")
def preview(name: str) -> str | tuple[str, int]:
    """What a version says with these values in every language, and how many segments that takes. Nothing is sent or kept."""
    versions = desk().templates.versions(name)
    shown = next((v for v in versions if str(v.version) == request.form.get("version", "")), None)
    if shown is None:
        raise Error("not_found", "there is no such template")
    compiled = Template(shown.name, shown.version, shown.body)
    values = {each: request.form.get(f"p-{each}", "")[:VALUE_CHARACTERS_MAX] for each in compiled.kinds}
    try:
        tried = [_tried(compiled, values, tag) for tag in compiled.locales]
    except Error as error:
        return _page(shown, versions, values=values, problem=said(error)), 422
    return _page(shown, versions, values=values, tried=tried)


def _tried(compiled: Template, values: dict[str, str], tag: str) -> Tried:
    """Raises Error `params_invalid`."""
    given: dict[str, Any] = dict(values)
    for name, kind in compiled.kinds.items():
        if kind == "money":  # typed as `12.50 EUR`
            amount, _, currency = values[name].strip().partition(" ")
            given[name] = {"amount": amount, "currency": currency.strip().upper()}
    text = compiled.text(given, tag)
    encoding, _, segments = encode(text)
    return Tried(tag, text, ENCODINGS[encoding], segments)
