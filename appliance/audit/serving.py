"""The auditor as a process: runs until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from appliance.settings import Settings

from .auditor import Auditor
from .forwarding import KeyFile


async def serve(settings: Settings, clear_key: KeyFile = contextlib.nullcontext) -> None:
    """Runs the auditor until SIGTERM or SIGINT; returns after the last checkpoint. `clear_key` opens the SIEM's client key where that is sealed."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    auditor = Auditor(settings, clear_key)
    await auditor.start()
    try:
        await stop.wait()
    finally:
        await auditor.stop()
