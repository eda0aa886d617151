"""What is done with firmware of hardware: a vendor's cabinet shown, asked for, approved by another person, written through fwupd, found again after a restart.
Each on the audit log first.

fwupd, which runs as root, reads no cabinet whose signature was not found right here first, and insists on it once more. Trust decisions are in
firmware/cabinet.py, what fits what in hardware.py.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from cryptography.hazmat.primitives.serialization import Encoding

import firmware
from appliance import atomic
from appliance.audit import impersonal
from appliance.errors import Error
from appliance.keys import approvals
from appliance.limits import OFFER_FREE_OCTETS_MIN
from firmware import Refused, cabinet

from . import fwupd, hardware
from .book import APPLY, Request
from .desk import Updates
from .hardware import Device, Fit

FOLDER: Final = "hardware"  # of the updates' folder: cabinets that were asked for, by their SHA-256
APPROVED: Final = "approved"  # there while something approved waits: what the unit that applies it waits for
PLACE: Final = "fwupd"  # root's alone
READING: Final = "devices"  # the newest reading, for who may not ask devices himself


class Looked(NamedTuple):
    """A cabinet that may be applied, for people: what is shown before somebody says yes, and what an approval is bound to."""

    name: str
    vendor: str
    version: str
    guids: tuple[str, ...]
    signer: str
    fingerprint: str
    sha256: str
    octets: int
    fits: tuple[Fit, ...]


class Writing(Protocol):
    """fwupd, or what stands for it in a test."""

    def devices(self) -> Any: ...

    def write(self, cabinet: Path, device: str) -> None: ...


class Cabinets:
    """One box's. `starts` gives a running fwupd, `able` says whether this process may start one."""

    def __init__(
        self,
        updates: Updates,
        starts: Callable[[Path, Sequence[bytes]], AbstractContextManager[Writing]] = fwupd.Fwupd,
        able: Callable[[], bool] = fwupd.there,
    ) -> None:
        self.updates, self.starts, self.able = updates, starts, able
        self.folder = updates.book.folder / FOLDER

    # --- devices --------------------------------------------------------------------------------------------

    def authority(self) -> firmware.Authority:
        """Whom the box trusts to sign firmware of hardware: an empty folder, or none, trusts nobody."""
        folder = Path(self.updates.settings["firmware.hardware_trust"])
        try:
            found = firmware.Authority.at(folder)
        except (OSError, ValueError) as e:
            hint = "authority/*.pem of `firmware.hardware_trust` are certificates as openssl writes them"
            raise Error("settings_invalid", f"a certificate of {folder} cannot be read: {e}", hint) from None
        for root in found.roots:
            if not cabinet.may_sign(root):  # fwupd would leave it out without a word
                name = root.subject.rfc4514_string()[:80]
                hint = "ask its owner for a certificate with the key usage keyCertSign or digitalSignature"
                raise Error("settings_invalid", f"fwupd takes no certificate without a key usage: {name}", hint)
        return found

    def _running(self) -> AbstractContextManager[Writing]:
        pems = [c.public_bytes(Encoding.PEM) for c in self.authority().roots]
        return self.starts(self.updates.book.folder / PLACE, pems)

    def devices(self) -> list[Device]:
        """The devices of this box: asked by root, kept for everybody else. None where fwupd is not installed."""
        if not self.able():
            return hardware.devices(_json(self.updates.book.fact(READING)))
        try:
            with self._running() as running:
                return self._kept(running.devices())
        except fwupd.Failed:
            return hardware.devices(_json(self.updates.book.fact(READING)))

    def _kept(self, said: Any) -> list[Device]:
        self.updates.book.set_fact(READING, json.dumps(said))
        return hardware.devices(said)

    # --- looking --------------------------------------------------------------------------------------------

    def look(self, path: Path, who: str) -> Looked:
        """What a cabinet is, who signed it and what takes it here; a refusal is on the record. Raises Refused, Error."""
        try:
            return self._looked(_octets(path))
        except Refused as e:
            self.updates.try_record(who, "hardware.refused", "cabinet:offered", "refused", code=e.code)
            raise

    def _looked(self, octets: bytes, found: list[Device] | None = None) -> Looked:
        read = cabinet.read(octets)
        signer = cabinet.signer(read, self.authority())
        if found is None:
            found = self.devices()
        if not found and not self.able():
            if not fwupd.DAEMON.exists():
                raise Refused("cabinet_program")
            hint = (
                "ten minutes after a start the box reads them; the serial console reads them at once: menu 4, hardware"
            )
            raise Error("key_state", "the devices of this box were not read yet", hint)
        fits = hardware.fits(read.components, found)
        first = next(c for c in read.components if any(f.after == c.version for f in fits))
        return Looked(
            name=first.name,
            vendor=first.vendor,
            version=first.version,
            guids=first.guids,
            signer=signer.name,
            fingerprint=signer.fingerprint,
            sha256=read.sha256,
            octets=read.octets,
            fits=tuple(fits),
        )

    # --- two people -----------------------------------------------------------------------------------------

    def ask(self, path: Path, reason: str, who: str) -> int:
        """The number of a request to apply this cabinet, which is kept. With `firmware.two_people` off it is approved at once. Raises Refused, Error."""
        if not reason.strip():
            raise Error("invalid", "say why: the other person has to judge it")
        updates = self.updates
        looked = self.look(path, who)
        self._keep(path, looked)
        made = approvals.Approval(0, APPLY, 0, reason.strip()[:200], who, updates.clock(), "", 0, approvals.ASKED)
        updates.recorder.record(who, "approval.asked", _on(looked.version), act=APPLY, on_index=0)
        kept = self.kept(looked.sha256)
        number = updates.book.ask(made, looked.sha256, looked.version, looked.fingerprint, str(kept))
        updates.book.keep_cabinet(number, looked._asdict())
        if not updates.settings["firmware.two_people"]:
            alone = made._replace(state=approvals.APPROVED, decided_by=who, decided_ms=updates.clock())
            updates.recorder.record(who, "approval.decided", f"request:{number}", act=APPLY, state=alone.state)
            updates.book.stand(number, alone)
            self._wake()
        return number

    def decide(self, number: int, yes: bool, who: str) -> str:
        """Another person's word; after a yes the box applies it by itself. Raises Error `forbidden` for who asked."""
        state = self.updates.decide(number, yes, who, APPLY)
        if state == approvals.APPROVED:
            self._wake()
        return state

    def _wake(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / APPROVED).touch()

    def taken(self) -> None:
        """The unit has seen it: what is approved from now on wakes it again."""
        (self.folder / APPROVED).unlink(missing_ok=True)

    def kept(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.cab"

    def _keep(self, path: Path, looked: Looked) -> None:
        """The stick may go: the cabinet lies with the releases. What nobody waits for any more is taken away."""
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = {r.bundle for r in self._open()} | {looked.sha256}
        for there in self.folder.glob("*.cab"):
            if there.stem not in wanted:
                there.unlink(missing_ok=True)
        place = self.kept(looked.sha256)  # written anew even if it is there: it may not be what it was
        if shutil.disk_usage(self.folder).free < looked.octets + OFFER_FREE_OCTETS_MIN:
            raise Error("store_full", "the disk has no room for it", "see `casemate status`")
        octets = _octets(path)
        if hashlib.sha256(octets).hexdigest() != looked.sha256:
            raise Refused("cabinet_other", "it changed while it was read")
        atomic.write(place, octets)

    def _open(self) -> list[Request]:
        """Requests that wait for a person or for the box."""
        now_ms = self.updates.clock()
        asked = (approvals.ASKED, approvals.APPROVED)
        return [r for r in self.updates.book.requests(APPLY) if approvals.stands(r.approval, now_ms) in asked]

    # --- applying -------------------------------------------------------------------------------------------

    def approved(self) -> Request | None:
        """The oldest that was approved and not used."""
        now_ms = self.updates.clock()
        found = [r for r in self._open() if approvals.stands(r.approval, now_ms) == approvals.APPROVED]
        return found[-1] if found else None

    def waits(self) -> bool:
        """Whether firmware was written that takes effect at a restart."""
        return any(self.updates.book.cabinet(r.number)[1].get("state") == "restart" for r in self._recent())

    def apply(self, number: int, who: str, parts: Callable[[list[Device]], dict[str, str]]) -> dict[str, Any]:
        """Writes what was approved to the devices that were shown; what became of each. `parts` reads the inventory.

        An approval is used up when writing begins. Raises Refused, Error.
        """
        updates = self.updates
        request = updates.request(number, APPLY)
        after = approvals.used(request.approval, APPLY, number, updates.clock())
        shown, _ = updates.book.cabinet(number)
        try:
            if not self.able():
                raise Refused("cabinet_program")
            path = self.kept(request.bundle)
            octets = _octets(path)
            if hashlib.sha256(octets).hexdigest() != request.bundle:
                raise Refused("cabinet_other", path.name)
            with self._running() as running:
                before = self._kept(running.devices())
                looked = self._looked(octets, before)
                wanted = [Fit(*row) for row in shown["fits"]]
                if {(f.device, f.after) for f in looked.fits} != {(f.device, f.after) for f in wanted}:
                    raise Refused("cabinet_device", "the devices are not those that were approved: ask anew")
                return self._written(running, request, after, looked, path, (who, parts(before), parts))
        except fwupd.Failed as e:
            self._over(who, number, "cabinet_failed")
            raise Refused("cabinet_failed", e.said) from None
        except Refused as e:
            self._over(who, number, e.code)
            raise

    def _over(self, who: str, number: int, code: str) -> None:
        """Refused before anything was written: the request is over, and says why."""
        self.updates.try_record(who, "hardware.refused", f"request:{number}", "refused", code=code)
        before = self.updates.request(number, APPLY)
        if approvals.stands(before.approval, self.updates.clock()) == approvals.APPROVED:
            self.updates.book.stand(number, before.approval._replace(state=approvals.REFUSED))
        self.updates.book.cabinet_result(number, {"state": "refused", "code": code, "devices": []})

    def _written(
        self,
        running: Writing,
        request: Request,
        after: approvals.Approval,
        looked: Looked,
        path: Path,
        by: tuple[Any, ...],
    ) -> dict[str, Any]:
        who, before, parts = by
        updates = self.updates
        detail = {"digest": looked.sha256, "fingerprint": looked.fingerprint}
        updates.recorder.record(who, "hardware.apply_begun", _on(looked.version), **detail)
        updates.book.stand(request.number, after)
        updates.book.cabinet_result(request.number, {"state": "begun", "devices": []})
        errors: dict[str, tuple[int, str]] = {}
        for fit in looked.fits:
            try:
                running.write(path, fit.device)
            except fwupd.Failed as e:
                errors[fit.device] = (e.number, e.said)
        found = self._kept(running.devices())
        rows = [hardware.became(f, found, errors.get(f.device)) for f in looked.fits]
        now = parts(found)
        return self._ended(who, request.number, looked.sha256, rows, before, now)

    def _ended(
        self,
        who: str,
        number: int,
        sha256: str,
        rows: list[dict[str, str]],
        before: dict[str, str],
        now: dict[str, str],
    ) -> dict[str, Any]:
        """Kept and on the record, each device by itself; the approved list goes along with what was approved."""
        state = hardware.whole(rows)
        result = {"state": state, "devices": rows, "parts": before}
        self.updates.book.change_parts(number, hardware.changes(rows, before, now), self.updates.clock())
        self.updates.book.cabinet_result(number, result)
        for row in rows:
            if row["state"] != "restart":
                self.record_one(who, sha256, row)
        return result

    def record_one(self, who: str, sha256: str, row: dict[str, str]) -> None:
        outcome = "ok" if row["state"] == "applied" else "failed"
        versions = {"was": impersonal(row["before"]), "became": impersonal(row["after"])}
        self.updates.recorder.record(who, "hardware.applied", _device(row), outcome, digest=sha256, **versions)

    # --- after a restart ------------------------------------------------------------------------------------

    def settle(self, found: list[Device], now: dict[str, str]) -> list[dict[str, str]]:
        """What became of firmware that waited for a restart; the rows that are decided now, each on the record."""
        out = []
        for request in self._recent():
            _, result = self.updates.book.cabinet(request.number)
            if result.get("state") != "restart":
                continue
            rows = [hardware.settled(row, found) for row in result["devices"]]
            decided = [r for r, was in zip(rows, result["devices"], strict=True) if r["state"] != was["state"]]
            if not decided:
                continue
            for row in decided:
                self.record_one("process:inventory", request.bundle, row)
            changed = hardware.changes(decided, result.get("parts", {}), now)
            self.updates.book.change_parts(request.number, changed, self.updates.clock())
            self.updates.book.cabinet_result(request.number, {**result, "state": hardware.whole(rows), "devices": rows})
            out += decided
        return out

    def _recent(self) -> list[Request]:
        return self.updates.book.requests(APPLY)[:20]

    def state(self) -> list[dict[str, Any]]:
        """The newest requests with what was shown and what became of them, for commands and programs."""
        out = []
        for request in self._recent():
            shown, result = self.updates.book.cabinet(request.number)
            result.pop("parts", None)
            out.append({**self.updates.shown(request), "cabinet": shown, "result": result})
        return out


def _octets(path: Path) -> bytes:
    """Raises Error `not_found`, Refused for what is too long to be one."""
    try:
        with path.open("rb") as file:
            return file.read(cabinet.OCTETS_MAX + 1)
    except OSError:
        raise Error("not_found", f"{path.name} is not there", "put the stick in, or name the file") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {}


def _on(version: str) -> str:
    """What an entry of the log is about: versions are the vendors' own words."""
    return f"cabinet:{impersonal(_word(version))}"


def _device(row: dict[str, str]) -> str:
    return f"device:{impersonal(_word(row['name']))}"


def _word(text: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in text)[:60] or "unknown"
