"""The proof that an HSM holds the right keys, before it serves: known answers that were kept, and probes that the other one wrapped.

What is kept (`proof.json` in the HSM's folder) holds no key: probes of no meaning wrapped under each root, and digests. Trust: who can
change it can have an HSM refused, not have a wrong one taken, because whose audit key it is and what opens is checked elsewhere too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .errors import HsmError
from .pool import Pool
from .softhsm import write_private

TEXT: Final = b"casemate proof of an HSM v1"
_OCTETS: Final = 32
_RESTORE: Final = "see `casemate keys status`; `casemate keys replicate` passes keys where the token allows it"


class Kept:
    """What was kept of the last proof."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mac = ""
        self.roots: dict[int, dict[str, str]] = {}
        self.ways: tuple[str, ...] = ()  # of wrapping, that both know
        try:
            told = json.loads(path.read_bytes())
            self.mac, self.ways = str(told["mac"]), tuple(map(str, told["ways"]))
            self.roots = {int(v): {k: str(w) for k, w in row.items()} for v, row in told["roots"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.mac, self.roots, self.ways = "", {}, ()

    def keep(self) -> None:
        told = {"mac": self.mac, "ways": self.ways, "roots": self.roots}
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self.path, json.dumps(told, indent=1).encode())


async def prove(
    pool: Pool, other: Pool | None, roots: Sequence[int], kept: Kept, founder: bool
) -> list[dict[str, Any]]:
    """Raises HsmError unless `pool` holds the same keys; else one row a key. `other` is one that has been proven.

    The `founder`, the HSM that there always was, sets what was not kept before.
    """
    rows = []
    given = hashlib.sha256(await pool.mac(TEXT)).hexdigest()
    known = hashlib.sha256(await other.mac(TEXT)).hexdigest() if other is not None else kept.mac
    if not known and founder:
        known = given
    _same(bool(known), given == known, "MAC key")
    kept.mac = given
    rows.append({"key": "MAC key", "check": given[:8]})
    await _signs(pool)
    rows.append({"key": "audit key", "check": bytes(pool.opened["public_key"]).hex()[:8]})
    for version in roots:
        digest = await prove_root(pool, other, version, kept, founder)
        rows.append({"key": f"root v{version}", "check": digest[:8]})
    kept.roots = {v: row for v, row in kept.roots.items() if v in roots}
    kept.keep()
    return rows


async def prove_root(pool: Pool, other: Pool | None, version: int, kept: Kept, founder: bool) -> str:
    """The digest of the probe that `pool` unwrapped. What the other wrapped it must open, and the other way round."""
    row, name = kept.roots.get(version), f"root v{version}"
    if row is not None:
        opened = await _opened(pool, row["mechanism"], base64.b64decode(row["wrapped"]), version, name)
        _same(True, hashlib.sha256(opened).hexdigest() == row["digest"], name)
    probe = os.urandom(_OCTETS)
    if other is not None:
        for giver, taker in ((other, pool), (pool, other)):
            mechanism, wrapped = await _wrapped(giver, probe, version, kept.ways)
            _same(True, await _opened(taker, mechanism, wrapped, version, name) == probe, name)
    if row is None:
        _same(founder or other is not None, True, name)
        mechanism, wrapped = await _wrapped(pool, probe, version, kept.ways)
        _same(True, await _opened(pool, mechanism, wrapped, version, name) == probe, name)
        row = {
            "mechanism": mechanism,
            "wrapped": base64.b64encode(wrapped).decode(),
            "digest": hashlib.sha256(probe).hexdigest(),
        }
        kept.roots[version] = row
    return row["digest"]


async def _wrapped(pool: Pool, probe: bytes, version: int, ways: Sequence[str]) -> tuple[str, bytes]:
    mechanism, wrapped = await pool.call("wrap", key=probe, context=TEXT, root=version, only=list(ways))
    return str(mechanism), bytes(wrapped)


async def _opened(pool: Pool, mechanism: str, wrapped: bytes, version: int, name: str) -> bytes:
    try:
        return await pool.unwrap(mechanism, wrapped, TEXT, version)
    except HsmError as e:
        if e.code != "key_refused":
            raise
        raise _other(name) from None


async def _signs(pool: Pool) -> None:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes(pool.opened["public_key"]))
        key.verify(await pool.sign(TEXT), TEXT)
    except (InvalidSignature, ValueError):
        raise _other("audit key") from None


def _same(known: bool, same: bool, name: str) -> None:
    if not known:
        raise HsmError("hsm_unavailable", f"its {name} cannot be proven while the other HSM is away", "")
    if not same:
        raise _other(name)


def _other(name: str) -> HsmError:
    return HsmError("key_missing", f"the {name} of this HSM is another than the other HSM's", _RESTORE)
