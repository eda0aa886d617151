"""What is done with releases on this box: checked, asked for, approved by another, installed, blessed, rolled back. Each on the audit log first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import firmware
from appliance import atomic
from appliance.audit import BlockingRecorder, entry
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.keys import approvals
from appliance.settings import Settings
from appliance.volume import root_disk
from firmware import slots as table

from .book import INSTALL, Book, Request
from .machine import Machine
from .progress import Progress

PRODUCT: Final = "casemate"
FLOOR: Final = "floor"
NO_SLOTS: Final = "this machine has no slots: it was not started from the image, and `firmware.disk` is empty"
NO_SLOTS_HINT: Final = "slots belong to the appliance image; a host is updated with `ansible-playbook site.yml`"

Told = Callable[[str, int, int], None]


class Asked(NamedTuple):
    """A bundle that may be installed, for people: what is shown before somebody says yes."""

    version: str
    bundle: str
    signer: str
    fingerprint: str
    needs: str
    floor: str
    approvals: tuple[str, ...]
    notes: str
    octets: int


def asked_of(found: firmware.Checked) -> Asked:
    """What is shown of a bundle that may be installed."""
    release, signer = found.release, found.signer
    return Asked(
        release.version,
        found.manifest.root_hash,
        signer.name,
        signer.fingerprint,
        release.needs,
        release.floor,
        tuple(a.signer.name for a in found.approvals),
        found.text("notes").decode("utf-8", "replace"),
        found.bundle.path.stat().st_size,
    )


class Updates:
    """One box's releases. `who` is `console:NAME`, `field:NAME`, `cli:USER` or `process:NAME`."""

    def __init__(
        self,
        settings: Settings,
        machine: Machine | None = None,
        recorder: BlockingRecorder | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.settings = settings
        self.machine = machine or Machine()
        self.book = Book(settings.home / "updates")
        self.recorder = recorder or BlockingRecorder(settings)
        self.clock = clock

    @property
    def serial(self) -> str:
        return str(self.settings["firmware.serial"]) or self.machine.serial

    @property
    def disk(self) -> str:
        """The disk with the two slots: of the settings, else the one that the appliance's image was started from; "" for neither."""
        given = str(self.settings["firmware.disk"])
        if given or not self.machine.root_hash:
            return given
        try:
            return f"/dev/{root_disk()}"
        except Error:
            return ""

    # --- what is there --------------------------------------------------------------------------------------

    @contextmanager
    def _media(self, write: bool) -> Iterator[tuple[firmware.FileDisk, firmware.FolderEsp, str]]:
        """The disk, the boot entries and the slot that runs. Raises Error for a machine without slots, or a person without the right."""
        if not self.disk:
            raise Error("not_found", NO_SLOTS, NO_SLOTS_HINT)
        try:
            disk = firmware.FileDisk(Path(self.disk), read_only=not write)
        except PermissionError:
            hint = "on the box: the serial console; from elsewhere: `ansible-playbook upgrade.yml`"
            raise Error("forbidden", "only root writes to the slots", hint) from None
        except OSError as e:
            raise Error(
                "not_found", f"the disk of `firmware.disk` cannot be opened: {e.strerror}", "see `casemate settings`"
            ) from None
        try:
            running = firmware.running_slot(firmware.gpt.read(disk), self.machine.root_hash)
            yield disk, firmware.FolderEsp(Path(self.settings["firmware.esp"])), running
        except firmware.gpt.Damaged as e:
            raise Error(
                "store_damaged", f"the partition table: {e}", "start the recovery medium of the running release"
            ) from None
        except firmware.Held as e:
            raise Error("key_state", f"not now: {e}", table.REASONS[str(e)]) from None
        except firmware.Unwritten as e:
            hint = "do it again; if it happens twice, the disk is at fault: see `casemate firmware inventory`"
            raise Error("store_damaged", f"the disk did not keep what was written ({e})", hint) from None
        except OSError as e:
            raise Error(
                "store_full", f"the disk or the medium failed: {e.strerror or e}", "see `casemate status`"
            ) from None
        finally:
            disk.close()

    def state(self) -> dict[str, Any]:
        """Release, slots, requests, what is not on the log yet: for `casemate firmware status` and playbooks."""
        found: dict[str, Any] = {
            "version": self.machine.version,
            "serial": self.serial,
            "hardware": self.machine.hardware,
            "floor": self.floor,
            "running": "",
            "slots": [],
            "requests": [self.shown(r) for r in self.book.requests()[:20]],
            "unrecorded": len(self.book.kept_entries()),
            "left": self.book.left(),
        }
        if self.disk:
            with self._media(write=False) as (disk, esp, running):
                found["running"] = running
                standing = firmware.standing(firmware.gpt.read(disk), esp.names(), running)
                found["slots"] = [s._asdict() for s in standing.values()]
        return found

    def shown(self, r: Request) -> dict[str, Any]:
        return {**r._asdict(), "state": approvals.stands(r.approval, self.clock())}

    @property
    def floor(self) -> str:
        held = self.book.fact(FLOOR, "0")
        return max(held, "0", key=firmware.version)

    def authority(self) -> firmware.Authority:
        """Who is trusted: the roots of the running release, with the newest list of revoked keys that came with any bundle."""
        trusted = firmware.Authority.at(Path(self.settings["firmware.trust"]))
        held = self.settings.home / "updates" / "revoked.crl"
        if held.exists():
            newer = firmware.crl(held.read_bytes())
            if trusted.vouches(newer) and firmware.number_of(newer) > trusted.list_number:
                return firmware.Authority(trusted.roots, newer)
        return trusted

    def box(self) -> firmware.Box:
        built = int(self.book.fact("built", "0"))
        return firmware.Box(
            product=PRODUCT,
            hardware=self.machine.hardware,
            serial=self.serial,
            version=self.machine.version,
            floor=self.floor,
            now_s=max(self.clock() // 1000, built),
            officers_needed=self.settings["firmware.officers_needed"],
            withdrawn=self.book.spent("withdrawn"),
            nonces=self.book.spent("nonce"),
        )

    # --- a bundle -------------------------------------------------------------------------------------------

    @contextmanager
    def checked(
        self, path: Path, told: Callable[[int, int], None] | None = None, signed: bool = True
    ) -> Iterator[firmware.Checked]:
        """An open bundle that may be installed. Raises firmware.Refused, Error `not_found`."""
        certificate, key = self.settings["firmware.certificate"], self.settings["firmware.key"]
        recipient = firmware.Recipient(Path(certificate), key) if certificate and key else None
        officers = self.settings["firmware.officers"]
        try:
            with firmware.Bundle(path, recipient) as bundle:
                listed = firmware.Authority.at(Path(officers)) if officers else firmware.Authority([])
                approved = [firmware.approval.read(octets, listed) for octets in firmware.approval.beside(path)]
                yield firmware.check(bundle, self.authority(), self.box(), approved, told, approved=signed)
        except FileNotFoundError:
            raise Error("not_found", f"{path.name} is not there", "put the stick in, or name the file") from None
        except firmware.Tool as e:
            raise Error("internal", str(e)) from None
        except ValueError as e:
            raise Error(
                "settings_invalid",
                f"a certificate of the settings cannot be read: {e}",
                "see firmware.* in `casemate settings`",
            ) from None

    def look(self, path: Path, who: str, told: Callable[[int, int], None] | None = None) -> Asked:
        """Checks a bundle for a person who may then ask for it; a refusal is on the record. `told`: octets read, octets in all. Raises firmware.Refused."""
        try:
            with self.checked(path, told, signed=False) as found:
                return asked_of(found)
        except firmware.Refused as e:
            self.try_record(who, "firmware.refused", "bundle:offered", "refused", code=e.code)
            raise

    # --- two people -----------------------------------------------------------------------------------------

    def ask(self, path: Path, reason: str, who: str, told: Callable[[int, int], None] | None = None) -> int:
        """The number of a request to install this bundle. Raises firmware.Refused, Error."""
        if not reason.strip():
            raise Error("invalid", "say why: the other person has to judge it")
        found = self.look(path, who, told)
        return self.asked(found.bundle, found.version, found.fingerprint, path, reason, who)

    def asked(self, bundle: str, version: str, fingerprint: str, path: Path, reason: str, who: str) -> int:
        """A request for content that was looked into already; what is installed is compared with it."""
        made = approvals.Approval(0, INSTALL, 0, reason.strip()[:200], who, self.clock(), "", 0, approvals.ASKED)
        self.recorder.record(who, "approval.asked", f"release:{version}", act=INSTALL, on_index=0)
        return self.book.ask(made, bundle, version, fingerprint, str(path.absolute()))

    def decide(self, number: int, yes: bool, who: str, act: str = INSTALL) -> str:
        """The state of a request after another person's word. Raises Error `forbidden` for who asked."""
        before = self.request(number, act)
        try:
            after = approvals.decided(before.approval, approvals.YES if yes else approvals.NO, who, self.clock())
        except Error:
            self.try_record(who, "approval.decided", f"request:{number}", "refused", act=act, state=before.state)
            raise
        self.recorder.record(who, "approval.decided", f"request:{number}", act=act, state=after.state)
        self.book.stand(number, after)
        return after.state

    def request(self, number: int, act: str = INSTALL) -> Request:
        """Raises Error `not_found`."""
        found = self.book.request(number, act)
        if found is None:
            kind = "firmware" if act == INSTALL else "hardware"
            raise Error("not_found", f"there is no request {number}", f"see `casemate {kind} status`")
        return found

    def approved(self) -> Request | None:
        """The newest request that was approved and not used: what may be installed now."""
        return next(
            (r for r in self.book.requests() if approvals.stands(r.approval, self.clock()) == approvals.APPROVED), None
        )

    # --- slots ----------------------------------------------------------------------------------------------

    def install(self, path: Path, who: str, told: Told, number: int | None = None) -> str:
        """Writes a bundle to the other slot; the version that is started next. Resumes what was cut off.

        Without `number` only where `firmware.two_people` is off. Raises firmware.Refused, Error.
        """
        after = None
        if number is not None:
            request = self.request(number)
            after = approvals.used(request.approval, INSTALL, number, self.clock())
        elif self.settings["firmware.two_people"]:
            hint = "`casemate firmware ask FILE --reason ...`, another person `casemate firmware approve NUMBER`"
            raise Error("forbidden", "an installation needs a second person", hint)
        told = Progress(self.book.folder, told)
        try:
            with (
                self.checked(path, partial(told, "checking the bundle")) as found,
                self._media(True) as media,
            ):
                if after is not None and found.manifest.root_hash != request.bundle:
                    raise Error(
                        "forbidden", f"request {number} is for another file", "the file that was approved, or ask anew"
                    )
                disk, esp, running = media
                _known(running)
                version, bundle = found.release.version, found.manifest.root_hash
                detail = {"digest": bundle, "fingerprint": found.signer.fingerprint, "slot": running}
                self.recorder.record(who, "firmware.install_begun", f"release:{version}", **detail)
                journal = firmware.Journal(self.book.folder / "journal.json")
                firmware.install(disk, esp, found, found.manifest.images, bundle, running, journal, told)
                self._installed(found, number, after)
        except firmware.Refused as e:
            told.ended("", e.code)
            self.try_record(who, "firmware.refused", "bundle:offered", "refused", code=e.code)
            raise
        told.ended(version)
        self.recorder.record(who, "firmware.installed", f"release:{version}", digest=bundle)
        return version

    def _installed(self, found: firmware.Checked, number: int | None, after: approvals.Approval | None) -> None:
        """Spent once it is written: an installation that was cut off goes on under the same approval."""
        now = self.clock()
        if number is not None and after is not None:
            self.book.stand(number, after)
        self.book.spend("nonce", [a.nonce for a in found.approvals], now)
        self.book.set_fact(
            "installed",
            f"{found.release.version} {found.manifest.root_hash} {found.release.floor} {found.release.built}",
        )
        if "revoked" in found.manifest.images:
            octets = found.text("revoked")
            offered, held = firmware.crl(octets), self.authority()
            if held.vouches(offered) and firmware.trust.newest_list(
                {"bundle": firmware.number_of(offered)}, held.list_number
            ):
                atomic.write(self.book.folder / "revoked.crl", octets)

    def bless(self, who: str) -> str:
        """The running release is good: its counter goes, the floor rises, what it replaced may be replaced."""
        with self._media(write=True) as (disk, esp, running):
            _known(running)
            self.recorder.record(who, "firmware.blessed", f"release:{self.machine.version}", slot=running)
            blessed = firmware.bless(disk, esp, running)
        version, _, rest = self.book.fact("installed").partition(" ")
        if version == blessed.version:
            _, floor, built = rest.split(" ")
            self.book.set_fact(FLOOR, max(self.floor, floor, key=firmware.version))
            self.book.set_fact("built", built)
        self.flush()
        return blessed.version

    def roll_back(self, who: str, why: str) -> str:
        """The next start is the other slot's; the version that is left. Does not wait for the audit log: it is recorded afterwards then."""
        with self._media(write=True) as (disk, esp, running):
            _known(running)
            left = firmware.roll_back(disk, esp, running)
        installed = self.book.fact("installed").split(" ")
        if installed[0] == left.version:
            self.book.spend("withdrawn", [installed[1]], self.clock())
        self.book.leave(left.version, why[:120], True)
        self.record_or_keep(who, "firmware.rolled_back", f"release:{left.version}", why=why[:120], slot=running)
        return left.version

    def reinstate(self, who: str, tries: int = 3) -> str:
        """The other slot's release, which failed or was withdrawn, is tried again."""
        self.recorder.record(who, "firmware.reinstated", "slot:other", tries=tries)
        self.book.leave("", "", True)
        with self._media(write=True) as (disk, esp, running):
            _known(running)
            return firmware.reinstate(disk, esp, running, tries).version

    # --- the record -----------------------------------------------------------------------------------------

    def try_record(self, who: str, what: str, on: str, outcome: str, **detail: str | int | bool) -> None:
        """A refusal is recorded when that is possible: refusing goes on without."""
        try:
            self.recorder.record(who, what, on, outcome, **detail)
        except Error as e:
            if e.code != "audit_unavailable":
                raise

    def record_or_keep(self, who: str, what: str, on: str, **detail: str | int | bool) -> None:
        try:
            self.recorder.record(who, what, on, "ok", **detail)
        except Error as e:
            if e.code != "audit_unavailable":
                raise
            self.keep(who, what, on, **detail)

    def keep(self, who: str, what: str, on: str, **detail: str | int | bool) -> None:
        """Records once the audit log runs: for what happens before it does."""
        self.book.keep_entry(entry(self.clock(), who, what, on, "ok", **detail))

    def flush(self) -> None:
        """Records what was kept, with the time at which it happened; what the log does not take now waits for the next time."""
        for number, kept in self.book.kept_entries():
            client = BlockingClient(self.settings.socket("auditor"))
            try:
                client.call("append", {"source": "", "first": 0, "entries": [kept]})
            except Error:
                return
            finally:
                client.close()
            self.book.forget_entry(number)


def _known(running: str) -> None:
    """Without knowing which slot runs nothing is written: it could be that one."""
    if not running:
        raise Error(
            "not_found",
            "no slot of this disk is the one that runs",
            "start from a slot; `casemate firmware status` shows them",
        )
