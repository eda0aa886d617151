"""What every gateway measured beside the appliance has: processes of its own, ports, a wait until it is ready, its end by `kill -9`."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from appliance.clock import monotonic_s
from appliance.errors import Error

from .started import Process, killed, program

#: What an answer to one message means, as a load wants it: (messages, segments, rejected); None when it was refused.
Told = Callable[[int, bytes], tuple[int, int, int] | None]


class Gateway:
    """`address`: HOST:PORT of its HTTP interface. Who inherits starts its programs in `_begin` and is ready when it returns."""

    name: ClassVar[str]
    start_s_max: ClassVar[float]

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.address = ""
        self._running = contextlib.ExitStack()
        self._processes: list[Process] = []
        self._logs: list[str] = []  # of each of them, by name

    def start(self) -> float:
        """Seconds until it is bound and takes messages. Raises Error `peer_unavailable`; nothing of it runs then."""
        began = monotonic_s()
        self._running, self._processes, self._logs = contextlib.ExitStack(), [], []
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        return monotonic_s() - began

    def _begin(self) -> None:
        raise NotImplementedError

    def request(self, number: int, to: str, text: str) -> bytes:
        """A whole HTTP request for a message whose receipt comes back under `number`."""
        raise NotImplementedError

    def kill(self) -> None:
        """SIGKILL to all of it, as when the machine stops."""
        for process in self._processes:
            killed(process)
        self._running.pop_all()

    def close(self) -> None:
        for process in self._processes:
            with contextlib.suppress(OSError):
                process.send_signal(signal.SIGTERM)
        self._running.close()

    def _program(self, command: Sequence[str], log: str, env: Mapping[str, str] | None = None) -> None:
        """Another program of it; they end in the opposite order."""
        self._processes.append(self._running.enter_context(program(list(command), self.folder / log, env)))
        self._logs.append(log)

    def _until(self, well: Callable[[], bool], what: str) -> None:
        """Raises Error `peer_unavailable` when it does not become so, or when one of its programs has ended."""
        pause = threading.Event()
        until = monotonic_s() + self.start_s_max
        while monotonic_s() < until:
            if well():
                return
            for process, log in zip(self._processes, self._logs, strict=True):
                if process.poll() is not None:
                    what = f"{log.removesuffix('.out')} ended with {process.returncode}"
                    raise Error("peer_unavailable", f"{self.name} does not start: {what}", self._last_words(log))
            pause.wait(0.05)
        raise Error("peer_unavailable", f"{self.name} is not ready: {what}", self._last_words(self._logs[-1]))

    def _last_words(self, log: str) -> str:
        text = (self.folder / log).read_text("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        return f"{log} ends: {lines[-1]}" if lines else f"{log} is empty"


async def _free(count: int) -> list[int]:
    servers = [await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0) for _ in range(count)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    for server in servers:
        server.close()
        await server.wait_closed()
    return ports


def free(count: int) -> list[int]:
    """Ports of the loopback interface that are free now."""
    return asyncio.run(_free(count))


def got(port: int, path: str) -> str:
    """What a local HTTP server answers; nothing when it does not."""
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        wire.request("GET", path)
        return wire.getresponse().read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        wire.close()
