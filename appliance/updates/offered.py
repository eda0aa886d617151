"""A bundle that comes through the console: pieces put together in a folder of the state, never looked into here. What is in it says a process of its own
(inspecting.py), and whoever installs it checks all of it again.

One at a time; cut off, it goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

from appliance import atomic
from appliance.errors import Error
from appliance.keys import approvals
from appliance.limits import OFFER_APPROVAL_OCTETS_MAX, OFFER_FREE_OCTETS_MIN, OFFER_OCTETS_MAX, OFFER_PIECE_OCTETS_MAX

from .desk import Updates

FOLDER: Final = "offered"
SAID: Final = "offer.json"
VERDICT: Final = "verdict.json"
WAITING: Final = "waiting"  # there while nobody has looked at it: what the unit of the inspection waits for
PART: Final = ".part"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}\.raucb")
_READ_OCTETS: Final = 1 << 20
APPROVALS_MAX: Final = 5


class Offers:
    """The folder of one box. Every file is replaced whole."""

    def __init__(self, updates: Updates) -> None:
        self.updates = updates
        self.folder = updates.settings.home / "updates" / FOLDER

    # --- what is there --------------------------------------------------------------------------------------

    def said(self, name: str = SAID) -> dict[str, Any]:
        """A file of the folder as a table; empty for none, or for one that is no such file."""
        try:
            found = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, name: str, what: dict[str, Any]) -> None:
        atomic.write(self.folder / name, json.dumps(what), durable=False)

    @property
    def path(self) -> Path | None:
        """The whole bundle, None while there is none."""
        name = str(self.said().get("name", ""))
        found = self.folder / name
        return found if _NAME.fullmatch(name) and found.is_file() else None

    def state(self) -> dict[str, Any]:
        """For the page: the offer, how much of it is here, what was found in it, and how an installation is going."""
        offer = self.said()
        if not offer:
            return {"offer": {}, "verdict": {}, "here": 0, "whole": False, "approvals": 0}
        whole = self.path is not None
        here = offer["octets"] if whole else self._here(str(offer["name"]))
        return {
            "offer": offer,
            "verdict": self.said(VERDICT),
            "here": here,
            "whole": whole,
            "approvals": len(self._beside(str(offer["name"]))),
        }

    def _here(self, name: str) -> int:
        try:
            return (self.folder / (name + PART)).stat().st_size
        except OSError:
            return 0

    def _beside(self, name: str) -> list[Path]:
        return sorted(self.folder.glob(f"{name}.approval*"))

    # --- in pieces ------------------------------------------------------------------------------------------

    def begin(self, name: str, octets: int, who: str) -> int:
        """How much of it is here already: an upload that was cut off goes on there. Raises Error."""
        if not _NAME.fullmatch(name):
            raise Error("invalid", "that is no bundle's name", "a release is a file like casemate-0.2.0.raucb")
        if not 0 < octets <= OFFER_OCTETS_MAX:
            raise Error("too_large", "a bundle of that size is taken from a stick only", "the serial console, menu 7")
        before = self.said()
        if (before.get("name"), before.get("octets")) == (name, octets) and self.path is None:
            return self._here(name)
        self._free()
        free = shutil.disk_usage(self.updates.settings.home).free
        if free < octets + OFFER_FREE_OCTETS_MIN:
            raise Error("store_full", "the disk has no room for it", "take it from a stick: the serial console, menu 7")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write(SAID, {"name": name, "octets": octets, "by": who, "begun_ms": self.updates.clock(), "sha256": ""})
        (self.folder / (name + PART)).touch()
        return 0

    def _free(self) -> None:
        """Takes away what was offered before. Raises Error `key_state` while a request for it is open."""
        asked = (approvals.ASKED, approvals.APPROVED)
        at_ms = self.updates.clock()
        path = self.path
        for r in self.updates.book.requests():
            if path is not None and r.path == str(path) and approvals.stands(r.approval, at_ms) in asked:
                raise Error(
                    "key_state",
                    f"request {r.number} is for the bundle that is here",
                    "refuse it first, or wait until it is installed",
                )
        shutil.rmtree(self.folder, ignore_errors=True)

    def piece(self, at: int, octets: bytes) -> int:
        """How much is here afterwards. A piece that does not follow is refused, and how much is here is said. Raises Error."""
        offer = self.said()
        if not offer or self.path is not None:
            raise Error("key_state", "no upload is under way", "choose the file again")
        if len(octets) > OFFER_PIECE_OCTETS_MAX:
            raise Error("too_large", f"a piece has {OFFER_PIECE_OCTETS_MAX} octets or fewer")
        here = self._here(str(offer["name"]))
        if at != here or here + len(octets) > offer["octets"]:
            raise Error("invalid", f"the next octet is {here}", "go on there", at=here)
        with (self.folder / (offer["name"] + PART)).open("ab") as file:
            file.write(octets)
        return here + len(octets)

    def end(self, who: str) -> str:
        """Its SHA-256, once all of it is here; on the record before it can be asked for. Raises Error."""
        offer = self.said()
        part = self.folder / (str(offer.get("name", "")) + PART)
        if not offer or self._here(str(offer.get("name", ""))) != offer["octets"]:
            raise Error("key_state", "the upload is not whole", "choose the file again: it goes on where it was")
        counted = hashlib.sha256()
        with part.open("rb") as file:
            while piece := file.read(_READ_OCTETS):
                counted.update(piece)
        digest = counted.hexdigest()
        self.updates.recorder.record(
            who, "firmware.offered", "bundle:offered", digest=digest, octets_count=offer["octets"]
        )
        self.write(SAID, {**offer, "sha256": digest, "by": who})
        (self.folder / VERDICT).unlink(missing_ok=True)
        part.replace(self.folder / offer["name"])
        (self.folder / WAITING).touch()
        return digest

    # --- what people decide ---------------------------------------------------------------------------------

    def approved(self, octets: bytes, who: str) -> None:
        """An officer's signature, laid beside the bundle; the inspection and whoever installs read it. Raises Error."""
        path = self.path
        if path is None:
            raise Error("not_found", "there is no bundle to sign for", "upload it first")
        if not 0 < len(octets) <= OFFER_APPROVAL_OCTETS_MAX or octets[:1] != b"\x30":
            raise Error("invalid", "that is no approval", "`python -m firmware approve` writes one beside a bundle")
        there = self._beside(path.name)
        if any(p.read_bytes() == octets for p in there):
            return
        if len(there) >= APPROVALS_MAX:
            raise Error("invalid", "there are five already", "take the offer away and begin again")
        digest = hashlib.sha256(octets).hexdigest()
        self.updates.recorder.record(who, "firmware.signature_added", "bundle:offered", digest=digest)
        (self.folder / f"{path.name}.approval{f'-{len(there) + 1}' if there else ''}").write_bytes(octets)
        (self.folder / VERDICT).unlink(missing_ok=True)
        (self.folder / WAITING).touch()

    def ask(self, reason: str, who: str) -> int:
        """The number of a request for what was found in the bundle. Raises Error."""
        path, verdict = self.path, self.said(VERDICT)
        if path is None or not verdict.get("version"):
            raise Error("key_state", "there is no bundle here that may be installed", "the page says why")
        if not reason.strip():
            raise Error("invalid", "say why: the other person has to judge it")
        return self.updates.asked(verdict["bundle"], verdict["version"], verdict["fingerprint"], path, reason, who)

    def leave(self) -> None:
        """Takes it away. Raises Error `key_state` while a request for it is open."""
        self._free()
