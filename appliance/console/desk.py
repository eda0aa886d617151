"""What every view needs at hand: settings, access, peers, pulse and the clock of this application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from flask import current_app, g

from appliance.access import Access
from appliance.figures import FiguresBook
from appliance.settings import Settings, behind_front
from appliance.templates import TemplateBook

from .peers import Peers
from .pulse import Pulse
from .shared import Shared
from .taken import TakenRoutes


@dataclass
class Desk:
    """One per application."""

    settings: Settings
    access: Access
    peers: Peers
    pulse: Pulse
    clock: Callable[[], int]  # wall clock, milliseconds
    routes: TakenRoutes
    templates: TemplateBook
    figures: FiguresBook
    shared: Shared = field(default_factory=Shared)

    @property
    def tls(self) -> bool:
        """Whether people reach the console over TLS, its own or that of the proxy in front."""
        return bool(self.settings["console.tls_certificate"]) or behind_front()


def desk() -> Desk:
    return cast(Desk, current_app.extensions["casemate"])


def who() -> str:
    """Who acts, as the audit log names them: the signed-in person, or the program that brought a token."""
    return f"token:{g.token.name}" if g.get("token") else party()


def party() -> str:
    """Whose hand it is, where two people decide: a token is its maker's."""
    return f"console:{g.person.name}"


def via() -> str:
    """The token's name when a program acts, else empty."""
    return g.token.name if g.get("token") else ""
