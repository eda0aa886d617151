"""Access: the one way into `access.db`, for the gateway, the console and the command line."""

from __future__ import annotations

from appliance.settings import Settings

from .admin_tokens import AdminTokens
from .api_keys import ApiKeys
from .changes import Changes
from .door_accounts import DoorKeeping, Remembered
from .passwords import Passwords
from .people import People
from .settings_shelf import SettingsShelf


class Access(ApiKeys, DoorKeeping, People, AdminTokens, Changes, SettingsShelf):
    """API keys, people, sessions, admin tokens, changes that two people make, versions of the settings and the SMPP door's accounts of `settings.home / "access.db"`.

    May be used from several threads; each gets its own connection. Nothing is opened before the first use.
    """

    def __init__(self, settings: Settings, passwords: Passwords | None = None) -> None:
        People.__init__(self, settings, passwords)
        self._remembered = Remembered()
