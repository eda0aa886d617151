"""The courier's rounds: sorts what came in, tells each host what is due, records how it went. Reads the clock only through `now`.

One event of a message is under way at a time, in the order they came. A host has a few places of its own, and only one while
it fails, so that a dead host never stalls the others. Addresses, references and answers are never logged: the host is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, NamedTuple, Protocol

import httpx
import msgspec

from appliance.errors import Error
from appliance.flows import OWN_ADDRESS
from appliance.limits import (
    WEBHOOK_ANSWER_OCTETS_MAX,
    WEBHOOK_CONCURRENT_MAX,
    WEBHOOK_PER_HOST_MAX,
    WEBHOOK_TIMEOUT_S,
)
from appliance.message import Content
from appliance.settings import InboundWebhook

from .addresses import address_of, callback_allowed
from .book import Book, Due, Outcome, Parcel, Sorted
from .letter import body, headers, webhook_id
from .received import Received, body_of
from .runs import Runs
from .schedule import AGAIN, DONE, next_attempt_ms, retry_after_ms, verdict

log = logging.getLogger(__name__)

SORT_ROWS: Final = 500
FAILURES_MAX: Final = 3  # in a row, after which a host gets one attempt at a time until one succeeds
IDLE_S_MAX: Final = 5.0
KEYS_PAUSE_S: Final = 1.0
SETTLE_S: Final = 0.02  # outcomes of so long share one commit
#: What no waiting mends: the event can never be told.
_HOPELESS: Final = frozenset({"key_destroyed", "key_refused", "key_missing", "not_found"})


class SealingKey(Protocol):
    def seal(self, plaintext: bytes, aad: bytes) -> bytes: ...
    def open(self, blob: bytes, aad: bytes) -> bytes: ...


class Ring(Protocol):
    """What the rounds need of `appliance.keys.Keyring`."""

    def by_id(self, key_id: int) -> Awaitable[SealingKey]: ...
    def derive(self, purpose: str, subject: str) -> Awaitable[bytes]: ...


class Label(msgspec.Struct, array_like=True):
    """What the courier keeps of a message, sealed with AAD b"w" + id: where to tell it and what the bank attached.

    No text of the bank's own messages; of a customer's, the body whole.
    """

    callback_url: str
    reference: str | None
    metadata: dict[str, str] | None
    body: bytes | None = None  # of what a customer wrote
    message: bytes | None = None  # its id
    webhook: str = ""  # the row of the settings that it goes to; gone, it is not told


class _Heard(NamedTuple):
    verdict: str
    why: str
    asked_ms: int


class _Host:
    """What is remembered of a host while the process lives."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.failures = 0
        self.paused_until_ms = 0
        self.last_error = ""

    def places(self) -> int:
        return (1 if self.failures >= FAILURES_MAX else WEBHOOK_PER_HOST_MAX) - self.in_flight


_content = msgspec.msgpack.Decoder(Content)
_label = msgspec.msgpack.Decoder(Label)
_received = msgspec.msgpack.Decoder(Received)
_encode = msgspec.msgpack.Encoder().encode


class Rounds:
    def __init__(
        self,
        book: Book,
        ring: Ring,
        client: httpx.AsyncClient,
        hosts: Collection[str],
        allow_loopback: bool,
        now: Callable[[], int],
        dice: Callable[[], float],
        webhooks: tuple[InboundWebhook, ...] = (),
        runs: Runs | None = None,
    ) -> None:
        self.runs = runs
        self._of_runs: dict[bytes, str] = {}
        self.book = book
        self.ring = ring
        self.client = client
        self.hosts = hosts
        self.allow_loopback = allow_loopback
        self.now = now
        self.dice = dice
        self.webhooks = {hook.name: hook for hook in webhooks}
        self._known: dict[str, _Host] = {name: _Host() for name in book.hosts()}
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._outcomes: list[Outcome] = []
        self._sortable = asyncio.Event()
        self._sendable = asyncio.Event()
        self._keys_paused_until_ms = 0

    # --- sorting ------------------------------------------------------------------------------------------
    def brought(self) -> None:
        """Something new is in the book."""
        self._sortable.set()
        self._sendable.set()

    async def sort_forever(self) -> None:
        while True:
            self._sortable.clear()
            try:
                while await self.sort_some():
                    await asyncio.sleep(0)
                pause = IDLE_S_MAX
            except Error as e:
                log.warning("courier: sorting waits: %s", e.code)
                pause = KEYS_PAUSE_S
            await _woken(self._sortable, pause)

    async def sort_some(self) -> int:
        """Opens up to SORT_ROWS new parcels and seals their labels; how many. Raises Error when `keys` cannot help now."""
        parcels = self.book.unsorted(SORT_ROWS)
        found = [await self._sorted(p) for p in parcels]
        if found:
            # Without a wait in between: what comes meanwhile is of the next sorting.
            of_runs, self._of_runs = self._of_runs, {}
            if self.runs is not None:
                for message, url in of_runs.items():
                    self.runs.receipts(message, url, self.book.events_of(message), self.now())
            self.book.sort(found)
            for s in found:
                if s.host is not None:
                    self._known.setdefault(s.host, _Host())
            self._sendable.set()
        return len(found)

    async def _sorted(self, parcel: Parcel) -> Sorted:
        try:
            key = await self.ring.by_id(parcel.key_id)
            if parcel.received:
                return self._sorted_received(parcel, key)
            content = _content.decode(key.open(parcel.sealed, b"c" + parcel.id))
        except (Error, msgspec.MsgspecError, KeyError, UnicodeDecodeError) as e:
            if isinstance(e, Error) and e.code not in _HOPELESS:
                raise
            return Sorted(parcel.id, None, b"")
        url = content.callback_url
        if url is not None and url.startswith(OWN_ADDRESS):
            self._of_runs[parcel.id] = url
            return Sorted(parcel.id, None, b"", "workflow")
        if url is None or not callback_allowed(url, self.hosts, self.allow_loopback):
            return Sorted(parcel.id, None, b"")
        label = Label(url, content.reference, content.metadata)
        return Sorted(parcel.id, address_of(url), key.seal(_encode(label), b"w" + parcel.id))

    def _sorted_received(self, parcel: Parcel, key: SealingKey) -> Sorted:
        received = _received.decode(parcel.sealed)
        hook = self.webhooks.get(received.webhook)
        if hook is None or not callback_allowed(hook.url, self.hosts, self.allow_loopback):
            return Sorted(parcel.id, None, b"")
        octets = body_of(received.heard, hook, key)
        label = Label(hook.url, None, None, octets, received.heard.id, hook.name)
        return Sorted(parcel.id, address_of(hook.url), key.seal(_encode(label), b"w" + parcel.id))

    def known(self, host: str) -> None:
        """Something is due to this host."""
        self._known.setdefault(host, _Host())

    # --- sending ------------------------------------------------------------------------------------------
    async def send_forever(self) -> None:
        now_s = asyncio.get_running_loop().time
        settled_s = now_s()
        while True:
            self._sendable.clear()
            if now_s() - settled_s >= SETTLE_S:
                self.settle()
                settled_s = now_s()
            pause = self.start_due()
            await _woken(self._sendable, min(pause, SETTLE_S) if self._outcomes else pause)

    def settle(self) -> None:
        """Writes down every outcome since the last time, in one transaction; only then a message's next event may go."""
        if not self._outcomes:
            return
        if self.runs is not None:
            over = [(o, self.book.flow_of(o.id)) for o in self._outcomes if o.next_ms is None]
            self.runs.told([(o.id, flow, o.tally == "told") for o, flow in over if flow is not None], self.now())
        outcomes, self._outcomes = self._outcomes, []
        self.book.settle(outcomes, self.now())
        for o in outcomes:
            self._under_way.pop(o.n, None)

    def start_due(self) -> float:
        """Starts attempts while there are places, a turn to each host; seconds until something else may be due."""
        now = self.now()
        if now < self._keys_paused_until_ms:
            return (self._keys_paused_until_ms - now) / 1000
        soonest = now + int(IDLE_S_MAX * 1000)
        waiting: dict[str, list[Due]] = {}
        for name, host in self._known.items():
            places = host.places()
            if places <= 0:
                continue
            if host.paused_until_ms > now:
                soonest = min(soonest, host.paused_until_ms)
                continue
            mine = [d for d in self.book.due(name, now, places + len(self._under_way)) if d.n not in self._under_way]
            if mine:
                waiting[name] = mine[:places]
            else:
                soonest = min(soonest, self.book.next_ms(name, now) or soonest)
        room = WEBHOOK_CONCURRENT_MAX - sum(host.in_flight for host in self._known.values())
        while waiting and room > 0:
            for name in list(waiting)[:room]:
                self._begin(waiting[name].pop(0))
                room -= 1
                if not waiting[name]:
                    del waiting[name]
        # Hosts take turns at being first, so that the last one is not always the one left without a place.
        if self._known:
            first = next(iter(self._known))
            self._known[first] = self._known.pop(first)
        return max((soonest - now) / 1000, 0.0)

    def _begin(self, due: Due) -> None:
        self._known[due.host].in_flight += 1
        self._under_way[due.n] = asyncio.ensure_future(self._tell(due))

    async def _tell(self, due: Due) -> None:
        host = self._known[due.host]
        try:
            outcome = await self.attempt(due)
        except asyncio.CancelledError:
            raise
        except Error as e:
            log.warning("courier: telling waits: %s", e.code)
            self._keys_paused_until_ms = self.now() + int(KEYS_PAUSE_S * 1000)
            self._under_way.pop(due.n, None)
        except Exception as e:  # our own mistake must not hold the message for ever; its words may hold an address
            log.error("courier: an attempt broke: %s", type(e).__name__)
            self._outcomes.append(self._judged(due, _Heard(AGAIN, "internal", 0)))
        else:
            self._outcomes.append(outcome)
        finally:
            host.in_flight -= 1
            self._sendable.set()

    async def attempt(self, due: Due) -> Outcome:
        """One attempt at one event. Raises Error when `keys` cannot help now: the attempt then does not count."""
        try:
            key = await self.ring.by_id(due.key_id)
            label = _label.decode(key.open(due.sealed, b"w" + due.id))
            secret = await self.ring.derive("webhook secret", str(due.caller))
        except (Error, msgspec.DecodeError) as e:
            if isinstance(e, Error) and e.code not in _HOPELESS:
                raise
            return Outcome(due.n, due.id, None, "refused")
        hook = self.webhooks.get(label.webhook)
        gone = label.webhook and (hook is None or hook.url != label.callback_url)
        if gone or not callback_allowed(label.callback_url, self.hosts, self.allow_loopback):
            return Outcome(due.n, due.id, None, "refused")
        octets, named = label.body, label.message
        if octets is None or named is None:
            octets, named = body(due.id, due.status, due.at_ms, due.error, label.reference, label.metadata), due.id
        signed = headers(secret, webhook_id(named, due.status), self.now(), octets)
        heard = await self._post(label.callback_url, octets, signed)
        return self._judged(due, heard)

    async def _post(self, url: str, octets: bytes, signed: dict[str, str]) -> _Heard:
        try:
            async with (
                asyncio.timeout(WEBHOOK_TIMEOUT_S),
                self.client.stream("POST", url, content=octets, headers=signed) as answer,
            ):
                read = 0
                async for piece in answer.aiter_raw():
                    read += len(piece)
                    if read > WEBHOOK_ANSWER_OCTETS_MAX:
                        break
                status = answer.status_code
                asked = retry_after_ms(answer.headers.get("retry-after"), self.now()) if status in (429, 503) else 0
                return _Heard(verdict(status), f"http {status}", asked)
        except TimeoutError:
            return _Heard(AGAIN, "timeout", 0)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as e:
            return _Heard(AGAIN, type(e).__name__, 0)

    def _judged(self, due: Due, heard: _Heard) -> Outcome:
        host = self._known[due.host]
        if heard.verdict != AGAIN:
            if host.failures >= FAILURES_MAX:
                log.info("courier: %s answers again", due.host)
            host.failures, host.last_error = 0, "" if heard.verdict == DONE else heard.why
            return Outcome(due.n, due.id, None, "told" if heard.verdict == DONE else "stopped")
        now = self.now()
        host.failures += 1
        host.last_error = heard.why
        host.paused_until_ms = max(host.paused_until_ms, now + heard.asked_ms)
        if host.failures == FAILURES_MAX:
            log.warning("courier: %s fails: %s", due.host, heard.why)
        again = next_attempt_ms(due.attempts + 1, due.received_ms, now, self.dice(), heard.asked_ms)
        return Outcome(due.n, due.id, again, "given_up" if again is None else "again")

    def hasten(self, host: str) -> int:
        """A person wants what waits for a host to be told now: also its own pause ends. How many messages. Raises Error `not_found`."""
        known = self._known.get(host)
        if known is None:
            raise Error("not_found", "nothing was ever told to this host")
        known.paused_until_ms = 0
        hastened = self.book.hasten(host, self.now())
        self._sendable.set()
        return hastened

    async def stop(self, wait_s: float) -> None:
        """Lets attempts under way end for up to `wait_s`, drops the rest (they stay in the book), records what ended."""
        tasks = [t for t in self._under_way.values() if not t.done()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=wait_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.settle()

    def state(self) -> dict[str, Any]:
        """Counts for `state`; host names are the bank's own settings, never a customer's."""
        pending, oldest = self.book.pending()
        hosts = [
            {"host": name, "in_flight": h.in_flight, "failures": h.failures, "last_error": h.last_error}
            for name, h in sorted(self._known.items())
        ]
        return {
            "pending": pending,
            "oldest_ms": oldest,
            "in_flight": len(self._under_way),
            "hosts": hosts,
            "tallies": self.book.tallies(),
        }


async def _woken(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
