"""Witnesses of the log: what they are asked, what they answered, and until where they vouch for it (C2SP tlog-witness, tlog-cosignature).

A witness is a compliance officer with a key of their own, whose line stands in the setting `audit.witnesses`. What they
cosigned is kept beside the tiles, a file a checkpoint, and goes into every export.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.limits import COSIGNED_OCTETS_MAX

from . import verify as verifier_file
from .note import Checkpoint, Verifier, open_checkpoint
from .pruning import MINIMUM
from .shelf import Shelf
from .tree import consistency_proof, node_hash, nodes

COSIGNED: Final = "cosigned"  # folder, beside `tile`


class Vouched(NamedTuple):
    """The newest checkpoint that a witness cosigned."""

    size: int
    at: str  # RFC 3339, by the witness's clock
    name: str


def check_witnesses(vkeys: list[str]) -> list[str]:
    """The lines, if each is the key of a witness. Raises Error `settings_invalid`."""
    for vkey in vkeys:
        try:
            verifier_file.read_key(vkey, verifier_file.WITNESS, verifier_file.ML_DSA)
        except ValueError as e:
            raise Error(
                "settings_invalid", f"`audit.witnesses`: {e}", "take the line that `casemate audit cosign new` prints"
            ) from None
    return vkeys


class Witnesses:
    """What witnesses of one log said, in the folder of the log. For the auditor's reading thread."""

    def __init__(self, folder: Path, vkeys: list[str]) -> None:
        self._shelf = shelf = Shelf(folder)  # its own: the publisher's drafts are of another thread
        self.vkeys = vkeys
        self.folder = shelf.folder / COSIGNED

    def notes(self) -> list[Path]:
        """Cosigned checkpoints, oldest first."""
        return sorted(self.folder.glob("[0-9]*"))

    def vouched(self) -> Vouched | None:
        """Until where the log is cosigned by a witness that the settings name; None when it is not."""
        for path in reversed(self.notes()):
            text = path.read_text(encoding="utf-8", errors="replace")
            for vkey in self.vkeys:
                try:
                    at = verifier_file.cosigned(text, vkey)
                except ValueError:
                    continue
                if at:
                    return Vouched(int(path.name), at, vkey.partition("+")[0])
        return None

    def request(self, old: int | None, checkpoint: Checkpoint, note: str) -> str:
        """The body of tlog-witness's add-checkpoint: from `old` entries, else from what was cosigned last, to `checkpoint`.

        Raises Error `invalid` when there are fewer entries than `old`.
        """
        vouched = self.vouched()
        size = old if old is not None else (vouched.size if vouched else 0)
        if not 0 <= size <= checkpoint.size:
            raise Error(
                "invalid", f"the log has {checkpoint.size} entries, not {size}", "see the witness's own records"
            )
        minimum = int((self._shelf.text(MINIMUM) or "0").strip())
        if 0 < size < minimum:
            raise Error("invalid", f"the entries before {minimum} were pruned: no proof from {size} on can be made", "")
        proof = consistency_proof(size, checkpoint.size, nodes(checkpoint.size, self._shelf.read))
        lines = [f"old {size}", *(base64.b64encode(h).decode() for h in proof), "", note]
        return "\n".join(lines)

    def take(self, text: str, log: Verifier, newest: Checkpoint, often: bool = False) -> Vouched:
        """Keeps a checkpoint that came back cosigned; of those that come `often`, one a day. Raises Error `invalid` with what is wrong with it."""
        if len(text.encode()) > COSIGNED_OCTETS_MAX:
            raise Error("too_large", "that is no cosigned checkpoint: it is too large", most=COSIGNED_OCTETS_MAX)
        try:
            checkpoint = open_checkpoint(text, log)
        except Error as e:
            raise Error("invalid", f"that is no checkpoint of this log: {e.message}") from None
        if (
            checkpoint.origin != newest.origin
            or checkpoint.size > newest.size
            or self._root(checkpoint, newest) is False
        ):
            raise Error(
                "audit_invalid",
                f"the checkpoint of {checkpoint.size} entries is signed by this log's key, and this log does not begin with it",
                "keep both as evidence: the log was rewritten, or its key was used elsewhere",
            )
        said: list[Vouched] = []
        for vkey in self.vkeys:
            try:
                at = verifier_file.cosigned(text, vkey)
            except ValueError as e:
                raise Error("invalid", str(e)) from None
            if at:
                said.append(Vouched(checkpoint.size, at, vkey.partition("+")[0]))
        if not said:
            raise Error("invalid", "it carries no cosignature of a witness", "the setting audit.witnesses names them")
        self._keep(checkpoint, text)
        if often:
            self._thin()
        return max(said)

    def _root(self, checkpoint: Checkpoint, newest: Checkpoint) -> bool:
        """Whether the log begins with `checkpoint`: its root from the tiles of the newest one."""
        node = nodes(newest.size, self._shelf.read)
        root, low = b"", 0
        peaks = []
        for height in range(checkpoint.size.bit_length() - 1, -1, -1):
            if checkpoint.size >> height & 1:
                peaks.append(node(height, low >> height))
                low += 1 << height
        for peak in reversed(peaks):
            root = node_hash(peak, root) if root else peak
        return (root or hashlib.sha256().digest()) == checkpoint.root

    def _keep(self, checkpoint: Checkpoint, text: str) -> None:
        """One file a size; signatures of several witnesses of one checkpoint are put together."""
        path = self.folder / f"{checkpoint.size:020d}"
        head, _, lines = text.rpartition("\n\n")
        kept = path.read_text(encoding="utf-8").rpartition("\n\n")[2] if path.exists() else ""
        both = "".join(dict.fromkeys((kept + lines).splitlines(True)))
        self._shelf.write(path, f"{head}\n\n{both}".encode())
        self._shelf.sync()

    def _thin(self) -> None:
        """Of each day and the same witnesses only the newest stays: a later cosignature says all that an earlier one did.

        The first and the last are always kept; a witness on the network may answer every few seconds for years.
        """
        notes = self.notes()
        if len(notes) < 3:
            return
        before, last = notes[-2], notes[-1]
        if self._said(before) == self._said(last):
            before.unlink(missing_ok=True)

    def _said(self, path: Path) -> tuple[str, set[str]] | None:
        """The day, and who cosigned; None when nobody did whom the settings name."""
        text, days, names = path.read_text(encoding="utf-8", errors="replace"), set[str](), set[str]()
        for vkey in self.vkeys:
            try:
                at = verifier_file.cosigned(text, vkey)
            except ValueError:
                continue
            if at:
                days.add(at[:10])
                names.add(vkey)
        return (max(days), names) if days else None


def as_state(vouched: Vouched | None, size: int, witnesses: int) -> dict[str, Any]:
    """For status and console."""
    return {
        "witnesses": witnesses,
        "cosigned_size": vouched.size if vouched else 0,
        "cosigned_at": vouched.at if vouched else "",
        "cosigned_by": vouched.name if vouched else "",
        "unwitnessed": size - (vouched.size if vouched else 0),
    }
