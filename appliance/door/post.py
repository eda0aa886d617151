"""The post of the door: takes letters in from engines, opens them when a bind has room, and remembers what was handed over.

Book and line are what it decides with; it only opens seals and keeps count of a letter's parcels. A letter is one deliver_sm, or
several when a long message was submitted in parts; it is over when all of them are.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from appliance.access import DoorAccount, DoorAccounts
from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.limits import DOOR_EVENTS_MAX, DOOR_SETTLE_S
from appliance.message import FINAL, REDACTED, Content
from appliance.smpp import spec
from appliance.store import OperationalError, log_emptied

from .book import INBOUND, Book, Letter, Taken
from .letter import inbound, receipts
from .outgoing import AGAIN, DONE, Outgoing, meaning

Given = TypeVar("Given")

log = logging.getLogger(__name__)

SWEEP_S: Final = 60.0
SWEEP_LETTERS: Final = 2_000  # dropped in one transaction: some milliseconds
KEYS_PAUSE_S: Final = 2.0  # when `keys` cannot help
DAY_MS: Final = 86_400_000
#: A letter under these can never be opened again.
HOPELESS: Final = frozenset({"key_destroyed", "key_missing", "key_refused"})

_HEADER: Final = struct.Struct(">IIII")  # SMPP 3.4 section 3.2
_content: Final = msgspec.msgpack.Decoder(Content).decode
_inbound: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode


class DoorEvents(msgspec.Struct, forbid_unknown_fields=True):
    """Statuses as an engine hands them over, numbered from `first` within `source`."""

    source: str
    first: int
    events: list[
        tuple[bytes, int, bytes, int, int, str, int, int]
    ]  # id, key, content, status, at_ms, error, caller, notify


class DoorInbound(msgspec.Struct, forbid_unknown_fields=True):
    """Customers' messages, the same way."""

    source: str
    first: int
    messages: list[tuple[bytes, int, bytes, str, bytes, int, str]]  # id, key, number, recipient, content, at_ms, link


class Key(Protocol):
    """A data key, as far as opening goes."""

    def open(self, blob: bytes, aad: bytes) -> bytes: ...


class Ring(Protocol):
    """`appliance.keys.Keyring`, as far as opening goes."""

    async def by_id(self, key_id: int) -> Key: ...


class Parcel(NamedTuple):
    """One deliver_sm to hand over."""

    letter: Letter
    part: int
    body: bytes

    def pdu(self, sequence: int) -> bytes:
        """The whole frame under a sequence number of its bind."""
        return _HEADER.pack(_HEADER.size + len(self.body), spec.DELIVER_SM, 0, sequence) + self.body


class _Opened:
    """A letter whose parcels are out: which parts are still to be taken, how many have no answer, the worst answer."""

    __slots__ = ("flying", "letter", "parts", "status", "waiting")

    def __init__(self, letter: Letter, parts: int) -> None:
        self.letter = letter
        self.parts = parts
        self.waiting = set(range(parts))
        self.flying = 0
        self.status = 0


class Post:
    """One door's letters. For one event loop; `take` is the only method that waits."""

    def __init__(
        self,
        path: Path,
        ring: Ring,
        accounts: DoorAccounts,
        alphabets: dict[str, str],
        keep_days: int,
        now_s: Callable[[], float] = monotonic_s,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.book = Book(path)
        self.ring = ring
        self.accounts = accounts  # to be replaced by its owner when it is no longer fresh
        self.alphabets = alphabets  # link -> what data_coding 0 means on it
        self.keep_ms = keep_days * DAY_MS
        self.outgoing = Outgoing(self.book.due)
        self.wake: Callable[[set[int]], None] = lambda accounts: None
        self.now_s = now_s
        self.clock_ms = clock_ms
        self._open: dict[int, _Opened] = {}
        self._spare: dict[int, deque[Parcel]] = {}  # by account: parcels of an opened letter that found no room
        self._keys_until_s = 0.0
        self._swept_s = now_s()

    # --- from the engine ------------------------------------------------------------------------------------

    async def events(self, payload: Any, peer: Peer) -> dict[str, int]:
        """Operation `events`: {source, first, events} -> {settled}, durable. Raises Error `malformed`, `invalid`, `store_full`."""
        given = _converted(payload, DoorEvents)
        _check(given.first, len(given.events))
        if any(len(e[0]) != 16 or (e[3] not in FINAL and e[3] != REDACTED) for e in given.events):
            raise Error("invalid", "events: one has no such id or status")
        return self._took(
            lambda: self.book.take_events(given.source, given.first, given.events, self._addressee, self.clock_ms())
        )

    async def inbound(self, payload: Any, peer: Peer) -> dict[str, int]:
        """Operation `inbound`: {source, first, messages} -> {settled}, the same way."""
        given = _converted(payload, DoorInbound)
        _check(given.first, len(given.messages))
        if any(len(m[0]) != 16 for m in given.messages):
            raise Error("invalid", "inbound: one has no such id")
        return self._took(
            lambda: self.book.take_inbound(given.source, given.first, given.messages, self._recipient, self.clock_ms())
        )

    async def forget(self, payload: Any, peer: Peer) -> dict[str, int]:
        """Operation `forget`: {ids} of customers' messages that were erased, part by part -> {forgotten}, durable."""
        ids = payload.get("ids") if isinstance(payload, dict) else None
        if not isinstance(ids, list) or not all(isinstance(each, bytes) for each in ids):
            raise Error("malformed", "forget: `ids` of messages")
        try:
            gone = self.book.forget(ids)
            await log_emptied(self.book.scrub)
        except OperationalError as e:
            raise Error("store_full", f"the door's store cannot be written: {e}", "check free space") from None
        self.outgoing.forget(gone)
        for each in gone:
            self._open.pop(each.n, None)
        return {"forgotten": len(gone)}

    def _took(self, take: Callable[[], Taken]) -> dict[str, int]:
        try:
            taken = take()
        except OperationalError as e:
            raise Error("store_full", f"the door's store cannot be written: {e}", "check free space") from None
        self.outgoing.forget(taken.gone)
        for gone in taken.gone:
            self._open.pop(gone.n, None)
        self.outgoing.brought(taken.accounts)
        if taken.accounts:
            self.wake(taken.accounts)
        return {"settled": taken.upto}

    def _addressee(self, account: int, caller: int) -> int | None:
        """The account that sent it; when that is revoked, the oldest of the same API key."""
        found = self.accounts.get(account)
        if found is None or found.caller != caller:
            found = self.accounts.for_caller(caller)
        return found.id if found is not None else None

    def _recipient(self, recipient: str) -> int | None:
        found = self.accounts.for_inbound(recipient)
        return found.id if found is not None else None

    # --- to a bind ------------------------------------------------------------------------------------------

    async def take(self, account: int, room: int) -> list[Parcel]:
        """At most `room` parcels for a bind of this account; each is to be `settled` or `lost`."""
        out: list[Parcel] = []
        spare = self._spare.setdefault(account, deque())
        whose = self.accounts.get(account)
        if whose is None:
            return out
        while len(out) < room:
            if spare:
                parcel = spare.popleft()
                if parcel.letter.n in self._open:  # else it was forgotten meanwhile
                    out.append(parcel)
                continue
            paused = self.now_s() < self._keys_until_s
            letters = [] if paused else self.outgoing.take(account, room - len(out), self.now_s())
            if not letters:
                break
            for at, letter in enumerate(letters):
                try:
                    spare.extend(await self._parcels(letter, whose))
                except Error as e:
                    if e.code in HOPELESS:
                        self._open.pop(letter.n, None)
                        self.outgoing.unreadable(letter, e.code)
                        continue
                    log.warning("door: letters wait: %s", e.code)
                    self._keys_until_s = self.now_s() + KEYS_PAUSE_S
                    self.outgoing.returned(letters[at:])
                    break
        return out

    async def _parcels(self, letter: Letter, account: DoorAccount) -> list[Parcel]:
        """What of a letter is still to be handed over. Raises Error when it cannot be opened, now or ever."""
        key = await self.ring.by_id(letter.key_id)
        try:
            clear = key.open(letter.content, b"c" + letter.id)
            if letter.status == INBOUND:
                number = key.open(letter.number, b"n" + letter.id).decode()
                alphabet = self.alphabets.get(letter.link, "gsm7")
                bodies = [inbound(letter, number, _inbound(clear), account, alphabet)]
            else:
                bodies = receipts(letter, _content(clear), account)
        except (msgspec.DecodeError, KeyError, ValueError, TypeError):
            raise Error("key_refused", "what was sealed is not a message") from None
        opened = self._open.setdefault(letter.n, _Opened(letter, len(bodies)))
        opened.letter, opened.status = letter, 0
        out = [Parcel(letter, part, body) for part, body in enumerate(bodies) if part in opened.waiting]
        opened.flying = len(out)
        return out

    def settled(self, parcel: Parcel, status: int) -> None:
        """The bank's system answered this parcel with a command_status."""
        opened = self._open.get(parcel.letter.n)
        if opened is None:
            return
        if meaning(status) == DONE:
            opened.waiting.discard(parcel.part)
        elif meaning(opened.status) in (DONE, AGAIN):  # a refusal for good outweighs one for now
            opened.status = status
        self._landed(opened)

    def lost(self, parcels: Iterable[Parcel]) -> None:
        """Their bind ended, or no answer came in time: they go out again."""
        back: list[Letter] = []
        for parcel in parcels:
            opened = self._open.get(parcel.letter.n)
            if opened is not None:
                self._landed(opened, back)
        self.outgoing.lost(back, self.now_s())

    def released(self, account: int) -> None:
        """The account's last bind ended; nothing of it need stay in memory."""
        spare = self._spare.pop(account, None)
        if spare:
            back: list[Letter] = []
            for parcel in spare:
                opened = self._open.get(parcel.letter.n)
                if opened is not None:
                    self._landed(opened, back)
            self.outgoing.returned(back)
        for n in [n for n, opened in self._open.items() if opened.letter.account == account and not opened.flying]:
            del self._open[n]
        self.outgoing.released(account)

    def _landed(self, opened: _Opened, back: list[Letter] | None = None) -> None:
        opened.flying -= 1
        if opened.flying > 0:
            return
        letter = opened.letter
        again = opened.waiting and meaning(opened.status) in (DONE, AGAIN)
        if not again or len(opened.waiting) == opened.parts:  # else it goes on later with the parts that are left
            del self._open[letter.n]
        if opened.status or not opened.waiting:
            self.outgoing.settled(letter, opened.status if opened.waiting else 0, self.now_s())
        elif back is not None:
            back.append(letter)
        else:
            self.outgoing.lost([letter], self.now_s())

    def next_s(self, account: int) -> float | None:
        """Seconds until there may be something for the account, 0: now; None: when `wake` says so."""
        if self._spare.get(account):
            return 0.0
        wait_s = self.outgoing.wait_s(account, self.now_s())
        return None if wait_s is None else max(wait_s, self._keys_until_s - self.now_s())

    # --- keeping --------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Until cancelled: tells the book what was handed over, many letters in one commit, and drops what nobody came for."""
        while True:
            await asyncio.sleep(DOOR_SETTLE_S)
            self.flush()
            if self.now_s() - self._swept_s >= SWEEP_S:
                self.sweep()

    def flush(self) -> None:
        """Tells the book what was handed over since the last time. On a disk that fails they stay to be told."""
        done, aside = self.outgoing.drain()
        if not done and not aside:
            return
        try:
            self.book.settle(done, aside)
        except OperationalError as e:
            log.error("door: the store cannot be written: %s", type(e).__name__)
            self.outgoing.undrain(done, aside)

    def sweep(self) -> None:
        """Drops letters older than they are kept, a bounded number at a time; the rest at the next look."""
        try:
            gone = self.book.sweep(self.clock_ms() - self.keep_ms, SWEEP_LETTERS)
        except OperationalError as e:
            log.error("door: the store cannot be written: %s", type(e).__name__)
            gone = []
        self.outgoing.forget(gone)
        for letter in gone:
            self._open.pop(letter.n, None)
        if len(gone) < SWEEP_LETTERS:
            self._swept_s = self.now_s()
        if gone:
            log.warning("door: %d letters that nobody came for were dropped", len(gone))

    def bring_back(self, account: int) -> int:
        """Letters that the account's system refused are due again; how many."""
        self.flush()
        count = self.book.bring_back(account)
        self.outgoing.again(account)
        self.wake({account})
        return count

    def state(self) -> dict[str, Any]:
        """Counts for people and metrics: account -> due, set aside, since when; no message is in it."""
        reasons = self.book.reasons()
        accounts = []
        for number, (due, aside) in self.book.counts().items():
            whose = self.accounts.get(number)
            accounts.append(
                {
                    "account": number,
                    "system_id": whose.system_id if whose is not None else "",
                    "due": due,
                    "oldest_ms": self.book.oldest_ms(number),
                    "aside": aside,
                    "reasons": reasons.get(number, {}),
                }
            )
        return {"letters": accounts, "tallies": self.book.tallies(), "in_memory": self.outgoing.held()}

    def close(self) -> None:
        self.flush()
        self.book.close()


def _converted(payload: Any, shape: type[Given]) -> Given:
    try:
        return msgspec.convert(payload, shape)
    except msgspec.ValidationError as e:
        raise Error("malformed", f"what an engine hands over: {e}") from None


def _check(first: int, count: int) -> None:
    if first < 1 or count > DOOR_EVENTS_MAX:
        raise Error("invalid", "numbers start at 1, at most 10,000 rows a call")
