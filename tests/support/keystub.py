"""A keys process for tests of the audit log alone: an Ed25519 key in memory behind the same two operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.errors import Error
from appliance.intercom import Peer, Server


class KeyStub:
    """Serves `sign` and `public_key` for the purpose `audit checkpoint`; `down` makes it refuse as a lost HSM would."""

    def __init__(self, seed: bytes = b"\x07" * 32) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.down = False
        self.held: list[int] = []
        self.approved: set[tuple[str, int]] = set()  # act and what on: what two people have agreed to
        self.signed = 0
        self._server = Server(
            {"sign": self._sign, "public_key": self._public_key, "held": self._held, "use": self._use}
        )

    @property
    def key(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    async def start(self, path: Path) -> None:
        await self._server.start(path)

    async def stop(self) -> None:
        await self._server.stop()

    def sign(self, body: bytes) -> bytes:
        return self.private.sign(body)

    async def _sign(self, payload: dict[str, Any], peer: Peer) -> dict[str, bytes]:
        self._check(payload)
        self.signed += 1
        return {"signature": self.sign(payload["body"])}

    async def _public_key(self, payload: dict[str, Any], peer: Peer) -> dict[str, bytes]:
        self._check(payload)
        return {"key": self.key}

    async def _held(self, payload: dict[str, Any], peer: Peer) -> dict[str, list[int]]:
        return {"days": self.held}

    async def _use(self, payload: dict[str, Any], peer: Peer) -> dict[str, Any]:
        if (payload["act"], payload["on"]) not in self.approved:
            raise Error("forbidden", "two people have not agreed to this")
        return {}

    def _check(self, payload: dict[str, Any]) -> None:
        assert payload["purpose"] in ("audit checkpoint", "audit export")
        if self.down:
            raise Error("hsm_unavailable", "the HSM does not answer")
