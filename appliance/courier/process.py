"""The `courier` process: takes status events from engines, durable before it answers, and makes its rounds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Annotated, Any, Final

import httpx
import msgspec
from msgspec import Meta

from appliance.clock import day_of, monotonic_s, now_ms
from appliance.errors import Error
from appliance.flows import book_of
from appliance.intercom import Peer, Server
from appliance.keys import BlockingKeyring, Keyring
from appliance.limits import BATCH_MESSAGES_MAX, WEBHOOK_CONCURRENT_MAX, WEBHOOK_EVENTS_MAX, WEBHOOK_TIMEOUT_S
from appliance.message import CHANGE, REDACTED, STATUSES, WORKFLOW
from appliance.settings import InboundWebhook, Settings
from appliance.store import OperationalError, log_emptied

from .addresses import address_of, callback_allowed
from .book import Book
from .camara import Camaras, Question
from .directory import Directory
from .letter import letter_body, secret_text
from .naptr import Portability
from .oidc import SignOn
from .received import Heard, parcel_id, parcels
from .rounds import Label, Rounds
from .runs import Runs

log = logging.getLogger(__name__)

CONNECT_S_MAX: Final = 5.0
STOP_WAIT_S: Final = 3.0
RESEALED_ROWS: Final = 1_000  # in one call
DELIVERIES_MAX: Final = 200  # in one answer


class StatusEvents(msgspec.Struct, forbid_unknown_fields=True):
    """What an engine hands over: `events` numbered from `first` within `source`."""

    source: str
    first: int
    events: list[tuple[bytes, int, bytes, int, int, str, int]]  # id, key, sealed Content, status, at_ms, error, caller


class ReceivedMessages(msgspec.Struct, forbid_unknown_fields=True):
    """The same of what customers wrote."""

    source: str
    first: int
    messages: list[Heard]


class Letter(msgspec.Struct, forbid_unknown_fields=True):
    """What a workflow tells: `flow` is its run and step, `id` is made of them. Without `flow`: what the console tells of a change of two people."""

    id: Annotated[bytes, Meta(min_length=16, max_length=16)]
    flow: Annotated[bytes, Meta(min_length=20, max_length=20)] | None
    caller: int
    url: str
    told: dict[str, Any]


class Erased(msgspec.Struct, forbid_unknown_fields=True):
    """`ids`: customers' messages; `messages`: messages to customers."""

    ids: list[bytes]
    messages: list[bytes] = []


def web_client(proxy: str = "", authorities: str = "") -> httpx.AsyncClient:
    """The courier's HTTP client: no redirects, no cookies, no proxy but the settings' (HOST:PORT); the system's certificate authorities, or those in a file.

    A bank puts its own authority where the system keeps them, not into a Python package's bundle.
    """
    # httpcore asks for this optional module at every request, and one that is missing is looked for on disk each time:
    # four fifths of an attempt's CPU. None means at once "not there"; it then takes asyncio, which is right.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
    context = _trusting(authorities)
    limits = httpx.Limits(max_connections=WEBHOOK_CONCURRENT_MAX, max_keepalive_connections=WEBHOOK_CONCURRENT_MAX)
    # Through the proxy goes what leaves the machine: https. It sees names, not content (RFC 9110, CONNECT).
    through = httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=f"http://{proxy}") if proxy else None
    client = httpx.AsyncClient(
        verify=context,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(WEBHOOK_TIMEOUT_S, connect=CONNECT_S_MAX),
        limits=limits,
        mounts={"https://": through} if through is not None else None,
    )
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def _trusting(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except (OSError, ssl.SSLError):
        raise Error(
            "settings_invalid", "camara: `ca` cannot be read", "PEM certificates, readable by the courier"
        ) from None


def webhook_secret(settings: Settings, caller: int) -> str:
    """The secret that signs an API key's webhooks (`whsec_...`), derived in the HSM. Raises Error when `keys` does not answer."""
    ring = BlockingKeyring(settings)
    try:
        return secret_text(ring.derive("webhook secret", str(caller)))
    finally:
        ring.close()


class Numbers(msgspec.Struct, forbid_unknown_fields=True):
    """What a face asks by ENUM: E.164 numbers with their plus, and how long it waits."""

    numbers: Annotated[list[Annotated[str, Meta(pattern=r"^\+[0-9]{1,15}$")]], Meta(max_length=BATCH_MESSAGES_MAX)]
    wait_s: Annotated[float, Meta(ge=0, le=5)]


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """Raises Error `store_full` where the store does not take what is written within."""
    try:
        yield
    except OperationalError as e:
        raise Error("store_full", f"the courier's store cannot be written: {e}", "check free space") from None


class Desk:
    """The operations other processes may ask for."""

    def __init__(
        self,
        book: Book,
        rounds: Rounds,
        portability: Portability,
        webhooks: tuple[InboundWebhook, ...] = (),
        ring: Keyring | None = None,
        runs: Runs | None = None,
        directory: Directory | None = None,
        camaras: Camaras | None = None,
        provider: SignOn | None = None,
    ) -> None:
        self.provider = provider
        self.camaras = camaras
        self.ring = ring
        self.runs = runs
        self.people = directory
        self.book = book
        self.webhooks = webhooks
        self.rounds = rounds
        self.portability = portability
        self.started_ms = now_ms()

    async def ping(self, payload: Any, peer: Peer) -> dict[str, Any]:
        return {"process": "courier", "pid": os.getpid(), "ready": True, "why": ""}

    async def state(self, payload: Any, peer: Peer) -> dict[str, Any]:
        camaras = self.camaras.state() if self.camaras is not None else []
        return {
            "started_ms": self.started_ms,
            **self.rounds.state(),
            "enum": self.portability.state(),
            "camara": camaras,
        }

    async def enum(self, payload: Any, peer: Peer) -> list[tuple[str | None, float] | None]:
        """`[[code, seconds it holds] or null]` for each number."""
        try:
            given = msgspec.convert(payload, Numbers)
        except msgspec.ValidationError:
            raise Error("malformed", "enum: `numbers` and `wait_s`") from None
        return await self.portability.codes(given.numbers, given.wait_s)

    async def number_check(self, payload: Any, peer: Peer) -> dict[str, str]:
        """What the operator says of a number before a code goes there -> {sim, tenure, why, asked_of}. Nothing of it is kept."""
        if self.camaras is None:
            raise Error("internal", "the courier asks no operators")
        try:
            given = msgspec.convert(payload, Question)
        except msgspec.ValidationError:
            raise Error("malformed", "number_check: `number`, `swap_hours`, `tenure_days`, `correlator`") from None
        return await self.camaras.ask(given)

    async def status_events(self, payload: Any, peer: Peer) -> dict[str, int]:
        try:
            given = msgspec.convert(payload, StatusEvents)
        except msgspec.ValidationError as e:
            raise Error("malformed", f"status_events: {e}") from None
        if given.first < 1 or len(given.events) > WEBHOOK_EVENTS_MAX:
            raise Error("invalid", "status_events: numbers start at 1, at most 10,000 events a call")
        if any(len(e[0]) != 16 or not (0 <= e[3] < len(STATUSES) or e[3] == REDACTED) for e in given.events):
            raise Error("invalid", "status_events: an event has no such id or status")
        with _written():
            upto = self.book.take(given.source, given.first, given.events, now_ms())
        self.rounds.brought()
        return {"settled": upto}

    async def received(self, payload: Any, peer: Peer) -> dict[str, int]:
        try:
            given = msgspec.convert(payload, ReceivedMessages)
        except msgspec.ValidationError as e:
            raise Error("malformed", f"received: {e}") from None
        if given.first < 1 or len(given.messages) > WEBHOOK_EVENTS_MAX or any(len(m.id) != 16 for m in given.messages):
            raise Error("invalid", "received: numbers start at 1, at most 10,000 messages a call")
        rows = parcels(given.first, given.messages, self.webhooks)
        if self.runs is not None:
            self.runs.wrote(given.messages)
        with _written():
            upto = self.book.take_received(given.source, given.first, len(given.messages), rows, now_ms())
        self.rounds.brought()
        return {"settled": upto}

    async def letter(self, payload: Any, peer: Peer) -> dict[str, str]:
        """What a workflow or the console tells the bank, durable when this answers. Raises Error `callback_not_allowed` or `store_full`."""
        assert self.ring is not None
        try:
            given = msgspec.convert(payload, Letter)
        except msgspec.ValidationError as e:
            raise Error("malformed", f"letter: {e}") from None
        host = address_of(given.url)
        if host is None or not callback_allowed(given.url, self.rounds.hosts, self.rounds.allow_loopback):
            raise Error("callback_not_allowed", "the address is not on the list of allowed hosts", "webhook.hosts")
        at_ms = now_ms()
        key = await self.ring.for_day(day_of(at_ms))
        kind = CHANGE if given.flow is None else WORKFLOW
        label = Label(given.url, None, None, letter_body(kind, at_ms, given.told), given.id)
        sealed = key.seal(msgspec.msgpack.encode(label), b"w" + given.id)
        with _written():
            self.book.take_letter(given.id, kind, given.caller, key.key_id, sealed, host, given.flow, at_ms)
        self.rounds.known(host)
        self.rounds.brought()
        return {"host": host}

    async def forget(self, payload: Any, peer: Peer) -> dict[str, int]:
        """Messages that were erased. What is still to be told of them is dropped."""
        try:
            given = msgspec.convert(payload, Erased)
        except msgspec.ValidationError as e:
            raise Error("malformed", f"forget: {e}") from None
        ids = [parcel_id(message_id, hook.name) for message_id in given.ids for hook in self.webhooks]
        with _written():
            self.book.forget([*ids, *given.messages])
            await log_emptied(self.book.scrub)
        return {"forgotten": len(given.ids) + len(given.messages)}

    async def reseal(self, payload: Any, peer: Peer) -> dict[str, int]:
        """`key_id`: what is due under a compromised key is sealed anew -> {rows, unreadable, more}. Raises Error `key_state`."""
        assert self.ring is not None
        key_id = int(payload["key_id"])
        new, old = await self.ring.successor(key_id), await self.ring.by_id(key_id)
        labels, unsorted = self.book.under(key_id, RESEALED_ROWS)
        rows = []
        for id_, sealed in labels:
            with contextlib.suppress(Error):
                rows.append((new.seal(old.open(sealed, b"w" + id_), b"w" + id_), new.key_id, id_, key_id))
        with _written():
            self.book.reseal(rows)
            await log_emptied(self.book.scrub)
        more = bool(rows) and len(labels) == RESEALED_ROWS
        return {"rows": len(rows), "unreadable": len(labels) - len(rows), "more": int(more or unsorted > 0)}

    async def deliveries(self, payload: Any, peer: Peer) -> dict[str, list[tuple[Any, ...]]]:
        """`host` ("": any), `before` (a number or null), `limit`, `of` (a message) -> {rows}: what is still to be told, newest first: `Book.waiting`."""
        before = payload.get("before")
        limit = max(1, min(int(payload.get("limit", 50)), DELIVERIES_MAX))
        host, of = str(payload.get("host", "")), bytes(payload.get("of", b""))
        return {"rows": self.book.waiting(host, None if before is None else int(before), limit, of)}

    async def hasten(self, payload: Any, peer: Peer) -> dict[str, int]:
        """`host`: what waits for its time is told at once -> {messages}. Who asks has recorded it. Raises Error `not_found`."""
        return {"messages": self.rounds.hasten(str(payload["host"]))}

    async def known_number(self, payload: Any, peer: Peer) -> dict[str, str | None]:
        """`number`: what is remembered of it -> {operator}, as ENUM calls it."""
        return {"operator": self.portability.known(str(payload["number"]))}

    async def forget_number(self, payload: Any, peer: Peer) -> dict[str, int]:
        """`number`: whose owner was erased. What ENUM said of it is forgotten."""
        return {"forgotten": self.portability.forget(str(payload["number"]))}

    async def directory(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """`name` and `password` of somebody at the console -> {known, role}, as the bank's directory says."""
        if self.people is None:
            raise Error("internal", "the courier has no directory")
        return (await self.people.ask(str(payload["name"]), str(payload["password"])))._asdict()

    async def sign_on_begin(self, payload: Any, peer: Peer) -> dict[str, str]:
        """`state`, `nonce`, `verifier`, `back` of a browser that wants to sign in with the bank -> {url} of its provider."""
        asked = (str(payload[name]) for name in ("state", "nonce", "verifier", "back"))
        return {"url": await self._provider().begin(*asked)}

    async def sign_on(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """`code` that it came back with, `nonce`, `verifier`, `back` -> {known, name, role}, as the provider's signed token says."""
        asked = (str(payload[name]) for name in ("code", "nonce", "verifier", "back"))
        return (await self._provider().ask(*asked))._asdict()

    def _provider(self) -> SignOn:
        if self.provider is None:
            raise Error("internal", "the courier has no sign-on")
        return self.provider


def _operations(desk: Desk) -> dict[str, Callable[[Any, Peer], Awaitable[Any]]]:
    return {
        "ping": desk.ping,
        "state": desk.state,
        "status_events": desk.status_events,
        "received": desk.received,
        "letter": desk.letter,
        "forget": desk.forget,
        "reseal": desk.reseal,
        "deliveries": desk.deliveries,
        "hasten": desk.hasten,
        "known_number": desk.known_number,
        "forget_number": desk.forget_number,
        "enum": desk.enum,
        "number_check": desk.number_check,
        "directory": desk.directory,
        "sign_on_begin": desk.sign_on_begin,
        "sign_on": desk.sign_on,
    }


async def serve(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT; what was not told by then is told after the next start."""
    # httpx would log every address it calls, and an address may carry a token.
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    book = Book(settings.home / "courier" / "courier.db")
    client = web_client(settings["network.proxy"])
    ring = Keyring(settings)
    flows = book_of(settings)
    runs = Runs(flows)
    rounds = Rounds(
        book,
        ring,
        client,
        settings["webhook.hosts"],
        settings["webhook.allow_loopback"],
        now_ms,
        random.random,
        settings.inbound_webhooks,
        runs,
    )
    portability = Portability(settings.enums, monotonic_s)
    proxy = settings["network.proxy"]
    camaras = Camaras(settings.camaras, lambda row: web_client(proxy, row.ca), now_ms, monotonic_s)
    people, provider = Directory(settings), SignOn(settings)
    desk = Desk(book, rounds, portability, settings.inbound_webhooks, ring, runs, people, camaras, provider)
    server = Server(_operations(desk))
    await server.start(settings.socket("courier"))
    loops = [asyncio.ensure_future(rounds.sort_forever()), asyncio.ensure_future(rounds.send_forever())]
    loops.append(asyncio.ensure_future(ring.watch()))  # a destroyed key is not kept
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait([stopped, *loops], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await server.stop()
        failed = [t.exception() for t in loops if t.done() and not t.cancelled()]
        for task in (*loops, stopped):
            task.cancel()
        await asyncio.gather(*loops, stopped, return_exceptions=True)
        await rounds.stop(STOP_WAIT_S)
        await portability.stop()
        await camaras.stop()
        await client.aclose()
        ring.close()
        book.close()
        flows.close()
    for error in failed:
        if error is not None:
            raise error
