"""Reading the log for people: pages, proofs, a full check, an export. Never writes to the log, and stands aside of the writers."""

from __future__ import annotations

import contextlib
import pwd
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.errors import Error

from . import cosign as cosign_file
from . import verify as verifier_file
from .journal import Journal, Sought
from .note import Checkpoint, proof_text
from .shelf import CHECKPOINT, VERIFIER, Shelf
from .tree import ENTRIES, WIDTH, Tile, bundle, inclusion_proof, nodes, tiles
from .witness import COSIGNED, Witnesses

README: Final = """This folder is the audit log of {origin} up to entry {last}, as its checkpoint of {size} entries signed it.

  checkpoint      what was signed: name of the log, number of entries, root of the tree, signature (C2SP tlog-checkpoint)
  tile/           the entries and the hashes of the tree (C2SP tlog-tiles, RFC 6962)
  verifier.vkey   the public key. Compare it with the one you were given when the appliance was installed:
                  {vkey}
  cosigned/       checkpoints that a witness cosigned, by number of entries (C2SP tlog-cosignature)
  witnesses.vkeys keys of the witnesses, as the appliance knows them: compare them with those that the witnesses gave you
  cosign.py       the program of a witness
  verify.py       the check: reads this folder, needs Python 3.11 and the `cryptography` package, no network

On a machine of your own:  python verify.py . --key KEY-YOU-WERE-GIVEN
With a checkpoint you kept:  python verify.py . --key KEY-YOU-WERE-GIVEN --old CHECKPOINT-YOU-KEPT
With a witness's key:        python verify.py . --key KEY-YOU-WERE-GIVEN --witness KEY-OF-THE-WITNESS

Keep a copy of `checkpoint` away from the appliance. The next export must agree with it: that is what shows that nothing
was rewritten in between. Other programs read this folder too, for example Go's golang.org/x/mod/sumdb/tlog.
"""


class Reading:
    """Everything slow or curious, in a thread of its own."""

    def __init__(self, journal: Journal, shelf: Shelf, witnesses: Witnesses | None = None) -> None:
        self.journal = journal
        self.shelf = shelf
        self.witnesses = witnesses or Witnesses(shelf, [])

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
        report = verifier_file.verify(self.shelf.folder, note=note, witnesses=self.witnesses.vkeys)
        if report.ok:
            with contextlib.closing(_compare(self.journal, self.shelf, report.size)) as differences:
                for problem in differences:
                    report.add(problem.code, problem.place, problem.text)
        return asdict(report)

    def check_target(self, path: str) -> None:
        """Raises Error `file_invalid` when an export cannot begin there: it never mixes with files that are there already."""
        target = Path(path)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise Error("file_invalid", "the folder for the export is not empty", "name a new one")

    def export(self, path: str, checkpoint: Checkpoint, note: str) -> int:
        """Writes the log as of `checkpoint` to a new folder; returns the number of files.

        Raises Error `file_invalid` (folder not empty, not writable), `audit_invalid` (a tile is missing).
        """
        self.check_target(path)
        target = Path(path)
        try:
            target.mkdir(parents=True, exist_ok=True, mode=0o755)
            out = Shelf(target)
            count = 0
            for tile in tiles(checkpoint.size):
                out.put(tile, self._bundle(tile) if tile.level == ENTRIES else self.shelf.read(tile))
                count += 1
            vkey = self.shelf.text(VERIFIER) or ""
            readme = README.format(
                origin=checkpoint.origin, last=checkpoint.size - 1, size=checkpoint.size, vkey=vkey.strip()
            )
            out.write(target / VERIFIER, vkey.encode())
            out.write(target / "README.txt", readme.encode())
            out.write(target / "verify.py", Path(verifier_file.__file__).read_bytes())
            out.write(target / "cosign.py", Path(cosign_file.__file__).read_bytes())
            for kept in self.witnesses.notes():
                if int(kept.name) <= checkpoint.size:
                    out.write(target / COSIGNED / kept.name, kept.read_bytes())
                    count += 1
            if self.witnesses.vkeys:
                out.write(target / "witnesses.vkeys", "".join(f"{v}\n" for v in self.witnesses.vkeys).encode())
                count += 1
            out.write(target / CHECKPOINT, note.encode())
            out.sync()
            for file in target.rglob("*"):  # the officer is somebody else
                file.chmod(0o755 if file.is_dir() else 0o644)
        except OSError as e:
            raise Error("file_invalid", f"the export cannot be written: {e.strerror}", "name another folder") from None
        return count + 5

    def _bundle(self, tile: Tile) -> bytes:
        """A bundle's file as it is; the beginning of the full one when the partial one is gone; else from the store."""
        full = tile._replace(width=WIDTH)
        for path in dict.fromkeys((tile.path(), full.path())):
            with contextlib.suppress(FileNotFoundError):
                data = (self.shelf.folder / path).read_bytes()
                return data if path == tile.path() else _beginning(data, tile.width)
        first = tile.number * WIDTH
        return bundle(self.journal.entries(first, first + tile.width))


def _beginning(data: bytes, count: int) -> bytes:
    """The first `count` entries of a bundle."""
    at = 0
    for _ in range(count):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return data[:at]


def _compare(journal: Journal, shelf: Shelf, size: int) -> Any:
    """A Problem for each entry that the store holds otherwise than the log."""
    for number in range(-(-size // WIDTH)):
        first = number * WIDTH
        width = min(WIDTH, size - first)
        try:
            held = list(journal.entries(first, first + width))
        except Error as e:
            yield verifier_file.Problem(
                "store", f"audit.db entry {e.detail.get('place', first)}", "missing from the store"
            )
            continue
        tile = Tile(ENTRIES, number, width)
        for place, (ours, theirs) in enumerate(
            zip(held, verifier_file.entries_of(shelf.folder, tile.number, tile.width), strict=False), first
        ):
            if ours != theirs:
                yield verifier_file.Problem("store", f"audit.db entry {place}", "differs from the signed log")


def cli_name(uid: int) -> str:
    """`cli:USER` for who is at the other end of a socket."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid-{uid}"
    return f"cli:{name}"
