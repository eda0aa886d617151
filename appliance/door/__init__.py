"""The door: an SMPP 3.4 server for the bank's own systems. It authenticates, reads, seals, and answers when the engine says durable."""

from __future__ import annotations

from appliance.settings import Settings

__all__ = ["serve"]


async def serve(settings: Settings) -> None:
    """Runs the door until SIGTERM or SIGINT. Raises Error `unsafe_listen`, `address_in_use` or `settings_invalid`."""
    from .process import serve as run  # a look at one of this room's tables should not load the rest

    await run(settings)
