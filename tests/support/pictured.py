"""The pages of the console that have a picture in the manual, and what of a page has to change before its picture is made anew."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from PIL import Image

ROOT: Final = Path(__file__).resolve().parents[2]
CONSOLE: Final = ROOT / "appliance" / "console"
TEMPLATES: Final = CONSOLE / "templates"
PICTURES: Final = CONSOLE / "static" / "pages"
MADE_FROM: Final = PICTURES / "made-from.txt"
MANUAL: Final = CONSOLE / "PAGES.md"
WIDTH, HEIGHT = 1280, 800
COLOURS = 256  # of a picture: quiet pages have few

#: Template -> where it is; `{message}`, `{wrote}` and `{change}` are what the story has at hand.
PICTURED: Final = {
    "sign_in": "/sign-in",
    "overview": "/",
    "messages": "/messages",
    "message": "/messages/{message}",
    "held": "/in-doubt",
    "inbound": "/inbound",
    "inbound_one": "/inbound/{wrote}",
    "links": "/links",
    "link": "/links/simulated",
    "trace": "/links/simulated/trace",
    "routes": "/routes",
    "templates": "/templates",
    "template": "/templates/login-code",
    "consent": "/consent",
    "verifications": "/verifications",
    "erasure": "/erasure",
    "workflows": "/workflows",
    "workflow": "/workflows/login-2fa",
    "usage": "/usage",
    "webhooks": "/webhooks",
    "evidence": "/evidence",
    "reports": "/reports",
    "audit": "/audit",
    "review": "/audit/review",
    "api_keys": "/api-keys",
    "door": "/door",
    "senders": "/senders",
    "register": "/register",
    "changes": "/approvals",
    "change": "/approvals/{change}",
    "release": "/release",
    "settings": "/settings",
    "system": "/system",
    "users": "/users",
    "tokens": "/tokens",
    "help": "/help",
    "help_page": "/help/pages",
    "account": "/account",
    "factors": "/account/factors",
    "prove": "/prove",
}
#: Pages without one, and why. This list may only shrink.
WITHOUT: Final = {
    "refusal": "every refusal is a heading and a sentence",
    "report": "the paper that the page of reports makes; its form is in the room of reports",
    "run": "one run of a workflow: the picture of its workflow with where it is",
    "settings_version": "the settings as text",
    "sign_in_second": "as signing in, for a code",
    "sign_on_back": "sends a browser on and is not seen",
    "verdict": "a part of the audit log, for a browser without scripts",
}


def words_of(template: str) -> str:
    """A digest of all that a page says, with what it includes: when it changes, the picture is of another page."""
    text = (TEMPLATES / f"{template}.html").read_text(encoding="utf-8")
    for name in re.findall(r'{(?:% include |{ part\()"(\w+)\.html"', text):
        text += (TEMPLATES / f"{name}.html").read_text(encoding="utf-8")
    said = re.findall(r'\b(?:_|ngettext)\("((?:[^"\\]|\\.)*)"', text)
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def small(picture: Image.Image) -> Image.Image:
    """With few colours, chosen by how they differ: two lines of a chart stay two, which they do not when colours are chosen by how much of a page has them."""
    return picture.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def made_from() -> dict[str, str]:
    """Template -> digest of its words when its picture was made."""
    if not MADE_FROM.exists():
        return {}
    return dict(line.split() for line in MADE_FROM.read_text(encoding="utf-8").splitlines() if line)  # type: ignore[misc]  # two words each
