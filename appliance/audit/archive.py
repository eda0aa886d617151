"""An export as one file: a tar that can be spelt in one way only, with a manifest of digests that the log's key signs.

The manifest is that of sha256sum(1). What is signed is a note of its own kind (C2SP signed-note): its first line keeps it
from ever being taken for a checkpoint.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Final

from appliance.errors import Error

from .note import Checkpoint, Verifier, signature_line
from .verify import MANIFEST, SIGNED

FOLDER: Final = "casemate-audit"
KIND: Final = "casemate audit export v1"


class Archive:
    """Takes files one by one, then the signature. Nothing is at `path` before `seal`; whatever ends it earlier, `drop` it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = 0
        self._draft = path.with_name(f".{path.name}.new")
        self._listed: list[str] = []
        try:
            self._file = open(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644), "wb")  # noqa: SIM115  # `seal` and `drop` close it
        except OSError as e:
            raise _unwritable(e) from None
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def add(self, name: str, content: bytes) -> None:
        """Raises Error `file_invalid` when the disk is full."""
        member = tarfile.TarInfo(f"{FOLDER}/{name}")  # no time, no owner: the same log gives the same octets
        member.size = len(content)
        try:
            self._tar.addfile(member, io.BytesIO(content))
        except OSError as e:
            raise _unwritable(e) from None
        self.files += 1
        if name not in (MANIFEST, SIGNED):
            self._listed.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")

    def manifest(self) -> bytes:
        return "".join(self._listed).encode()

    def statement(self, checkpoint: Checkpoint) -> bytes:
        """What the log's key is to sign."""
        digest = hashlib.sha256(self.manifest()).hexdigest()
        return f"{KIND}\n{checkpoint.origin}\n{checkpoint.size}\n{digest}\n".encode()

    def seal(self, statement: bytes, verifier: Verifier, signature: bytes) -> None:
        """Adds manifest and signature; then the file is there, durably."""
        self.add(MANIFEST, self.manifest())
        self.add(SIGNED, statement + b"\n" + signature_line(verifier, signature).encode())
        try:
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._draft.chmod(0o644)  # the officer is somebody else
            self._draft.rename(self.path)
        except OSError as e:
            raise _unwritable(e) from None

    def drop(self) -> None:
        """Leaves nothing, unless it was sealed."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._draft.unlink(missing_ok=True)


def _unwritable(e: OSError) -> Error:
    return Error("file_invalid", f"the export cannot be written: {e.strerror}", "name another place")
