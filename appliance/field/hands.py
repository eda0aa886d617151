"""What the serial console asks of the box and has done there: through the processes' own operations and the rooms' front doors."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from appliance import backup
from appliance.access import Access
from appliance.audit import commands
from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.limits import LINK_TEST_S_MAX
from appliance.network import Changing, render, ssh
from appliance.settings import Settings, load
from appliance.shards import blocking_engines
from appliance.updates import LIVE, Cabinets, Installer, Updates, gating, inventory, resetting, restart
from appliance.volume import Escrow, state_device

from . import packing, programs
from .backups import Backups
from .hints import here
from .keys_page import Ceremonies

ASK_S_MAX: Final = 4.0
ACT_S_MAX: Final = 60.0
LOG_OCTETS: Final = 256 * 1024  # of a log's end that is read
LOG_LINES_MAX: Final = 400
LOG_LINES_READ: Final = 4_000  # of the journal
JOURNALS: Final = ("kernel", "warnings")  # besides the units; each a row of programs.PROGRAMS
UNITS: Final = Path("/run/systemd/network")
SITE: Final = Path("/run/casemate-site")


class Hands:
    """One box, as a person in front of it needs it."""

    def __init__(
        self, settings: Settings, config: Path, updates: Updates | None = None, clock: Callable[[], int] = now_ms
    ) -> None:
        self.settings, self.config, self.clock = settings, config, clock
        self.updates = updates or Updates(settings)
        self.changing = Changing(config, settings.home)
        self.installer = Installer(self.updates)
        self.cabinets = Cabinets(self.updates)
        self.ceremonies: Ceremonies | None = None  # these two are given by the wiring: on a desk there are none
        self.backups = Backups(self)
        self.opened = ssh.OPEN  # what is there while SSH is open for a time
        self.disk: Path | None = None  # the box's own, of which a reset takes the state volume

    @property
    def live(self) -> bool:
        """Whether this start is from an installation's medium and keeps nothing."""
        return LIVE.exists()

    def record(self, who: str, what: str, on: str, outcome: str = "ok", **detail: str | int | bool) -> None:
        self.updates.recorder.record(who, what, on, outcome, **detail)

    def _asked(self, client: Any, op: str) -> dict[str, Any]:
        try:
            found = client.call(op, {}, ASK_S_MAX)
            return found if isinstance(found, dict) else {}
        except Error as e:
            return {"why": e.message}
        finally:
            client.close()

    def asked(self, process: str) -> dict[str, Any]:
        client = (
            blocking_engines(self.settings) if process == "engine" else BlockingClient(self.settings.socket(process))
        )
        return self._asked(client, "state")

    def called(self, process: str, op: str, payload: dict[str, Any]) -> dict[str, Any]:
        """An operation of a process that may take as long as an HSM does. Raises Error."""
        client = BlockingClient(self.settings.socket(process))
        try:
            found: dict[str, Any] = client.call(op, payload, ACT_S_MAX)
            return found
        finally:
            client.close()

    # --- looking --------------------------------------------------------------------------------------------

    def status(self) -> list[str]:
        """The box in about twenty lines."""
        machine = self.updates.machine
        found = self.updates.state()
        secure = {True: "on", False: "OFF", None: "no UEFI"}[machine.secure_boot]
        out = [f"release     {found['version']}    serial {found['serial'] or '-'}    {found['hardware']}"]
        for slot in found["slots"]:
            tries = f", {slot['left']} tries left" if slot["left"] is not None else ""
            out.append(
                f"slot {slot['name']}      {slot['version'] or '-'}  {slot['state']}{tries}{'  (runs)' if slot['name'] == found['running'] else ''}"
            )
        if not found["slots"]:
            out.append("slots       none on this machine")
        out.append(f"Secure Boot {secure}    TPM {machine.tpm or 'none'}")
        keys, engine, audit = (self.asked(p) for p in ("keys", "engine", "auditor"))
        out.append(f"HSM         {'ready' if keys.get('ready') else 'NOT READY: ' + str(keys.get('why', ''))}")
        out.append(f"engine      {'ready' if engine.get('ready') else 'NOT READY: ' + str(engine.get('why', ''))}")
        out.append(
            f"audit log   {'recording' if audit.get('ready') else 'NOT RECORDING: ' + str(audit.get('why', ''))}"
        )
        for link in engine.get("links", [])[:6]:
            out.append(
                f"link        {link['name']}: {link['state']}, {link['queued']} queued"
                + (f" ({link['last_error']})" if link["state"] != "up" else "")
            )
        if "queues" in engine:
            out.append("queues      " + "  ".join(f"{name} {count}" for name, count in engine["queues"].items()))
        disk = shutil.disk_usage(self.settings.home if self.settings.home.exists() else "/")
        out.append(f"disk        {disk.free >> 30} of {disk.total >> 30} GiB free")
        out += [f"certificate {line}" for line in self._certificates()]
        out.append(f"clock       {rfc3339(self.clock())[:19]} UTC{self._clock_source()}")
        if until_ms := ssh.until_ms(self.opened):
            out.append(f"SSH         OPEN UNTIL {rfc3339(until_ms)[11:19]} UTC: menu 18")
        waiting = self.changing.pending()
        if waiting is not None:
            out.append(f"network     A CHANGE WAITS TO BE CONFIRMED UNTIL {rfc3339(waiting)[11:19]} UTC: menu 2")
        return out

    def _certificates(self) -> list[str]:
        out = []
        for name in ("api.tls_certificate", "console.tls_certificate", "door.tls_certificate", "siem.tls_certificate"):
            if self.settings[name]:
                try:
                    found = x509.load_pem_x509_certificate(Path(self.settings[name]).read_bytes())
                except (OSError, ValueError):
                    out.append(f"{name}: cannot be read")
                    continue
                left = (found.not_valid_after_utc - datetime.fromtimestamp(self.clock() / 1000, UTC)).days
                out.append(f"{name.split('.')[0]}: {left} days left" + ("  RENEW IT" if left < 30 else ""))
        return out

    def _clock_source(self) -> str:
        try:
            said = programs.ran("clock")
        except Error:
            return ""
        found = {key.strip(): words.strip() for key, _, words in (line.partition(":") for line in said)}
        if not found.get("Leap status"):
            return ""
        if found["Leap status"] == "Not synchronised":
            return "  (NOT SYNCHRONISED: time servers: menu 2)"
        return (
            f"  (synchronised, {found.get('System time', '').replace(' seconds', ' s').removesuffix(' of NTP time')})"
        )

    def hardware(self) -> list[str]:
        """Firmware of BIOS, board, disks, cards and HSM, and what differs from the bank's list; a difference is on the record once. Raises Error."""
        devices = self.cabinets.devices()
        found = inventory.read(self.updates.machine, inventory.token(self.settings), devices)
        if self.cabinets.able():
            self.cabinets.settle(devices, found)
        lines = [f"{part:<20} {value}" for part, value in found.items()]
        inventory.compared(self.updates, found, lambda line: lines.append(here(line)))
        return lines

    def links(self) -> list[str]:
        return [link["name"] for link in self.asked("engine").get("links", [])]

    def tested(self, name: str, number: str, who: str) -> list[str]:
        """The steps of a link's test, in lines. The number goes nowhere else."""
        client = blocking_engines(self.settings)
        try:
            asked = {"link": name, "to": number, "text": "", "from": "", "who": who}
            found = client.call("link_test", asked, LINK_TEST_S_MAX + 15.0)
        finally:
            client.close()
        words = {True: "ok", False: "FAILED", None: "-"}
        out = []
        for step in found.get("steps", []):
            out.append(
                f"{words[step['ok']]:<7} {step['name']}"
                + (f": {step['why']}" if step["why"] else "")
                + f"  ({step['took_ms']} ms)"
            )
            if step["ok"] is False and step["hint"]:
                out.append(f"{'':8}{here(step['hint'])}")
        return [*out, "", "the link works" if found["ok"] else "the link does not work; what failed is above"]

    def logs(self) -> list[str]:
        """Names of logs: files of the state folder, or what the journal has of the box's own units, and of the kernel."""
        place = self.settings.home / "log"
        if found := sorted(p.stem for p in place.glob("*.log")) if place.exists() else []:
            return found
        try:
            units = programs.ran("units", lines_max=LOG_LINES_READ)
        except Error:
            return []
        ours = sorted(u.removesuffix(".service") for u in units if u.startswith("casemate-") and u.endswith(".service"))
        return [*ours, *JOURNALS] if ours else []

    def log(self, name: str, wanted: str) -> list[str]:
        """The newest lines of a log with `wanted` in them, newest last. Logs hold no number and no text of a message."""
        path = self.settings.home / "log" / f"{name}.log"
        if name not in self.logs():
            raise Error("not_found", f"there is no log {name!r}", "the list of logs is above; an empty answer leaves")
        if not path.exists():
            what = (name,) if name in JOURNALS else ("unit", f"{name}.service")
            lines = programs.ran(*what, lines_max=LOG_LINES_READ)
        else:
            with path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_OCTETS))
                lines = file.read(LOG_OCTETS).decode("utf-8", "replace").splitlines()
        return [line for line in lines if wanted.casefold() in line.casefold()][-LOG_LINES_MAX:]

    def fresh(self) -> Settings:
        """The settings as they are in the file now: this console sits for weeks."""
        return load(self.config, self.settings.home) if self.config.exists() else self.settings

    # --- network --------------------------------------------------------------------------------------------

    def network_apply(self, changes: dict[str, Any], who: str) -> int:
        """Applies a change; until when it has to be confirmed (Unix milliseconds)."""
        until_ms = self.clock() + self.settings["field.confirm_s"] * 1000
        self.record(who, "network.changed", "settings:network", changed=", ".join(sorted(changes)), until_ms=until_ms)
        self.changing.apply(changes, until_ms)
        self._follow()
        if not SITE.exists():
            return until_ms
        try:
            # Should this console die meanwhile, systemd undoes it.
            later = f"--on-active={self.settings['field.confirm_s'] + 5}"
            env = [f"--setenv=CASEMATE_HOME={self.settings.home}", f"--setenv=CASEMATE_CONFIG={self.config}"]
            words = [sys.executable, "-P", "-m", "appliance.cli", "network", "revert", "--due"]
            programs.ran("later", later, *env, *words)
        except Error:
            pass
        return until_ms

    def network_confirm(self, who: str) -> None:
        self.record(who, "network.confirmed", "settings:network")
        self.changing.confirm()

    def network_revert(self, who: str) -> bool:
        """Does not wait for the log: the box may be cut off from everything."""
        done = self.changing.revert()
        if done:
            self._follow()
            self.updates.record_or_keep(who, "network.reverted", "settings:network")
        return done

    def _follow(self) -> None:
        """On the appliance systemd-networkd takes the new addresses; elsewhere the file is all there is."""
        if SITE.exists():
            render(load(self.config, self.settings.home), SITE, UNITS)
            try:
                programs.ran("reload")
            except Error:
                pass

    # --- sticks ---------------------------------------------------------------------------------------------

    @property
    def media(self) -> Path:
        return Path(self.settings["field.media"])

    def stick(self) -> Path:
        """The folder of the stick that is in. Raises Error `not_found`."""
        if not self.media.is_dir() or not os.access(self.media, os.W_OK):
            raise Error(
                "not_found", "no USB stick is in, or it cannot be written", f"put one in; it appears as {self.media}"
            )
        return self.media

    def bundles(self, ending: str) -> list[Path]:
        return sorted(p for p in self.media.glob(f"*.{ending}") if p.is_file())[:20] if self.media.is_dir() else []

    def recovery(self) -> list[str]:
        """Whether the key that opens the state volume without the TPM is in the bank's safe."""
        known = Escrow.of(self.settings.home)
        if known is None:
            return ["this box has no recovery key: only one with a sealed state volume has"]
        confirmed = (
            f"confirmed {rfc3339(known.confirmed_ms)[:10]} by {known.confirmed_by}"
            if known.confirmed_ms
            else "NOT CONFIRMED: a new one is shown at the next start"
        )
        return [f"made           {rfc3339(known.made_ms)[:10]}", f"in the safe    {confirmed}"]

    def recovery_confirmed(self, typed: str, who: str) -> None:
        """Raises Error `not_found`, `key_refused`."""
        known = Escrow.of(self.settings.home)
        if known is None:
            raise Error("not_found", "this box has no recovery key", "only a box with a sealed state volume has one")
        try:
            after = known.confirmed(typed, who, self.clock())
        except Error:
            self.record(who, "recovery.confirmed", "volume:state", "refused")
            raise
        self.record(who, "recovery.confirmed", "volume:state")
        after.write(self.settings.home)

    def support(self, who: str) -> list[str]:
        """Writes the bundle and the proof that the audit log, which the HSM signs, holds its digest. Raises Error."""
        to, certificate = self.settings["field.support_recipients"], self.settings["field.support_certificate"]
        if not to and not certificate:
            hint = "`field.support_recipients` or `field.support_certificate` names it: of the bank, or of who supports the box"
            raise Error("not_found", "there is no key to encrypt a support bundle to", hint)
        place = self.stick()
        facts = {p: self.asked(p) for p in ("keys", "engine", "auditor", "courier")}
        logs = {name: self.log(name, "") for name in self.logs()}
        octets = packing.packed(packing.parts(self.status(), facts, self.changing.text, logs))
        stem = f"support-{self.updates.serial or 'box'}-{rfc3339(self.clock())[:19].replace(':', '')}Z"
        if to:
            path, sealed = place / f"{stem}.age", backup.encrypted(octets, to)
        else:
            path, sealed = place / f"{stem}.cms", packing.enveloped(octets, Path(certificate).read_bytes())
        digest = hashlib.sha256(sealed).hexdigest()
        index, _ = self.updates.recorder.record(who, "support.made", "box:support", "ok", digest=digest)
        path.write_bytes(sealed)
        proof = self.proof(index, path)
        return [
            f"{path.name}: {len(sealed) >> 10} KiB, encrypted",
            f"SHA-256 {digest[:32]}",
            f"{'':8}{digest[32:]}",
            f"signed: {proof} proves that the audit log holds this digest",
        ]

    def proof(self, index: int, path: Path) -> str:
        """The name of the proof that was written beside a file on the stick (C2SP tlog-proof; `verify.py` checks it). Raises Error."""
        proof = path.with_suffix(".tlog-proof")
        proof.write_text("\n".join([*commands.proof(self.settings, index).lines, ""]), encoding="utf-8")
        return proof.name

    # --- what cannot be taken back --------------------------------------------------------------------------

    def reset_person(self, name: str, password: str, who: str) -> None:
        """Raises Error `not_found`, `invalid`."""
        access = Access(self.settings)
        if access.user(name) is None:
            known = ", ".join(p.name for p in access.users() if p.role == "administrator") or "none"
            raise Error("not_found", f"there is no person {name!r}", f"administrators: {known}")
        access.check_new_password(name, password)
        self.record(who, "console.user_changed", f"user:{name}", changed="password")
        access.set_password(name, password)

    def forget_factors(self, name: str, who: str) -> bool:
        """Whether the person had a second factor: who lost it enrols another at the next sign-in."""
        access = Access(self.settings)
        person = access.user(name)
        if person is None or not access.factors(person).any:
            return False
        self.record(who, "console.factor_removed", f"user:{person.name}", factor="all")
        access.forget_factors(person)
        return True

    def factory_reset(self, who: str) -> list[str]:
        """Keys first: from then on what is left on the disk is ciphertext. Then the volume's own, where there is one; the next start is a new box's."""
        self.record(who, "box.reset", "box:self")
        out = packing.destroy_keys(self.settings.home)
        if self.disk is not None and resetting.state_partition(self.disk):
            programs.ran("erase", state_device(self.disk.name))
            out += resetting.erase(self.disk)
        return out

    def restart(self, off: bool, who: str) -> None:
        """Does not wait for the log: the log may be what does not work, and after a reset there are no keys to sign it."""
        if not self.live:
            gating.leaving(self.settings, self.updates)
        self.updates.record_or_keep(who, "box.restarted", "box:self", act="power off" if off else "restart")
        restart(off)
