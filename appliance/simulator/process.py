"""The simulated operator as a process: its two sockets, its once-a-second look, its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import uvicorn

from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.limits import STOP_S_MAX
from appliance.settings import check_listen

from .control import application
from .operator import Operator
from .options import Options
from .session import Session

LOOK_S: Final = 1.0
_INBOUND_TEXTS: Final = ("STOP", "Sì, confermo", "Was war das für eine Zahlung?", "Ποιος το έκανε αυτό;", "👍 ok")


class _Http(uvicorn.Server):
    """Leaves signals to `serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _say(smpp: str, control: str) -> None:
    print(f"simulated operator: SMPP on {smpp}, control on http://{control}", flush=True)


async def serve(options: Options, started: Callable[[str, str], None] = _say) -> None:
    """Runs until SIGTERM or SIGINT. `started` is told both addresses, with the real ports, once they listen.

    Raises Error `address_in_use`, `unsafe_listen`, `settings_invalid` (an address, certificate or password file).
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    host, port = check_listen(options.listen, options.tls_certificate)
    password, tls = _password(options.password_file), _tls(options)
    try:
        operator = Operator(options, password, monotonic_s, loop.call_at)
    except OSError as e:
        raise Error("file_invalid", f"the journal cannot be written: {e.strerror}") from None
    try:
        smpp = await loop.create_server(lambda: Session(operator), host, port, ssl=tls, backlog=256)
    except OSError as e:
        raise Error("address_in_use", f"cannot listen on {options.listen}: {e.strerror}") from None
    http, http_task = await _http(operator, options.control)
    started(_listening(smpp), _listening(http.servers[0]))
    looking = asyncio.create_task(_look(operator))
    try:
        await stop.wait()
    finally:
        looking.cancel()
        smpp.close()
        operator.close()
        http.should_exit = True
        await asyncio.wait({http_task}, timeout=STOP_S_MAX / 2)


async def _http(operator: Operator, address: str) -> tuple[_Http, asyncio.Task[None]]:
    host, port = check_listen(address, "")
    config = uvicorn.Config(
        application(operator), host=host, port=port, log_level="critical", access_log=False, lifespan="off", ws="none",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = _Http(config)

    async def run() -> None:
        try:
            await server.serve()
        except SystemExit:  # how uvicorn says that it cannot listen
            pass

    task = asyncio.create_task(run())
    while not server.started:
        if task.done():
            raise Error("address_in_use", f"cannot listen on {address}")
        await asyncio.sleep(0.01)
    return server, task


async def _look(operator: Operator) -> None:
    due = 0.0
    while True:
        await asyncio.sleep(LOOK_S)
        operator.look()
        due += operator.options.inbound_per_minute * LOOK_S / 60
        while due >= 1:
            due -= 1
            text = _INBOUND_TEXTS[operator.chance.reference() % len(_INBOUND_TEXTS)]
            operator.inbound(operator.chance.customer(), operator.options.inbound_to, text)


def _listening(server: asyncio.base_events.Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _password(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise Error("settings_invalid", "the password file cannot be read", "one line of text") from None


def _tls(options: Options) -> ssl.SSLContext | None:
    if not options.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key or None)
    except (OSError, ssl.SSLError) as e:
        raise Error("settings_invalid", f"the certificate or its key cannot be read: {e}") from None
    return context
