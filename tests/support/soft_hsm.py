"""An HSM of Python for tests of who checks what: the pool's operations, in memory, without a token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from typing import Any

from hsm import HsmError


class Soft:
    """Wraps by XOR, which is enough to see who checks what; `done` are the operations asked for."""

    def __init__(self) -> None:
        self.why: HsmError | None = None
        self.opened = {"public_key": b"p" * 32, "serial": "s"}
        self.done: list[str] = []
        self.roots = {1}

    def _do(self, op: str) -> None:
        if self.why is not None:
            raise self.why
        self.done.append(op)

    async def random(self, octets: int) -> bytes:
        self._do("random")
        await asyncio.sleep(0)
        return os.urandom(octets)

    async def wrap(self, key: bytes, context: bytes, root: int = 1) -> tuple[str, bytes]:
        self._do("wrap")
        return "aes-gcm", bytes(a ^ 0x55 ^ root for a in key) + hashlib.sha256(context + bytes([root])).digest()

    async def unwrap(self, mechanism: str, wrapped: bytes, context: bytes, root: int = 1) -> bytes:
        self._do("unwrap")
        if root not in self.roots or wrapped[32:] != hashlib.sha256(context + bytes([root])).digest():
            raise HsmError("key_refused", "no")
        return bytes(a ^ 0x55 ^ root for a in wrapped[:32])

    async def make_root(self, root: int) -> None:
        self._do("make_root")
        self.roots.add(root)

    async def destroy_root(self, root: int) -> None:
        self._do("destroy_root")
        self.roots.discard(root)

    async def cold_start(self) -> None:
        self._do("cold_start")

    async def mac(self, body: bytes) -> bytes:
        self._do("mac")
        return hmac.digest(b"k", body, "sha256")

    async def sign(self, body: bytes) -> bytes:
        self._do("sign")
        return bytes(64)

    def hsms(self) -> list[dict[str, Any]]:
        well = self.why is None
        return [{"hsm": "first", "up": well, "serves": well, "in_step": well}]

    def state(self) -> dict[str, Any]:
        return {"ready": self.why is None}
