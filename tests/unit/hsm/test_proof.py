"""The proof of an HSM: known answers and probes, over HSMs of Python; one with another key is never taken, whatever was kept."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hsm import HsmError
from hsm.proof import Kept, prove


class Made:
    """The calls of a pool that a proof makes; `keys` are those of the MAC, the audit log and the roots."""

    def __init__(self, mac: bytes = b"m", audit: bytes = bytes(32), roots: tuple[bytes, ...] = (b"r",)) -> None:
        self._mac = mac
        self._audit = Ed25519PrivateKey.from_private_bytes(audit)
        self._roots = {n + 1: key for n, key in enumerate(roots)}
        self.opened = {"public_key": self._audit.public_key().public_bytes_raw()}

    async def mac(self, body: bytes) -> bytes:
        return hmac.digest(self._mac, body, "sha256")

    async def sign(self, body: bytes) -> bytes:
        return self._audit.sign(body)

    async def call(self, op: str, key: bytes, context: bytes, root: int, only: list[str]) -> list[Any]:
        assert op == "wrap"
        mask = hashlib.sha256(self._roots[root] + context).digest()
        wrapped = bytes(a ^ b for a, b in zip(key, mask, strict=True))
        return ["aes-gcm", wrapped + hmac.digest(mask, wrapped, "sha256")]

    async def unwrap(self, mechanism: str, wrapped: bytes, context: bytes, root: int) -> bytes:
        mask = hashlib.sha256(self._roots[root] + context).digest()
        if hmac.digest(mask, wrapped[:32], "sha256") != wrapped[32:]:
            raise HsmError("key_refused", "no")
        return bytes(a ^ b for a, b in zip(wrapped[:32], mask, strict=True))


def proven(pool: Made, other: Made | None, kept: Kept, founder: bool, roots: tuple[int, ...] = (1,)) -> list[str]:
    return [row["key"] for row in asyncio.run(prove(pool, other, roots, kept, founder))]  # type: ignore[arg-type]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "own" / "proof.json")


def test_the_founder_sets_what_the_other_is_measured_by(kept: Kept) -> None:
    assert proven(Made(), None, kept, founder=True) == ["MAC key", "audit key", "root v1"]
    again = Kept(kept.path)
    assert again.roots == kept.roots
    assert proven(Made(), None, again, founder=False) == ["MAC key", "audit key", "root v1"], "alone, by what was kept"
    assert b"m" not in json.loads(kept.path.read_bytes())["mac"].encode()


@pytest.mark.parametrize("other", [Made(mac=b"x"), Made(roots=(b"x",))])
@pytest.mark.parametrize("alone", [True, False])
def test_an_hsm_with_another_key_is_not_taken(kept: Kept, other: Made, alone: bool) -> None:
    proven(Made(), None, kept, founder=True)
    with pytest.raises(HsmError) as caught:
        proven(other, None if alone else Made(), kept, founder=False)
    assert caught.value.code == "key_missing"


def test_an_hsm_that_signs_wrongly_is_not_taken(kept: Kept) -> None:
    wrong = Made()
    wrong.opened = Made(audit=bytes([1]) * 32).opened
    with pytest.raises(HsmError) as caught:
        proven(wrong, None, kept, founder=True)
    assert caught.value.code == "key_missing"


def test_nothing_kept_and_nobody_there_proves_nothing(kept: Kept) -> None:
    with pytest.raises(HsmError) as caught:
        proven(Made(), None, kept, founder=False)
    assert caught.value.code == "hsm_unavailable"


def test_a_new_root_is_proven_between_the_two(kept: Kept) -> None:
    two = (b"r", b"s")
    proven(Made(roots=two), None, kept, founder=True)
    assert proven(Made(roots=two), Made(roots=two), kept, False, (1, 2)) == [
        "MAC key",
        "audit key",
        "root v1",
        "root v2",
    ]
    assert set(Kept(kept.path).roots) == {1, 2}
    proven(Made(roots=two), None, kept, False, (2,))
    assert set(Kept(kept.path).roots) == {2}, "what is kept of a root that is gone goes with it"


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"mac": 1, "ways": 3, "roots": {}}', b'{"mac": "", "ways": [], "roots": {"x": {}}}']
)
def test_a_damaged_file_is_as_none(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "proof.json"
    path.write_bytes(text)
    kept = Kept(path)
    assert (kept.mac, kept.roots, kept.ways) == ("", {}, ())
