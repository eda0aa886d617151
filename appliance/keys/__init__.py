"""Keys: the `keys` process, the only one that talks to the HSM, and what others hold of it: `Keyring`, `DataKey`, `blind_index`."""

from collections.abc import Callable
from typing import Any

from appliance.settings import Settings

from . import approvals
from .datakey import DataKey, blind_index, blind_indexer
from .keyring import BlockingKeyring, Keyring
from .permits import PURPOSES
from .resealing import Resealing

__all__ = [
    "PURPOSES",
    "BlockingKeyring",
    "DataKey",
    "Keyring",
    "Resealing",
    "approvals",
    "blind_index",
    "blind_indexer",
    "commission",
    "profiles",
    "serve",
]


async def serve(settings: Settings) -> None:
    """Runs the `keys` process until SIGTERM or SIGINT. Loaded only here: whoever holds a Keyring has no business with the HSM."""
    from .process import serve as run

    await run(settings)


def commission(settings: Settings, seconds: float, told: Callable[[str], None], second: bool = False) -> dict[str, Any]:
    """Tries and measures the token of `settings`, or the second one, with throw-away keys; the report. Raises Error."""
    import asyncio

    import hsm
    from appliance.errors import Error

    from .process import place_of, second_place_of

    place = second_place_of(settings) if second else place_of(settings)
    if place is None:
        raise Error("invalid", "there is one HSM", "hsm.second_token_label names the second one's token")
    try:
        return asyncio.run(hsm.commission(place, seconds, told))
    except hsm.HsmError as e:
        raise Error(e.code, e.message, e.hint) from None


def profiles() -> list[dict[str, Any]]:
    """HSMs of vendors: what is publicly known of each, and where its library was found on this machine."""
    import hsm

    found = hsm.installed()
    return [{"profile": key, **row._asdict(), "installed": found.get(key, "")} for key, row in hsm.PROFILES.items()]
