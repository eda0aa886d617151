"""A report in one archive: PDF, a CSV for each table, a manifest of their digests, and the checkpoint and `.tlog-proof` that bind it to the audit log.

`casemate evidence verify FILE --key KEY` checks it on any machine. What the log proves is that this box said this at that time; the
counts behind it are the box's own.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any, Final, Protocol

from appliance.audit import written
from appliance.clock import rfc3339
from appliance.evidence import bind

from .known import Known
from .sheet import Report, csv_of, paper_of

CHECKPOINT: Final = "checkpoint"
README: Final = """A report of a Casemate appliance.

report.pdf is for people; the CSV files hold the same rows. manifest.json holds the SHA-256 of each. Its own SHA-256 is `digest` in an entry of the
appliance's audit log, and manifest.tlog-proof (C2SP tlog-proof) proves that entry under the log's key; checkpoint is the signed note it leads to:

    casemate evidence verify REPORT --key KEY-YOU-WERE-GIVEN
"""


class Record(Protocol):
    """Who puts an act on the audit log."""

    def record(self, who: str, what: str, on: str, outcome: str = ..., **detail: Any) -> Any: ...


def write(out: Path, report: Report, known: Known, recorder: Record, who: str) -> dict[str, Any]:
    """Writes the archive; its manifest. On the audit log before the file is whole. Raises Error `audit_unavailable`, `too_large`."""
    files = {"report.pdf": paper_of(report, written.covered(known.call))}
    files |= {f"{table.name}.csv": csv_of(table) for table in report.tables} | dict(report.more)
    rows = {f"{table.name}.csv": len(table.rows) for table in report.tables}
    manifest: dict[str, Any] = {
        "report": report.name, "title": report.title, "made_at": rfc3339(known.now_ms), "by": who,
        "from": rfc3339(report.from_ms), "to": rfc3339(report.to_ms),
        "files": {
            name: {"sha256": hashlib.sha256(octets).hexdigest()} | ({"rows": rows[name]} if name in rows else {})
            for name, octets in files.items()
        },
    }  # fmt: skip
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
        proof = bind(archive, manifest, known, recorder, who, "report.made", f"report:{report.name}")
        archive.writestr(CHECKPOINT, checkpoint_of(proof))
        archive.writestr("README.txt", README)
    return manifest


def checkpoint_of(proof: str) -> str:
    """The signed note at the end of a `.tlog-proof` (C2SP tlog-proof): what follows its first empty line."""
    return proof.partition("\n\n")[2]
