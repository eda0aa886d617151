"""The door as a process: listens for the bank's systems, watches the others, and stops in good order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import ssl
from typing import Any, Final

from appliance.access import Access
from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.intake import Portability
from appliance.intercom import Client, Peer, Server
from appliance.keys import key_path
from appliance.limits import DOOR_BIND_S_MAX, DOOR_CONNECTIONS_MAX, SETTLE_S_MAX
from appliance.settings import Settings, check_listen
from appliance.shards import engines

from . import forgetting, resealing
from .connection import Connection
from .desk import Desk

TICK_S: Final = 0.25
ACCOUNTS_S: Final = 0.25  # between two looks for new and revoked accounts; a look is microseconds
BACKLOG: Final = 512
FILES: Final = 8 * DOOR_CONNECTIONS_MAX
GOODBYE_S_MAX: Final = 1.0  # of SETTLE_S_MAX, for answers to our unbind


async def serve(settings: Settings) -> None:
    """Runs the door until SIGTERM or SIGINT. Raises Error `unsafe_listen`, `address_in_use` or `settings_invalid`."""
    from appliance.audit import Recorder
    from appliance.keys import Keyring, blind_indexer

    engine, auditor = engines(settings), Client(settings.socket("auditor"))
    ring, recorder = Keyring(settings), Recorder(settings)
    access = Access(settings)
    desk = Desk(settings, ring, engine, auditor, recorder, blind_indexer, access)
    courier = Client(settings.socket("courier"))
    if settings.enums:
        desk.portability = Portability(settings.enums, courier, desk.routing.shelf.learned, monotonic_s)
    try:
        await run(desk)
    finally:
        desk.close()
        access.close()
        for client in (engine, auditor, recorder, ring, courier):
            with contextlib.suppress(AttributeError):
                client.close()


async def run(desk: Desk) -> None:
    """The same with its parts given."""
    settings = desk.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    intercom = Server(_operations(desk))
    await desk.long.open()
    await desk.look()
    await desk.peers.look()
    await desk.consent.look()
    await desk.senders.look()
    await desk.evidence.look()
    listening = await _listening(settings, desk)
    watching: list[asyncio.Task[Any]] = []
    try:
        await intercom.start(settings.socket("door"))
        rounds = (
            desk.peers.keep_looking(), desk.post.keep(), desk.routing.keep_looking(), desk.senders.keep_looking(),
            desk.consent.keep_looking(), desk.evidence.keep_looking(),
            _tick(desk), _look(desk),
        )  # fmt: skip
        watching = [asyncio.create_task(each) for each in rounds]
        stopping: asyncio.Task[Any] = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, *watching], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in watching:
            if task.done():
                task.result()
        await _goodbye(desk, listening)
    finally:
        listening.close()
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await intercom.stop()
        for connection in list(desk.connections):
            connection.abort()


async def _goodbye(desk: Desk, listening: asyncio.Server) -> None:
    """Takes no more connections and no more messages, answers what is under way, unbinds."""
    desk.closing = True
    listening.close()
    for connection in list(desk.connections):
        connection.unbind()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S_MAX - GOODBYE_S_MAX):
            await desk.settle()
    end_s = monotonic_s() + GOODBYE_S_MAX
    while desk.connections and monotonic_s() < end_s:
        await asyncio.sleep(0.02)


def _room_for_files() -> None:
    """Open files for every connection, and for those still in their TLS handshake, which nobody counts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _listening(settings: Settings, desk: Desk) -> asyncio.Server:
    host, port = check_listen(settings["door.listen"], settings["door.tls_certificate"])
    context = tls(settings)
    _room_for_files()
    try:
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(desk),
            host,
            port,
            ssl=context,
            backlog=BACKLOG,
            ssl_handshake_timeout=None if context is None else DOOR_BIND_S_MAX,
        )
    except OSError as e:
        if e.errno == errno.EADDRINUSE:
            raise Error(
                "address_in_use", f"door.listen {settings['door.listen']} is taken", "set door.listen to a free port"
            ) from None
        raise Error("settings_invalid", f"door.listen: {e}", "an address of this machine and a port") from None


def tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer, with client certificates when `door.client_ca` is given. Raises Error `settings_invalid`."""
    certificate = settings["door.tls_certificate"]
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key_path(settings["door.tls_key"]) or None)
        if settings["door.client_ca"]:
            context.load_verify_locations(settings["door.client_ca"])
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as e:
        raise Error(
            "settings_invalid",
            f"the door's TLS files cannot be used: {type(e).__name__}",
            "check door.tls_certificate, door.tls_key and door.client_ca",
        ) from None
    return context


async def _tick(desk: Desk) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        desk.tick(monotonic_s())


async def _look(desk: Desk) -> None:
    while True:
        await asyncio.sleep(ACCOUNTS_S)
        await desk.look()


def _operations(desk: Desk) -> dict[str, Any]:
    async def ping(_: Any, __: Peer) -> dict[str, Any]:
        why = desk.peers.not_ready()
        return {"process": "door", "pid": os.getpid(), "ready": not why, "why": why}

    async def state(_: Any, __: Peer) -> dict[str, Any]:
        pending = {"pending": desk.funnel.pending}
        return {"process": "door", **desk.numbers.state(), **pending, **desk.post.state()}

    async def again(payload: Any, __: Peer) -> dict[str, Any]:
        account = payload.get("account") if isinstance(payload, dict) else None
        if not isinstance(account, int) or not 0 < account < 2**63:
            raise Error("malformed", "letters are due again to an `account`, by its number")
        return {"letters": desk.post.bring_back(account)}

    async def reseal(payload: Any, __: Peer) -> dict[str, int]:
        return await resealing.reseal(desk, payload)

    async def known_number(payload: Any, __: Peer) -> dict[str, int]:
        return await forgetting.known_number(desk, payload)

    async def forget_number(payload: Any, __: Peer) -> dict[str, int]:
        return await forgetting.forget_number(desk, payload)

    return {
        "ping": ping,
        "state": state,
        "events": desk.post.events,
        "inbound": desk.post.inbound,
        "again": again,
        "forget": desk.post.forget,
        "reseal": reseal,
        "known_number": known_number,
        "forget_number": forget_number,
    }
