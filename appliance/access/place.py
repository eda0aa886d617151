"""The store that everything of this room shares, and where it is."""

from __future__ import annotations

from appliance.settings import Settings
from appliance.store import DeskStore

from .schema import MIGRATIONS


class Place(DeskStore):
    """The store that everything of this room shares."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.home / "access.db", MIGRATIONS)
        self.settings = settings
