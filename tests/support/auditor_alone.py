"""An auditor for tests of who sends what: takes entries into a list and says that it has signed; `down` makes it refuse, as a full disk does."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from appliance.errors import Error
from appliance.intercom import Peer, Server


class AuditorAlone:
    """Serves `append` and `checkpoint` on the socket of `home` from a thread of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.entries: list[dict[str, Any]] = []
        self.checkpoints: list[int] = []  # how many entries each was over
        self.down = False
        self._seen: set[tuple[str, int]] = set()
        self._loop = asyncio.new_event_loop()
        self._server = Server({"append": self._append, "checkpoint": self._checkpoint})
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> AuditorAlone:
        self._thread.start()
        path = self.home / "run" / "auditor.sock"
        asyncio.run_coroutine_threadsafe(self._server.start(path), self._loop).result(10)
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def what(self) -> list[str]:
        return [str(e["what"]) for e in self.entries]

    async def _append(self, payload: dict[str, Any], peer: Peer) -> dict[str, Any]:
        self._check()
        source = payload.get("source", "")
        for n, each in enumerate(payload["entries"], payload.get("first", 0)):
            if not source or (source, n) not in self._seen:  # else: sent again by a process that was killed
                self._seen.add((source, n))
                self.entries.append(each)
        return {"index": len(self.entries) - 1, "size": len(self.entries)}

    async def _checkpoint(self, payload: Any, peer: Peer) -> dict[str, Any]:
        self._check()
        self.checkpoints.append(len(self.entries))
        return {}

    def _check(self) -> None:
        if self.down:
            raise Error("store_full", "the audit store cannot be written")
