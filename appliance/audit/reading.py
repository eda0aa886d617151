"""Reading the log for people: pages, proofs, a full check, an export. Never writes to the log, and stands aside of the writers."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.errors import Error
from appliance.limits import AUDIT_PROOFS_MAX

from . import cosign as cosign_file
from . import verify as verifier_file
from .archive import Archive
from .journal import Journal, Sought
from .note import Checkpoint, proof_text
from .pruning import MINIMUM, kept
from .reports import ENTRY_COLUMNS, as_csv, entry_line
from .shelf import CHECKPOINT, VERIFIER, Shelf
from .tree import ENTRIES, HASH, WIDTH, Tile, bundle, inclusion_proof, nodes, tiles
from .witness import COSIGNED, Witnesses

README: Final = """This is the audit log of {origin} up to entry {last}, as its checkpoint of {size} entries signed it.

  checkpoint      what was signed: name of the log, number of entries, root of the tree, signature (C2SP tlog-checkpoint)
  tile/           the entries and the hashes of the tree (C2SP tlog-tiles, RFC 6962)
  verifier.vkey   the public key. Compare it with the one you were given when the appliance was installed:
                  {vkey}
  proofs/         proofs that one entry, by its number, is in the log (C2SP tlog-proof); the entry itself is in the proof
  entries.csv     those entries, for people (RFC 4180)
  cosigned/       checkpoints that a witness cosigned, by number of entries (C2SP tlog-cosignature)
  witnesses.vkeys keys of the witnesses, as the appliance knows them: compare them with those that the witnesses gave you
  minimum         number of the first entry that is still there, when older ones reached the end of their retention
  manifest.sha256 in an archive: digest of every other file, as sha256sum -c reads it
  manifest.note   in an archive: the log's signature on the manifest
  cosign.py       the program of a witness
  verify.py       the check: reads this folder, or the archive as it is; needs Python 3.11 and `cryptography`, no network

On a machine of your own:    python verify.py PATH --key KEY-YOU-WERE-GIVEN
With a checkpoint you kept:  python verify.py PATH --key KEY-YOU-WERE-GIVEN --old CHECKPOINT-YOU-KEPT
With a witness's key:        python verify.py PATH --key KEY-YOU-WERE-GIVEN --witness KEY-OF-THE-WITNESS

PATH is the archive, or the folder. Take verify.py from an export that you trust, or from your own copy: one that somebody
sends along with an archive says what its sender wants. An archive of chosen entries has proofs/ and no tile/.

Keep a copy of `checkpoint` away from the appliance. The next export must agree with it: that is what shows that nothing
was rewritten in between. Other programs read this folder too, for example Go's golang.org/x/mod/sumdb/tlog.
"""


class Reading:
    """Everything slow or curious, in a thread of its own."""

    def __init__(self, journal: Journal, shelf: Shelf, witnesses: Witnesses | None = None) -> None:
        self.journal = journal
        self.shelf = shelf
        self.witnesses = witnesses or Witnesses(shelf.folder, [])

    def page(self, before: int | None, limit: int, sought: Sought) -> list[dict[str, Any]]:
        return [
            {"index": place, "entry": msgspec.json.decode(text)}
            for place, text in self.journal.page(before, limit, sought)
        ]

    def proof(self, index: int, checkpoint: Checkpoint, note: str) -> str:
        """A `.tlog-proof` of one entry, with the entry in its `extra` line."""
        entry = next(self.journal.entries(index, index + 1))
        node = nodes(checkpoint.size, self.shelf.read)
        return proof_text(index, inclusion_proof(index, checkpoint.size, node), note, entry)

    def verify(self, note: str) -> dict[str, Any]:
        """The whole log against its checkpoint, and the audit store against the log."""
        log = Live(self.shelf.folder, note)
        report = verifier_file.verify(log, witnesses=self.witnesses.vkeys)
        if report.ok:
            with contextlib.closing(_compare(self.journal, log, report.size)) as differences:
                for problem in differences:
                    report.add("store", *problem)
        return {**vars(report), "problems": [vars(problem) for problem in report.problems]}

    def check_target(self, path: str, archive: bool = False) -> None:
        """Raises Error `file_invalid` when an export cannot begin there: it never mixes with files that are there already."""
        target = Path(path)
        if archive and (target.exists() or not target.parent.is_dir()):
            raise Error("file_invalid", "the archive's file is there already, or its folder is not", "name a new one")
        if not archive and target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise Error("file_invalid", "the folder for the export is not empty", "name a new one")

    def export(self, path: str, checkpoint: Checkpoint, note: str) -> int:
        """Writes the log as of `checkpoint` to a new folder; returns the number of files.

        Raises Error `file_invalid` (folder not empty, not writable), `audit_invalid` (a tile is missing).
        """
        self.check_target(path)
        target, count = Path(path), 0
        try:
            target.mkdir(parents=True, exist_ok=True, mode=0o755)
            out = Shelf(target)
            for name, content in chain(self._tiles(checkpoint), self._rest(checkpoint, note)):
                out.put_file(target / name, content)
                count += 1
            out.sync()
            for file in (
                target,
                *target.rglob("*"),
            ):  # the officer is somebody else; who carries it away removes it, in the same group
                file.chmod(0o775 if file.is_dir() else 0o644)
        except OSError as e:
            raise Error("file_invalid", f"the export cannot be written: {e.strerror}", "name another folder") from None
        return count

    def archive(self, path: str, checkpoint: Checkpoint, note: str, sought: Sought | None) -> Archive:
        """An archive of the log as of `checkpoint`, or of the entries `sought`, with everything but the manifest's signature.

        Raises Error `file_invalid`, `audit_invalid`, `not_found` (no such entry), `too_large` (too many of them).
        """
        self.check_target(path, archive=True)
        chosen = None if sought is None else self._chosen(sought, checkpoint.size)
        archive = Archive(Path(path))
        try:
            files = self._tiles(checkpoint) if chosen is None else self._proven(chosen, checkpoint, note)
            for name, content in chain(files, self._rest(checkpoint, note)):
                archive.add(name, content)
        except BaseException:
            archive.drop()
            raise
        return archive

    def csv(self, path: str, size: int, sought: Sought) -> int:
        """The entries `sought` of the first `size` as CSV, oldest first, in a new file. Raises Error `file_invalid`."""
        self.check_target(path, archive=True)
        target = Path(path)
        try:
            with open(target, "x", encoding="utf-8", newline="") as out:
                write = csv.writer(out).writerow  # RFC 4180
                write(ENTRY_COLUMNS)
                for index, text in self.journal.found(size, sought):
                    write(entry_line(index, msgspec.json.decode(text)))
                out.flush()
                os.fsync(out.fileno())
            target.chmod(0o644)
        except OSError as e:
            raise Error("file_invalid", f"the export cannot be written: {e.strerror}", "name another place") from None
        return 1

    def _chosen(self, sought: Sought, size: int) -> list[tuple[int, str]]:
        """The entries, oldest first."""
        found = self.journal.page(size, AUDIT_PROOFS_MAX + 1, sought)[::-1]
        if len(found) > AUDIT_PROOFS_MAX:
            raise Error(
                "too_large",
                f"more than {AUDIT_PROOFS_MAX} entries are sought",
                "narrow the time, or export the whole log",
            )
        if not found:
            raise Error("not_found", "there is no such entry", "see `casemate audit entries`")
        return found

    def _tiles(self, checkpoint: Checkpoint) -> Iterator[tuple[str, bytes]]:
        minimum = self.journal.first()
        for tile in tiles(checkpoint.size):
            if kept(tile, minimum):
                yield tile.path(), self._bundle(tile) if tile.level == ENTRIES else self.shelf.read(tile)
        if minimum:
            yield MINIMUM, f"{minimum}\n".encode()

    def _proven(self, chosen: list[tuple[int, str]], checkpoint: Checkpoint, note: str) -> Iterator[tuple[str, bytes]]:
        lines = []
        for index, text in chosen:
            yield f"proofs/{index}.tlog-proof", self.proof(index, checkpoint, note).encode()
            lines.append(entry_line(index, msgspec.json.decode(text)))
        yield "entries.csv", as_csv(ENTRY_COLUMNS, lines).encode()

    def _rest(self, checkpoint: Checkpoint, note: str) -> Iterator[tuple[str, bytes]]:
        """What is in every export; the checkpoint last."""
        vkey = self.shelf.text(VERIFIER) or ""
        said = {"origin": checkpoint.origin, "last": checkpoint.size - 1, "size": checkpoint.size}
        yield "README.txt", README.format(vkey=vkey.strip(), **said).encode()
        yield "verify.py", Path(verifier_file.__file__).read_bytes()
        yield "cosign.py", Path(cosign_file.__file__).read_bytes()
        for cosigned in self.witnesses.notes():
            if int(cosigned.name) <= checkpoint.size:
                yield f"{COSIGNED}/{cosigned.name}", cosigned.read_bytes()
        if self.witnesses.vkeys:
            yield "witnesses.vkeys", "".join(f"{v}\n" for v in self.witnesses.vkeys).encode()
        yield VERIFIER, vkey.encode()
        yield CHECKPOINT, note.encode()

    def _bundle(self, tile: Tile) -> bytes:
        """A bundle's file as it is; the beginning of the full one when the partial one is gone; else from the store."""
        full = tile._replace(width=WIDTH)
        for path in dict.fromkeys((tile.path(), full.path())):
            with contextlib.suppress(FileNotFoundError):
                data = (self.shelf.folder / path).read_bytes()
                return data if path == tile.path() else _beginning(data, tile.width)
        first = tile.number * WIDTH
        return bundle(self.journal.entries(first, first + tile.width))


class Live(verifier_file.Export):
    """The log's own folder, which grows meanwhile: as of `note`, with full tiles where partial ones went (tlog-tiles, partial tiles)."""

    def __init__(self, folder: Path, note: str) -> None:
        super().__init__(folder)
        self.note = note

    def read(self, name: str) -> bytes:
        if name == CHECKPOINT:
            return self.note.encode()
        with contextlib.suppress(ValueError, FileNotFoundError):
            return super().read(name)
        full, partial, width = name.rpartition(".p/")
        if not partial:
            raise ValueError(f"{name}: is missing")
        data = super().read(full)
        return _beginning(data, int(width)) if name.startswith("tile/entries/") else data[: int(width) * HASH]


def _beginning(data: bytes, count: int) -> bytes:
    """The first `count` entries of a bundle."""
    at = 0
    for _ in range(count):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return data[:at]


def _compare(journal: Journal, log: Live, size: int) -> Generator[tuple[str, str], None, None]:
    """Place and text for each entry that the store holds otherwise than the log."""
    for first in range(journal.first(), size, WIDTH):
        width = min(WIDTH, size - first)
        try:
            held = list(journal.entries(first, first + width))
        except Error as e:
            yield f"audit.db entry {e.detail.get('place', first)}", "missing from the store"
            continue
        for place, (ours, theirs) in enumerate(zip(held, log.entries(first // WIDTH, width), strict=False), first):
            if ours != theirs:
                yield f"audit.db entry {place}", "differs from the signed log"
