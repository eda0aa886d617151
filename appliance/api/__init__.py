"""The gateway: the REST API's process. It authenticates, validates, encodes and seals, and answers when the engine says durable."""

from __future__ import annotations

from appliance.settings import Settings

__all__ = ["serve"]


async def serve(settings: Settings, index: int = 0) -> None:
    """Runs gateway `index` until SIGTERM or SIGINT. Raises Error `unsafe_listen`, `address_in_use` or `settings_invalid`."""
    from .process import serve as run  # a look at one of this room's tables should not load a web server

    await run(settings, index)
