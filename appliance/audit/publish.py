"""From the journal to the shelf: grows the tree over new entries, writes their tiles, and puts a signed checkpoint on top.

Tiles are durable before the checkpoint that covers them. What is here twice (journal and shelf) is compared at start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from appliance.errors import Error

from .journal import Journal
from .note import Checkpoint, Verifier, open_checkpoint, parse_vkey, signed
from .pruning import MINIMUM
from .shelf import CHECKPOINT, VERIFIER, Bundles, Shelf
from .tree import HASH, WIDTH, Edge, Tile, leaf_hash, width_at

log = logging.getLogger(__name__)

LOOK_BACK: Final = 65_536  # entries behind the checkpoint that are hashed again at each start: the tiles of two levels


class Publisher:
    """Owns the edge of the tree and the files. For one thread; `journal` is read only here but for what was said."""

    def __init__(self, journal: Journal, shelf: Shelf, origin: str) -> None:
        self.journal = journal
        self.shelf = shelf
        self.origin = origin
        self.edge = Edge()
        self.verifier: Verifier | None = None
        self.checkpoint: Checkpoint | None = None
        self.note = ""
        self.minimum = 0  # the first entry that was not pruned

    # --- start ---------------------------------------------------------------------------------------------

    def restore(self, size: int, said: dict[str, str | None]) -> None:
        """Takes up where the last run ended. `size`: entries in the journal; `said`: its `vkey`, `checkpoint`, `minimum`.

        Raises Error `audit_invalid` when the entries are not the ones that were signed.
        """
        self.minimum = int(said.get(MINIMUM) or 0)
        vkey = said.get("vkey") or (self.shelf.text(VERIFIER) or "").removesuffix("\n")
        notes = [n for n in dict.fromkeys((said.get("checkpoint"), self.shelf.text(CHECKPOINT))) if n]
        if not vkey:
            if notes:
                raise Error("audit_invalid", "there is a checkpoint and no key to check it with")
            return
        self.verifier = parse_vkey(vkey)
        start = 0
        for note in notes:
            checkpoint = open_checkpoint(note, self.verifier)
            if checkpoint.origin != self.origin:
                raise Error(
                    "audit_invalid",
                    f"the log on disk is that of {checkpoint.origin}, not of {self.origin}",
                    "`audit.origin` cannot change during the life of a log",
                )
            if self.checkpoint is not None and checkpoint.size < self.checkpoint.size:
                continue
            self.checkpoint, self.note = checkpoint, note  # it is genuine: even if the store is not, it can be exported
            if checkpoint.size > size:
                raise Error(
                    "audit_invalid",
                    f"{checkpoint.size} entries were signed and only {size} are in the audit store: entries were removed",
                    "keep the folder as evidence",
                )
            start = self._agree(checkpoint)
        if self.checkpoint is not None:
            self._mend(self.checkpoint.size, start)
            self._set_out()

    def _agree(self, checkpoint: Checkpoint) -> int:
        """The entries of the journal hash to the signed root, or Error `audit_invalid`.

        Sets the edge and returns from where on entries were hashed; below that the tiles, which the root covers, stand for them.
        """
        for start in dict.fromkeys((max(self._anchor(checkpoint.size), self.minimum), self.minimum)):
            try:
                edge = self._edge(start, checkpoint.size)
            except Error as e:
                log.warning("audit: %s; the whole log is hashed again", e.message)
                continue
            for entry in self.journal.entries(start, checkpoint.size):
                edge.append(leaf_hash(entry))
            if edge.root() == checkpoint.root:
                self.edge = edge
                return start
        raise Error(
            "audit_invalid",
            f"the {checkpoint.size} entries in the audit store are not the ones that were signed",
            "keep the folder as evidence; `casemate audit verify` on the log names the entries",
        )

    def _edge(self, start: int, size: int) -> Edge:
        """The edge of the first `start` entries, whole tiles of them, from the tiles of a log of `size`. Raises Error `audit_invalid`."""

        def read(tile: Tile) -> bytes:
            wider = tile._replace(width=width_at(size, tile.level, tile.number))
            return self.shelf.read(wider)[: tile.width * HASH]

        return Edge.of(start, read)

    def _anchor(self, size: int) -> int:
        return size // LOOK_BACK * LOOK_BACK

    def _mend(self, size: int, start: int) -> None:
        """Writes again what of the last tiles is not on the shelf as it should be. The journal was found genuine."""
        mended = self._grow(self._edge(start, size), size, self.shelf.holds)
        if mended:
            log.warning("audit: %d files of the log were written again from the audit store", mended)
        self.shelf.sync()

    def _set_out(self) -> None:
        """The small files, if a crash came between them and the journal."""
        assert self.verifier is not None
        small = [(VERIFIER, self.verifier.vkey() + "\n"), (CHECKPOINT, self.note)]
        if self.minimum:
            small.append((MINIMUM, f"{self.minimum}\n"))
        for name, text in small:
            if text and self.shelf.text(name) != text:
                self.shelf.write(self.shelf.folder / name, text.encode())
        self.shelf.sync()

    # --- running -------------------------------------------------------------------------------------------

    def advance(self, size: int) -> Checkpoint:
        """Writes every tile of a log of `size` and returns what is to be signed. Safe to repeat after a failure."""
        edge = self.edge.copy()
        written = dict(self.edge.partial())
        self._grow(edge, size, lambda tile, data: written.get(tile) == data)
        self.shelf.sync()
        self.edge = edge
        return Checkpoint(self.origin, size, edge.root())

    def prune(self, minimum: int) -> int:
        """The journal has let go of the entries before `minimum`: so does the shelf. Returns how many files went."""
        self.minimum = minimum
        return self.shelf.prune(minimum)

    def note_of(self, checkpoint: Checkpoint, verifier: Verifier, signature: bytes) -> str:
        """The checkpoint as a signed note."""
        return signed(checkpoint, verifier, signature)

    def accept(self, checkpoint: Checkpoint, verifier: Verifier, note: str) -> None:
        """The journal remembers `note`: it becomes the log's checkpoint."""
        self.verifier, self.checkpoint, self.note = verifier, checkpoint, note
        self._set_out()

    def _grow(self, edge: Edge, size: int, there: Callable[[Tile, bytes], bool]) -> int:
        """Appends the journal's entries to `edge` up to `size`, writing tiles that are not `there`; returns how many."""
        written = 0

        def put(tile: Tile, data: bytes) -> None:
            nonlocal written
            if not there(tile, data):
                self.shelf.put(tile, data)
                written += 1

        bundles = Bundles()
        begin = edge.size // WIDTH * WIDTH
        for place, entry in enumerate(self.journal.entries(begin, size), begin):
            full = bundles.add(entry, place)
            if full:
                put(*full)
            if place >= edge.size:
                for tile, data in edge.append(leaf_hash(entry)):
                    put(tile, data)
        begun = bundles.partial(size)
        if begun:
            put(*begun)
        for tile, data in edge.partial():
            put(tile, data)
        return written


def log_folder(home: Path) -> Path:
    """Where the published log of a box is."""
    return home / "audit" / "log"
