"""Makes an audit log in a folder without processes: the journal, the publisher and a key in memory, as the auditor uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.audit.entry import canonical, entry
from appliance.audit.journal import Call, Journal, Sought
from appliance.audit.note import Verifier, signed
from appliance.audit.publish import Publisher, log_folder
from appliance.audit.reading import Reading
from appliance.audit.shelf import Shelf

ORIGIN = "bank.example/audit"
AT_MS = 1_763_836_207_123


def sample(n: int, **detail: Any) -> dict[str, Any]:
    """The n-th entry of a made-up day."""
    said = {"messages": n % 1000, "digest": f"{n:064x}"}
    made = entry(AT_MS + n, "process:engine-0", "batch.committed", f"batch:{n:x}", **said)
    return {**made, "detail": {"messages": n % 1000, **detail}}


class Log:
    """`add` makes entries durable, `publish` signs a checkpoint over them; `open` again after `close` as a restart would."""

    def __init__(self, home: Path, seed: bytes = b"\x07" * 32, origin: str = ORIGIN) -> None:
        self.home, self.origin = home, origin
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(origin, self.private.public_key().public_bytes_raw())
        self.shelf = Shelf(log_folder(home))
        self.journal = Journal(home / "audit" / "audit.db")
        self.size = self.journal.size()
        self.publisher = Publisher(Journal(home / "audit" / "audit.db", read_only=True), self.shelf, origin)
        self.publisher.restore(self.size, {n: self.journal.said(n) for n in ("vkey", "checkpoint", "minimum")})

    @property
    def folder(self) -> Path:
        return self.shelf.folder

    def add(self, count: int) -> None:
        while count:
            some = min(count, 5_000)
            entries = [canonical(sample(self.size + i)) for i in range(some)]
            self.size = self.journal.commit(self.size, [Call("", 0, entries)])[-1].size
            count -= some

    def add_alike(self, count: int) -> None:
        """So many that differ in their batch alone: making each by `sample` would take most of a test with a large log."""
        one = canonical(sample(0))
        assert one.count(b'"batch:0"') == 1
        while count:
            some = min(count, 5_000)
            entries = [one.replace(b'"batch:0"', b'"batch:%x"' % (self.size + i)) for i in range(some)]
            self.size = self.journal.commit(self.size, [Call("", 0, entries)])[-1].size
            count -= some

    def publish(self) -> str:
        checkpoint = self.publisher.advance(self.size)
        note = signed(checkpoint, self.verifier, self.private.sign(checkpoint.body()))
        self.journal.say(vkey=self.verifier.vkey(), checkpoint=note)
        self.publisher.accept(checkpoint, self.verifier, note)
        return note

    def export(self, folder: Path) -> Path:
        assert self.publisher.checkpoint is not None
        Reading(self.publisher.journal, self.shelf).export(str(folder), self.publisher.checkpoint, self.publisher.note)
        return folder

    def archive(self, file: Path, sought: Sought | None = None) -> Path:
        """One signed file; of `sought` entries with their proofs."""
        checkpoint = self.publisher.checkpoint
        assert checkpoint is not None
        made = Reading(self.publisher.journal, self.shelf).archive(str(file), checkpoint, self.publisher.note, sought)
        statement = made.statement(checkpoint)
        made.seal(statement, self.verifier, self.private.sign(statement))
        return file

    def close(self) -> None:
        self.publisher.journal.close()
        self.journal.close()
