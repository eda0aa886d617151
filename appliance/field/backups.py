"""Backups on a stick: made, listed, and unpacked to take the place of what the box holds at its next start."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance import backup
from appliance.backup import staged
from appliance.errors import Error

if TYPE_CHECKING:
    from .hands import Hands

IDENTITY: Final = "identity.txt"
IDENTITY_OCTETS_MAX: Final = 4_096
SPARE_OCTETS: Final = 256 << 20
LISTED_MAX: Final = 8
APART_S_MAX: Final = 3_600
_STATE, _KEYS = f".{backup.STATE}.age", f".{backup.KEYS}.age"


class Backups:
    """Of one box."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands

    @property
    def home(self) -> Path:
        return self.hands.settings.home

    def made(self, who: str, told: Callable[[str], None]) -> list[str]:
        """Stores and keys, each encrypted to the bank's key, straight to the stick. Raises Error."""
        place, out, at_ms = self.hands.stick(), [], self.hands.clock()
        for kind in (backup.STATE, backup.KEYS):
            recipients = self.hands.settings["backup.recipients"]
            made = backup.create(self.home, place, kind, recipients, at_ms, lambda name, *_: told(f"  {name}"))
            detail = {"kind": kind, "digest": made.sha256, "files_count": made.files, "octets_count": made.octets}
            index, _ = self.hands.updates.recorder.record(who, "backup.made", f"backup:{kind}", "ok", **detail)
            self.hands.proof(index, made.path)
            out += [
                f"{made.path.name}: {made.files} files",
                f"  SHA-256 {made.sha256[:32]}",
                f"{'':10}{made.sha256[32:]}",
            ]
        return [*out, "Beside each lies its proof from the audit log. The bank's key opens them."]

    def listed(self) -> list[str]:
        """Names of backups of which both archives are on the stick, the newest first."""
        return [state.name.removesuffix(_STATE) for state, _ in self._pairs()][:LISTED_MAX]

    def _pairs(self) -> list[tuple[Path, Path]]:
        """Archives of the state, each with the keys' archive that was made next to it: they may be some moments apart."""
        media, out = self.hands.media, []
        found = sorted(media.glob(f"casemate-*{_STATE}"), reverse=True) if media.is_dir() else []
        keys = list(media.glob(f"casemate-*{_KEYS}")) if found else []
        for state in found:
            apart, nearest = min(
                ((abs(_made_s(path) - _made_s(state)), path) for path in keys), default=(1 << 40, state)
            )
            if apart <= APART_S_MAX:
                out.append((state, nearest))
        return out

    def unpacked(self, name: str, typed: str, told: Callable[[str], None]) -> dict[str, str]:
        """Unpacks both archives beside the running state and checks every file and store; kind -> SHA-256. Raises Error."""
        text = typed
        if not text:
            try:
                with (self.hands.media / IDENTITY).open("rb") as file:
                    text = file.read(IDENTITY_OCTETS_MAX).decode("utf-8", "replace")
            except OSError:
                hint = f"type it, or put {IDENTITY} on the stick"
                raise Error("not_found", f"{IDENTITY} is not on the stick", hint) from None
        paths = next((pair for pair in self._pairs() if pair[0].name == f"{name}{_STATE}"), None)
        if paths is None:
            raise Error("not_found", f"{name} is no longer there", "put the stick in, then choose this entry again")
        needed, free = sum(path.stat().st_size for path in paths), shutil.disk_usage(self.home).free
        if (
            needed + SPARE_OCTETS > free
        ):  # an archive is as large as what it holds: the box that works is not to run out of disk
            raise Error(
                "store_full",
                f"the backup needs {needed >> 20} MiB beside what is there, {free >> 20} are free",
                "a factory reset (menu 15) makes room: the box is to be another anyway",
            )
        found = staged.stage(self.home, list(paths), backup.identity(text), lambda _: None)
        digests = {}
        for path, one in zip(paths, found, strict=True):
            with path.open("rb") as file:
                digests[one.kind] = hashlib.file_digest(file, "sha256").hexdigest()
            told(f"{one.kind}: of {one.at}, {one.files} files, {one.stores} stores, all as they were packed")
        return digests

    def waits(self) -> bool:
        """Whether one takes its place at the next start."""
        return staged.waiting(self.home)

    def wanted(self, digests: dict[str, str], who: str) -> None:
        """It takes its place at the next start. Raises Error when that cannot be recorded."""
        for kind, digest in digests.items():
            self.hands.record(who, "backup.restored", f"backup:{kind}", kind=kind, digest=digest)
        staged.mark(self.home, who, digests)

    def forgotten(self) -> None:
        staged.forget(self.home)


def _made_s(path: Path) -> int:
    """When an archive was made, by its name; 0 for a name that says nothing."""
    try:
        return int(datetime.strptime(path.name[:26], "casemate-%Y%m%dT%H%M%SZ.").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0
