"""The gateway process: binds its port, starts the server in its own event loop, watches the others, and stops in good order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvicorn

from appliance.access import Access, ApiKey, Verifier, well_formed
from appliance.errors import Error
from appliance.intercom import Client, Server
from appliance.keys import key_path
from appliance.limits import SETTLE_S_MAX
from appliance.settings import Settings, check_listen
from appliance.shards import engines
from appliance.store import StoreWatch

from .application import application
from .gateway import Gateway
from .wire import Wire, connections_max, keep_sweeping

log = logging.getLogger(__name__)

KEEP_ALIVE_S: Final = 75  # longer than the pools of usual HTTP clients keep an idle connection
BACKLOG: Final = 2048


async def serve(settings: Settings, index: int = 0) -> None:
    """Runs gateway `index` until SIGTERM or SIGINT. Raises Error `unsafe_listen`, `address_in_use` or `settings_invalid`."""
    from appliance.audit import Recorder
    from appliance.keys import Keyring, blind_indexer

    listening = bound(settings)
    engine, auditor = engines(settings), Client(settings.socket("auditor"))
    ring, recorder = Keyring(settings), Recorder(settings)
    gateway = Gateway(settings, index, ring, engine, auditor, recorder, blind_indexer)
    if settings["door.enabled"]:
        gateway.door = Client(settings.socket("door"))
    courier = Client(settings.socket("courier"))
    gateway.courier = courier if index == 0 else None  # one gateway runs the workflows
    gateway.number_checks.courier = courier
    if settings.enums:
        gateway.ask_by_enum(courier)
    try:
        await run(gateway, ApiKeyWatch(settings), listening, index)
    finally:
        gateway.close()
        for client in (engine, auditor, recorder, ring, courier):
            with contextlib.suppress(AttributeError):
                client.close()


async def run(gateway: Gateway, keys: ApiKeyWatch, listening: socket.socket, index: int) -> None:
    """The same with its parts given: serves on `listening` until SIGTERM or SIGINT, then closes what it was given."""
    settings = gateway.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    intercom = Server({"ping": _ping(gateway, index), "forget_number": _forget_number(gateway)})
    try:
        await keys.look()
        await gateway.peers.look()
        await gateway.templates.look()
        await gateway.consent.look()
        await gateway.senders.look()
        await gateway.evidence.look()
        await gateway.verifications.look()
        server = uvicorn.Server(configuration(settings, gateway, keys))
        await intercom.start(settings.socket(f"gateway-{index}"))
        await _until(stop, server, listening, gateway, keys)
    finally:
        await intercom.stop()
        keys.close()
        listening.close()


async def _until(
    stop: asyncio.Event, server: uvicorn.Server, listening: socket.socket, gateway: Gateway, keys: ApiKeyWatch
) -> None:
    watching: list[asyncio.Task[Any]] = [
        asyncio.create_task(gateway.peers.keep_looking()),
        asyncio.create_task(keys.keep_looking()),
        asyncio.create_task(gateway.routing.keep_looking()),
        asyncio.create_task(gateway.templates.keep_looking()),
        asyncio.create_task(gateway.consent.keep_looking()),
        asyncio.create_task(gateway.senders.keep_looking()),
        asyncio.create_task(gateway.evidence.keep_looking()),
        asyncio.create_task(gateway.verifications.keep_looking()),
        asyncio.create_task(keep_sweeping(server.server_state.connections)),
    ]
    if gateway.handing is not None:
        watching.append(asyncio.create_task(gateway.handing.keep_looking()))
    if gateway.runner is not None:
        watching.append(asyncio.create_task(gateway.runner.keep_running()))
    # `_serve` is `serve` without its own signal handlers: the process has its own.
    serving = asyncio.create_task(server._serve([listening]))
    stopping: asyncio.Task[Any] = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, stopping, *watching], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        # Takes no more connections, closes idle ones, and lets answers under way leave.
        await serving
        if gateway.handing is not None:
            await gateway.handing.settle()
        await gateway.funnel.settle()
        for task in watching:
            if task.done():
                task.result()
    finally:
        for task in (*watching, stopping):
            task.cancel()
        await asyncio.gather(*watching, stopping, return_exceptions=True)


def configuration(settings: Settings, gateway: Gateway, keys: ApiKeyWatch) -> uvicorn.Config:
    certificate, key = settings["api.tls_certificate"], settings["api.tls_key"]
    Wire.room = connections_max()
    config = uvicorn.Config(
        application(gateway, keys.check, keys.check_again),
        http=Wire,
        loop="none",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",  # a line per malformed request would let a stranger push out what matters
        access_log=False,  # addresses of requests hold numbers that were searched for
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(SETTLE_S_MAX),
        ssl_certfile=certificate or None,
        ssl_keyfile=key_path(key) or None,
    )
    if certificate:
        try:
            config.load()
        except (OSError, ssl.SSLError) as e:
            raise Error(
                "settings_invalid",
                f"the API's TLS files cannot be used: {type(e).__name__}",
                "check api.tls_certificate and api.tls_key",
            ) from None
        assert config.ssl is not None
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


def bound(settings: Settings) -> socket.socket:
    """The listening socket; with several gateways each has its own on the same port and the kernel deals connections out."""
    host, port = check_listen(settings["api.listen"], settings["api.tls_certificate"])
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as e:
        raise Error("settings_invalid", f"api.listen: {e}", "an address of this machine and a port") from None
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if settings["api.gateways"] > 1:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listening.bind(where)
    except OSError as e:
        listening.close()
        raise Error(
            "address_in_use", f"api.listen {settings['api.listen']}: {e.strerror}", "set api.listen to a free port"
        ) from None
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening


class ApiKeyWatch(StoreWatch[Access]):
    """The valid API keys, a quarter of a second old at most; one that is not among them is looked for before it is refused."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("the API keys", lambda: Access(settings))
        self._verifier: Verifier | None = None
        self._looking = asyncio.Lock()
        self._looks = 0  # how many looks for a refused token have begun

    def check(self, token: str) -> ApiKey | None:
        return None if self._verifier is None else self._verifier.check(token)

    async def check_again(self, token: str) -> ApiKey | None:
        """For a token that `check` refused: its key may be younger than what is known. All who ask while a look is under
        way share the next one, so guessing costs the guesser more than the store."""
        if not well_formed(token):
            return None
        looks = self._looks
        async with self._looking:
            if self._looks == looks:
                self._looks += 1
                await self.look()
        return self.check(token)

    def read(self, book: Access) -> Verifier | None:
        return None if self._verifier is not None and self._verifier.fresh() else book.verifier()

    def take(self, found: Verifier) -> None:
        self._verifier = found


def _ping(gateway: Gateway, index: int) -> Callable[[Any, Any], Awaitable[dict[str, Any]]]:
    import os

    async def ping(_: Any, __: Any) -> dict[str, Any]:
        why = gateway.peers.not_ready()
        return {"process": f"gateway-{index}", "pid": os.getpid(), "ready": not why, "why": why}

    return ping


def _forget_number(gateway: Gateway) -> Callable[[Any, Any], Awaitable[dict[str, int]]]:
    """Operation: {number} whose owner was erased -> {forgotten}: what ENUM said of it is forgotten."""

    async def forget_number(payload: Any, _: Any) -> dict[str, int]:
        portability = gateway.portability
        return {"forgotten": portability.forget(str(payload["number"])) if portability is not None else 0}

    return forget_number
