"""How fast the log takes entries, signs them, proves one and is verified: the auditor's own parts in one process, on one disk.

What is left out is the socket and the HSM: entries come packed as a caller packs them, and an Ed25519 key in memory signs.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.clock import monotonic_s
from appliance.limits import AUDIT_CALL_ENTRIES_MAX, AUDIT_FORWARD_ENTRIES, CHECKPOINT_S_MAX

from .entry import entry
from .journal import Call, Journal
from .note import Verifier
from .payloads import call_of
from .publish import Publisher, log_folder
from .reading import Reading
from .shelf import Shelf
from .verify import verify

PROOFS: Final = 2_000
SEED: Final = 20_261_126
AT_MS: Final = 1_763_836_207_123


def _packed(entries: int) -> Iterator[bytes]:
    """Calls as they come over the socket: what an engine says of its batches."""
    for first in range(0, entries, AUDIT_FORWARD_ENTRIES):
        some = [
            entry(AT_MS + n, "process:engine-0", "batch.committed", f"batch:{n:x}", messages=n % 1000, digest="ab" * 32)
            for n in range(first, min(first + AUDIT_FORWARD_ENTRIES, entries))
        ]
        yield msgspec.msgpack.encode({"source": "engine-0/bench", "first": first + 1, "entries": some})


class Rate:
    """A log of its own in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._shelf = Shelf(log_folder(folder))
        self._journal = Journal(folder / "audit" / "audit.db")
        self._publisher = Publisher(Journal(folder / "audit" / "audit.db", read_only=True), self._shelf, "bench/audit")
        self._key = Ed25519PrivateKey.generate()
        self._verifier = Verifier("bench/audit", self._key.public_key().public_bytes_raw())
        self._durable = 0
        self._more = threading.Event()
        self._done = False

    def sequence(self, entries: int) -> dict[str, Any]:
        """Takes entries as fast as they come until all are durable and under a signed checkpoint; entries a second."""
        portions = _packed(entries)
        size, took = 0, 0.0
        publisher = threading.Thread(target=self._publish)
        publisher.start()
        try:
            while size < entries:
                waiting = [
                    p for _, p in zip(range(AUDIT_CALL_ENTRIES_MAX // AUDIT_FORWARD_ENTRIES), portions, strict=False)
                ]
                began = monotonic_s()  # the caller's own work is not the log's
                calls: list[Call] = [call_of(msgspec.msgpack.decode(p)) for p in waiting]
                size = self._journal.commit(size, calls)[-1].size
                self._durable = size
                self._more.set()
                took += monotonic_s() - began
            began = monotonic_s()
        finally:
            self._done = True
            self._more.set()
            publisher.join()
        took += monotonic_s() - began
        return {"entries": entries, "sequenced_per_s": round(entries / took)}

    def _publish(self) -> None:
        pause = threading.Event()
        while not self._done or self._size() < self._durable:
            self._more.wait()
            if not self._done:
                pause.wait(CHECKPOINT_S_MAX / 2)
            checkpoint = self._publisher.advance(self._durable)
            note = self._publisher.note_of(checkpoint, self._verifier, self._key.sign(checkpoint.body()))
            self._publisher.accept(checkpoint, self._verifier, note)

    def _size(self) -> int:
        return self._publisher.checkpoint.size if self._publisher.checkpoint else 0

    def prove(self) -> dict[str, Any]:
        """Milliseconds for a `.tlog-proof` of entries picked at random."""
        checkpoint = self._publisher.checkpoint
        assert checkpoint is not None
        reading, rolls, took = Reading(self._publisher.journal, self._shelf), random.Random(SEED), []
        for _ in range(PROOFS):
            index = rolls.randrange(checkpoint.size)
            began = monotonic_s()
            reading.proof(index, checkpoint, self._publisher.note)
            took.append(1_000 * (monotonic_s() - began))
        took.sort()
        return {
            "proof_ms_p50": round(took[PROOFS // 2], 3),
            "proof_ms_p99": round(took[PROOFS * 99 // 100], 3),
            "proof_ms_max": round(took[-1], 3),
        }

    def check(self) -> dict[str, Any]:
        """Entries a second of `verify.py` over the whole log."""
        began = monotonic_s()
        report = verify(self._shelf.folder, self._verifier.vkey())
        took = monotonic_s() - began
        return {"verifies": report.ok, "verified_per_s": round(report.size / took), "verify_s": round(took, 2)}

    def close(self) -> None:
        self._publisher.journal.close()
        self._journal.close()
