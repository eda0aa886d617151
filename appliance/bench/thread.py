"""A load's own thread with an event loop in it: what every load over connections is made of."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

import uvloop

JOIN_S_MAX: Final = 40.0


class LoopThread:
    """Who inherits does its work in `_run`, which ends soon after `stopping` is true."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No more calls; waits for those under way."""
        self._stop.set()
        self._thread.join(JOIN_S_MAX)

    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        raise NotImplementedError
