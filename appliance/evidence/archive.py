"""One archive for a compliance officer: what the rules decided in a span of time, or about one number, provable without the box.

The manifest holds the SHA-256 of every file; the manifest's own stands in the audit log, and the proof of that entry lies beside it. So
whoever trusts the log's key trusts the archive. It holds no telephone number and no text: a number is its blind index.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from appliance.clock import rfc3339
from appliance.consent import ALL_NAME, Book
from appliance.errors import Error
from appliance.message import CLASSES, STATUSES, id_text
from appliance.router import Bookshelf, RouteShelf
from appliance.senders import SenderBook
from appliance.settings import Settings
from appliance.store import Reader
from appliance.templates import TemplateBook

from .book import EvidenceBook

#: Rows of a file at most; one that has more says `more` in the manifest.
ROWS_MAX: Final = {"messages.csv": 10_000}
MANIFEST: Final = "manifest.json"
PROOF: Final = "manifest.tlog-proof"
KEY: Final = "verifier.vkey"
ENTRIES_LOOKED: Final = 50
#: Events whose `digest` is a manifest's.
BOUND_BY: Final = frozenset({"evidence.exported", "report.made"})
README: Final = """What a Casemate appliance decided, and by which rules.

manifest.json holds the SHA-256 of every other file. Its own SHA-256 is `digest` in an entry of the appliance's audit log, and
manifest.tlog-proof (C2SP tlog-proof) proves that entry under the log's key:

    casemate evidence verify ARCHIVE --key KEY-YOU-WERE-GIVEN

`subject` is a telephone number's blind index, the same in all files of one appliance; who may look numbers up there can name it.
"""

Row = dict[str, Any]


class Auditor(Protocol):
    """The auditor process."""

    def call(self, op: str, payload: Any) -> Any: ...


class Record(Protocol):
    """The part of `appliance.audit.BlockingRecorder` that is used."""

    def record(self, who: str, what: str, on: str, outcome: str = ..., **detail: Any) -> Any: ...


def tables(settings: Settings, from_ms: int, to_ms: int, subject: bytes | None) -> Iterator[tuple[str, Iterator[Row]]]:
    """(name of the file, its rows), each read when its turn comes."""
    yield "consent.csv", _consent(settings, from_ms, to_ms, subject)
    if subject is not None:
        yield "messages.csv", _messages(settings, from_ms, to_ms, subject)
        return
    yield "senders.csv", _senders(settings, from_ms, to_ms)
    yield "refusals.csv", _refusals(settings, from_ms, to_ms)
    yield "policies.csv", _policies(settings, from_ms, to_ms)
    yield "routes.csv", _routes(settings)
    yield "ported.csv", _ported(settings)
    yield "templates.csv", _templates(settings)


def _consent(settings: Settings, from_ms: int, to_ms: int, subject: bytes | None) -> Iterator[Row]:
    book = Book(settings.home / "consent.db")
    try:
        for d in book.decided_between(from_ms, to_ms, subject):
            yield {
                "n": d.n, "at": rfc3339(d.at_ms), "subject": d.subject.hex(), "programme": d.programme or ALL_NAME, "action": d.action,
                "source": d.source, "word": d.word, "message": id_text(d.evidence) if d.evidence else "", "who": d.who,
            }  # fmt: skip
    finally:
        book.close()


def _messages(settings: Settings, from_ms: int, to_ms: int, subject: bytes) -> Iterator[Row]:
    """By the `basis` a message's rulings are worked out: `GET /v1/messages/{id}` shows them."""
    reader, cursor = Reader(settings.store), None
    try:
        while True:
            page, cursor = reader.search(number_index=subject, from_ms=from_ms, to_ms=to_ms, limit=200, cursor=cursor)
            for brief in page:
                found = reader.message(brief.id) or brief
                yield {
                    "id": id_text(found.id), "accepted_at": rfc3339(found.accepted_ms), "class": CLASSES[found.class_],
                    "sender": found.sender, "status": STATUSES[found.status], "error": found.error or "", "basis": found.basis,
                }  # fmt: skip
            if cursor is None:
                return
    finally:
        reader.close()


def _senders(settings: Settings, from_ms: int, to_ms: int) -> Iterator[Row]:
    book = SenderBook(settings)
    try:
        for registration in book.all():
            for act in book.acts(registration.id):
                if from_ms <= act.at_ms < to_ms:
                    yield {
                        "at": rfc3339(act.at_ms), "registration": registration.id, "sender": registration.sender,
                        "country": registration.country, "kind": registration.kind, "state": act.state,
                        "valid_from": rfc3339(act.valid_from_ms) if act.valid_from_ms else "",
                        "expires": rfc3339(act.expires_ms) if act.expires_ms else "", "evidence": act.details.evidence, "who": act.who,
                    }  # fmt: skip
    finally:
        book.close()


def _refusals(settings: Settings, from_ms: int, to_ms: int) -> Iterator[Row]:
    book = EvidenceBook(settings)
    try:
        for r in book.refusals(from_ms, to_ms):
            yield {
                "hour": rfc3339(r.hour_ms),
                "process": r.process,
                "code": r.code,
                "rule": r.rule,
                "messages": r.times,
            }
    finally:
        book.close()


def _policies(settings: Settings, from_ms: int, to_ms: int) -> Iterator[Row]:
    book = EvidenceBook(settings)
    try:
        known = {policy.digest: policy.text for policy in book.policies()}
        for row in book.in_force(from_ms, to_ms):
            yield {
                "since": rfc3339(row.at_ms),
                "process": row.process,
                "digest": row.digest,
                "policy": known[row.digest],
            }
    finally:
        book.close()


def _routes(settings: Settings) -> Iterator[Row]:
    shelf = RouteShelf(settings)
    for heading in shelf.versions():
        yield {"version": heading.version, "digest": heading.digest, "at": rfc3339(heading.at_ms), "who": heading.who}


def _ported(settings: Settings) -> Iterator[Row]:
    """Books of ported numbers that are in use, and those that were before."""
    shelf = Bookshelf(settings.home).in_use()
    known = {(name, kept.version): kept for books in (*shelf.before, shelf.books) for name, kept in books.items()}
    for (name, number), kept in sorted(known.items()):
        yield {
            "book": name, "version": number, "digest": kept.digest, "numbers": kept.rows, "at": rfc3339(kept.at_ms), "who": kept.who,
            "in_use": int(name in shelf.books and shelf.books[name].version == number),
        }  # fmt: skip


def _templates(settings: Settings) -> Iterator[Row]:
    book = TemplateBook(settings)
    try:
        for name in sorted({saved.name for saved in book.all(limit=1 << 30)}):
            for saved in book.versions(name):
                yield {"name": name, "version": saved.version, "digest": saved.digest, "at": rfc3339(saved.saved_ms), "who": saved.who}  # fmt: skip
    finally:
        book.close()


def write(
    out: Path, settings: Settings, auditor: Auditor, recorder: Record, who: str, from_ms: int, to_ms: int,
    subject: bytes | None, at_ms: int, progress: Callable[[str, int], None],
) -> dict[str, Any]:  # fmt: skip
    """Writes the archive; its manifest. On the audit log before the file is whole. Raises Error `audit_unavailable`, `file_invalid`."""
    manifest: dict[str, Any] = {
        "made_at": rfc3339(at_ms), "by": who, "from": rfc3339(from_ms), "to": rfc3339(to_ms),
        "subject": subject.hex() if subject is not None else None, "files": {},
    }  # fmt: skip
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in tables(settings, from_ms, to_ms, subject):
            manifest["files"][name] = _written(archive, name, rows, progress)
        bind(archive, manifest, auditor, recorder, who, "evidence.exported", "evidence:archive")
        archive.writestr("README.txt", README)
    return manifest


def bind(
    archive: zipfile.ZipFile, manifest: dict[str, Any], auditor: Auditor, recorder: Record, who: str, what: str, on: str
) -> str:
    """Puts the manifest in, on the audit log, and beside it the entry's proof and the log's key; the text of the proof. Raises Error `audit_unavailable`."""
    octets = json.dumps(manifest, indent=1, sort_keys=True).encode()
    archive.writestr(MANIFEST, octets)
    digest = hashlib.sha256(octets).hexdigest()
    recorder.record(who, what, on, "ok", digest=digest)
    proof = _proof(auditor, what, digest)
    archive.writestr(PROOF, proof)
    archive.writestr(KEY, str(auditor.call("state", {})["vkey"]) + "\n")
    return proof


def _written(
    archive: zipfile.ZipFile, name: str, rows: Iterable[Row], progress: Callable[[str, int], None]
) -> dict[str, Any]:
    """One CSV, streamed; its digest, its number of rows, and whether there were more."""
    digest, count, more = hashlib.sha256(), 0, False
    most = ROWS_MAX.get(name)
    with archive.open(name, "w") as raw:

        def put(line: str) -> None:
            octets = line.encode()
            digest.update(octets)
            raw.write(octets)

        for row in rows:
            if count == most:
                more = True
                break
            text = io.StringIO()
            writer = csv.writer(text)
            if not count:
                writer.writerow(row.keys())
            writer.writerow(row.values())
            put(text.getvalue())
            count += 1
            if count % 50_000 == 0:
                progress(name, count)
    progress(name, count)
    return {"sha256": digest.hexdigest(), "rows": count} | ({"more": True} if more else {})


def _proof(auditor: Auditor, what: str, digest: str) -> str:
    """The `.tlog-proof` of the entry that has this digest."""
    asked = {"limit": ENTRIES_LOOKED, "before": None, "what": what, "who": None}
    for found in auditor.call("entries", asked)["entries"]:
        if found["entry"]["detail"].get("digest") == digest:
            return str(auditor.call("proof", {"index": found["index"]})["tlog_proof"])
    raise Error("audit_unavailable", "the entry about this archive is not in the audit log", "try again in a moment")


def checked(path: Path) -> tuple[dict[str, Any], str, list[str]]:
    """(manifest, text of the proof, what is wrong) of an archive, without its signature. Raises Error `file_invalid`."""
    try:
        with zipfile.ZipFile(path) as archive:
            octets = archive.read(MANIFEST)
            manifest, proof = json.loads(octets), archive.read(PROOF).decode()
            wrong = []
            for name, said in manifest["files"].items():
                digest = hashlib.sha256()
                with archive.open(name) as raw:
                    while piece := raw.read(1 << 20):
                        digest.update(piece)
                if digest.hexdigest() != said["sha256"]:
                    wrong.append(f"{name} is not what the manifest says")
    except (OSError, KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as e:
        raise Error("file_invalid", f"{path.name} is no archive of evidence: {type(e).__name__}") from None
    entry = _entry(proof)
    if entry.get("what") not in BOUND_BY or entry.get("detail", {}).get("digest") != hashlib.sha256(octets).hexdigest():
        wrong.append("the entry of the audit log is not about this manifest")
    return manifest, proof, wrong


def _entry(proof: str) -> dict[str, Any]:
    """The entry that a proof carries in its `extra` line."""
    for line in proof.splitlines():
        if line.startswith("extra "):
            try:
                found = json.loads(b64decode(line.removeprefix("extra ")))
            except ValueError:
                return {}
            return found if isinstance(found, dict) else {}
    return {}
