"""Help: the manual that is in the box, by page and by words."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from appliance.errors import Error

from . import handbook
from .guard import needs

views = Blueprint("help", __name__)


@views.get("/help")
@needs("account.write")
def page() -> str:
    words = request.args.get("words", "").strip()[:100]
    return render_template("help.html", leaves=handbook.leaves(), words=words, hits=handbook.search(words))


@views.get("/help/<name>")
@needs("account.write")
def one(name: str) -> str:
    found = handbook.leaf(name)
    if found is None:
        raise Error("not_found", "there is no such page of the manual")
    text = found.text.partition("\n")[2]
    return render_template("help_page.html", leaf=found, body=handbook.html(text))
