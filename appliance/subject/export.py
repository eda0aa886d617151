"""A folder for the owner of a telephone number: everything the box holds about it as JSON (GDPR art. 15 and 20), on the audit log first."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final, Protocol

from appliance.clock import rfc3339
from appliance.errors import Error

from .holdings import Holdings, Row

MANIFEST: Final = "manifest.json"
EVERY_ROWS: Final = 100  # between two words about how far it is
README: Final = """What a Casemate appliance holds about one telephone number.

messages.json  messages to it: text, references, times, what became of each, and by which rules it was let through
inbound.json   messages from it: `whole` as the bank was told, the others the parts as operators delivered them
consent.json   decisions about being left alone; `counts` is true for those by which the number is suppressed now (its suppressions)
reviews.json   messages from it that a person reads because they may be a wish to be left alone, and what was decided
verifications.json   one-time codes for it: purpose, state, times, tries, and the payment they are bound to; never the code
waiting.json   what is kept elsewhere for a while: operator learned by ENUM, parts of messages that are not whole, letters and webhooks due
manifest.json  the SHA-256 of each; its own is `digest` in the audit log's entry `subject.exported`

`erased` is true where a text was erased before, by a person or with its day's key: then only times and statuses are left.
Copies on their way to the bank's own systems (webhooks, receipts) hold nothing that is not here. Erase this folder when it was handed over.
"""


class Record(Protocol):
    """The part of `appliance.audit.BlockingRecorder` that is used."""

    def record(self, who: str, what: str, on: str, outcome: str = ..., **detail: Any) -> Any: ...


def write(
    folder: Path, holdings: Holdings, recorder: Record, who: str, at_ms: int, progress: Callable[[str, int], None]
) -> dict[str, Any]:
    """Writes the folder, readable by its owner only; the manifest. The number is in no entry and in no name.

    On the audit log twice: before anything is read, and with the manifest's digest before the manifest is there. Raises Error
    `file_invalid` when the folder is there already, `audit_unavailable`, `key_refused`.
    """
    recorder.record(who, "subject.export_begun", "subject:number")
    try:
        folder.mkdir(mode=0o700)
    except OSError as e:
        raise Error("file_invalid", f"{folder.name} cannot be made: {e.strerror}", "name a new folder") from None
    manifest: dict[str, Any] = {"made_at": rfc3339(at_ms), "by": who, "files": {}}
    for name, rows in holdings.tables():
        with _private(folder / f"{name}.json") as out:
            manifest["files"][f"{name}.json"] = _written(out, rows(), lambda n, name=name: progress(name, n))  # type: ignore[misc]
    with _private(folder / "README.txt") as out:
        out.write(README.encode())
    octets = json.dumps(manifest, indent=1, sort_keys=True).encode()
    counts = {name: of["rows"] for name, of in manifest["files"].items()}
    found = sum(counts.values())
    recorder.record(who, "subject.exported", "subject:number", digest=hashlib.sha256(octets).hexdigest(), found=found)
    with _private(folder / MANIFEST) as out:
        out.write(octets)
    return manifest


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _written(out: IO[bytes], rows: Iterator[Row], progress: Callable[[int], None]) -> dict[str, Any]:
    """One JSON array, a row a line, streamed; its digest and number of rows."""
    digest, count = hashlib.sha256(), 0

    def put(text: str) -> None:
        octets = text.encode()
        digest.update(octets)
        out.write(octets)

    put("[")
    for row in rows:
        put(("," if count else "") + "\n" + json.dumps(row, ensure_ascii=False))
        count += 1
        if count % EVERY_ROWS == 0:
            progress(count)
    put("\n]\n")
    progress(count)
    return {"sha256": digest.hexdigest(), "rows": count}
