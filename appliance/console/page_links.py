"""Operator links: state, window, pace, counters."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from .desk import desk
from .guard import needs
from .page_overview import engine_state, shared

views = Blueprint("links", __name__)


def picture() -> dict[str, Any]:
    engine = engine_state()
    configured = {link.name: link for link in desk().settings.links}
    links = (engine or {}).get("links", [])
    silent = [name for name in configured if name not in {link["name"] for link in links}]
    return {"engine": engine, "links": links, "configured": configured, "silent": silent, "now_ms": desk().clock()}


@views.get("/links")
@needs("links.read")
def page() -> str:
    return render_template("links.html", **picture())


@views.get("/links/now")
@needs("links.read")
def now() -> str:
    return shared("_links.html", picture)
