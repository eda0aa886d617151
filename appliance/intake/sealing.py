"""The day's keys: fetched once a day from the keys process, then used for every message without asking again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from appliance.clock import day_of
from appliance.errors import Error


class Key(Protocol):
    """A day's data key as `appliance.keys` gives it."""

    @property
    def key_id(self) -> int: ...
    @property
    def retired(self) -> bool: ...
    def seal(self, plaintext: bytes, aad: bytes) -> bytes: ...
    def seal_many(self, plaintexts: list[bytes], aads: list[bytes]) -> list[bytes]: ...
    def open(self, blob: bytes, aad: bytes) -> bytes: ...


class Ring(Protocol):
    """The part of `appliance.keys.Keyring` that a face uses."""

    async def for_day(self, day: int) -> Any: ...
    async def by_id(self, key_id: int) -> Any: ...
    async def index_key(self) -> bytes: ...
    async def derive(self, purpose: str, subject: str) -> bytes: ...
    async def random(self, octets: int) -> bytes: ...
    async def healthy(self) -> tuple[bool, str]: ...


class Sealing(msgspec.Struct, frozen=True):
    """What a day's messages are sealed with. Immutable: another day is another Sealing."""

    day: int
    key: Any  # Key
    index: Callable[[str], bytes]  # number -> 16 octets of blind index
    requests_key: bytes  # keys the MACs of idempotency keys and bodies


class Seals:
    """One Sealing a day, the newest remembered."""

    def __init__(self, ring: Ring, indexer: Callable[[bytes], Callable[[str], bytes]]) -> None:
        self.ring = ring
        self.indexer = indexer
        self.newest: Sealing | None = None

    async def at(self, at_ms: int) -> Sealing:
        """Keys of the day of `at_ms`; asks the keys process once a day, and again when the day's key is no good any more.

        Raises Error `hsm_unavailable`: rather than under a compromised key nothing is sealed.
        """
        day = day_of(at_ms)
        sealing = self.newest
        if sealing is None or sealing.day != day or sealing.key.retired:
            try:
                key: Key = await self.ring.for_day(day)
                index_key = await self.ring.index_key()
                requests_key = await self.ring.derive("idempotency", "")
            except Error as e:
                raise Error(
                    "hsm_unavailable", "new messages cannot be sealed now", f"{e.code}; try again in a moment"
                ) from None
            sealing = Sealing(day, key, self.indexer(index_key), requests_key)
            if self.newest is None or self.newest.day <= day:
                self.newest = sealing
        return sealing
