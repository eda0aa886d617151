"""The auditor as a process: runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal

from appliance.settings import Settings

from .auditor import Auditor


async def serve(settings: Settings) -> None:
    """Runs the auditor until SIGTERM or SIGINT; returns after the last checkpoint."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    auditor = Auditor(settings)
    await auditor.start()
    try:
        await stop.wait()
    finally:
        await auditor.stop()
