"""Kannel (C; Debian's package) to be measured beside the appliance: bearerbox and smsbox, one operator link, its file store.

Its receipts are heard as a caller hears them: by HTTP. Kannel 1.4.5 user guide, chapters 3, 6 and 8.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import uvloop

from appliance.clock import monotonic_s
from appliance.errors import Error

from .started import killed, program

START_S_MAX: Final = 30.0
PASSWORD: Final = "bench"  # on loopback, for as long as a run lasts
DELIVERED: Final = 1  # dlr types of chapter 8
_CALLED: Final = re.compile(rb"GET /r\?i=(\d+)&s=(\d+) ")
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

CONFIG: Final = """
group = core
admin-port = {admin}
admin-password = {password}
admin-interface = 127.0.0.1
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = {folder}/bearerbox.log
log-level = 3
dlr-storage = internal
store-type = file
store-location = {folder}/kannel.store

group = smsc
smsc = smpp
smsc-id = operator
host = {host}
port = {port}
transceiver-mode = true
smsc-username = bank
smsc-password = bench
system-type = ""
source-addr-autodetect = true
max-pending-submits = {window}
enquire-link-interval = 30
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = {folder}/smsbox.log
log-level = 3

group = sendsms-user
username = bank
password = {password}
max-messages = 10
concatenation = true
"""


class Receipts:
    """What Kannel calls: counts, and each message's end by the number in its address."""

    def __init__(self) -> None:
        self.delivered = 0
        self.ends: Counter[int] = Counter()
        self.port = 0
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: _Called(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    def heard(self, number: int, kind: int) -> None:
        if kind == DELIVERED:
            self.delivered += 1
            self.ends[number] += 1

    def close(self) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


class _Called(asyncio.Protocol):
    """One connection from Kannel."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts
        self._octets = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._octets += data
        *whole, self._octets = self._octets.split(b"\r\n\r\n")
        for head in whole:
            if found := _CALLED.match(head):
                self._receipts.heard(int(found[1]), int(found[2]))
        self._transport.write(_OK * len(whole))


class Boxes:
    """bearerbox and smsbox, running by a configuration. `sendsms`: HOST:PORT of the HTTP interface."""

    def __init__(self, folder: Path, config: str, **given: Any) -> None:
        """`config` has places for `admin`, `box`, `sendsms`, `password`, `folder` and what else is `given`. Raises Error `not_found`."""
        self._folder = folder
        self._programs = [shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("bearerbox", "smsbox")]
        if None in self._programs:
            raise Error("not_found", "Kannel is not installed", "apt-get install kannel")
        self._admin, box, sendsms = asyncio.run(_free(3))
        self.sendsms = f"127.0.0.1:{sendsms}"
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "kannel.conf"
        self._config.write_text(
            config.format(admin=self._admin, box=box, sendsms=sendsms, folder=folder, password=PASSWORD, **given)
        )
        self._running = contextlib.ExitStack()
        self._processes: list[Any] = []
        self.start()

    def start(self) -> float:
        """Seconds until it is bound and takes messages."""
        began = monotonic_s()
        self._running = contextlib.ExitStack()
        self._processes = []
        for name, word in zip(self._programs, ("(online", "smsbox"), strict=True):
            command = [str(name), str(self._config)]
            self._processes.append(self._running.enter_context(program(command, self._folder / "kannel.out")))
            self._until(partial(self._says, word), word)
        self._until(self._takes, "sendsms")
        return monotonic_s() - began

    def kill(self) -> None:
        """SIGKILL to both, as when the machine stops."""
        for process in self._processes:
            killed(process)
        self._running.pop_all()

    def close(self) -> None:
        for process in self._processes:
            with contextlib.suppress(OSError):
                process.send_signal(signal.SIGTERM)
        self._running.close()

    def _until(self, well: Callable[[], bool], what: str) -> None:
        pause = threading.Event()
        until = monotonic_s() + START_S_MAX
        while monotonic_s() < until:
            if well():
                return
            pause.wait(0.05)
        raise Error("peer_unavailable", f"Kannel is not ready: {what}", f"see {self._folder}")

    def _says(self, word: str) -> bool:
        return word in _got(self._admin, f"/status.txt?password={PASSWORD}")

    def _takes(self) -> bool:
        return bool(_got(int(self.sendsms.rpartition(":")[2]), "/cgi-bin/sendsms"))


class Kannel(Boxes):
    """Bound to an operator."""

    def __init__(self, folder: Path, operator: str, receipts: Receipts, window: int) -> None:
        self._receipts = receipts
        host, _, port = operator.rpartition(":")
        super().__init__(folder, CONFIG, host=host, port=port, window=window)

    def request(self, number: int, to: str, text: str, class_: str = "") -> bytes:
        """A message whose receipt comes back under `number`."""
        coding = "0" if text.isascii() else "2"
        called = quote(f"http://127.0.0.1:{self._receipts.port}/r?i={number}&s=%d", safe="")
        path = (
            f"/cgi-bin/sendsms?username=bank&password={PASSWORD}&from=MYBANK&to={quote(to, safe='')}&charset=UTF-8"
            f"&coding={coding}&text={quote(text, safe='')}&dlr-mask=3&dlr-url={called}"
        )
        return f"GET {path} HTTP/1.1\r\nHost: {self.sendsms}\r\n\r\n".encode()


def told_kannel(status: int, body: bytes) -> tuple[int, int, int] | None:
    """What an answer of sendsms means, as a load wants it."""
    return (1, 1, 0) if status == 202 else None


async def _free(count: int) -> list[int]:
    """Ports that are free now."""
    servers = [await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0) for _ in range(count)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    for server in servers:
        server.close()
        await server.wait_closed()
    return ports


def _got(port: int, path: str) -> str:
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        wire.request("GET", path)
        return wire.getresponse().read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        wire.close()


@contextlib.contextmanager
def kannel(folder: Path, operator: str, window: int = 500) -> Iterator[tuple[Kannel, Receipts]]:
    folder.mkdir(parents=True, exist_ok=True)
    receipts = Receipts()
    peer = Kannel(folder, operator, receipts, window)
    try:
        yield peer, receipts
    finally:
        peer.close()
        receipts.close()
