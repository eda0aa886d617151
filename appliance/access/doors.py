"""Access: the one way into `access.db`, for the gateway, the console and the command line."""

from __future__ import annotations

from .api_keys import ApiKeys
from .people import People


class Access(ApiKeys, People):
    """API keys, people and sessions of `settings.home / "access.db"`.

    May be used from several threads; each gets its own connection. Nothing is opened before the first use.
    """
