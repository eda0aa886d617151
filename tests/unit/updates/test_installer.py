"""Which disk may be installed to, by what sysfs says; an installation from a medium to a disk, attended and by a signed site file."""

from __future__ import annotations

import json
import struct
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.settings import parse
from appliance.updates import Installer, Machine, Updates, disks, site
from appliance.updates.disks import STATE, Disk
from firmware import FileDisk, building, gpt, openssl, running_slot
from tests.support.medium import Medium, disk_file, medium
from tests.support.release_keys import NOW, YEAR, Issuer, trusted
from tests.unit.updates.test_updates import Recorded

NEED, SECTOR = 5 << 30, 512
FIT = Disk("sda", "DISK", "WD-1", 8 << 30, SECTOR, False, False, False, False, False, ())
NOW_S = int(NOW.timestamp())
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"  # Linux file system data, as systemd-repart makes the state volume's
KEY = "ssh-ed25519 " + "A" * 68 + " olga@bank"

#: name -> (disk, what was typed, why it is refused)
CASES: dict[str, tuple[Disk, str, str]] = {
    "empty": (FIT, "", ""),
    "the one that it runs from": (FIT._replace(runs=True), "WD-1", "runs"),
    "read-only": (FIT._replace(read_only=True), "WD-1", "read_only"),
    "mounted": (FIT._replace(held=True), "WD-1", "held"),
    "other sectors": (FIT._replace(sector=4096), "", "sector"),
    "too small": (FIT._replace(octets=NEED - 1), "", "small"),
    "just large enough": (FIT._replace(octets=NEED), "", ""),
    "filled": (FIT._replace(filled=True), "", "word"),
    "filled, another word": (FIT._replace(filled=True), "wd-1", "word"),
    "filled, its name": (FIT._replace(filled=True), "sda", "word"),
    "filled, its serial number": (FIT._replace(filled=True), "WD-1", ""),
    "state of a box": (FIT._replace(labels=("esp", "casemate-state")), "", "word"),
    "state of a box, its serial number": (FIT._replace(labels=("esp", "casemate-state")), "WD-1", ""),
    "filled, no serial number": (FIT._replace(filled=True, serial=""), "sda", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_which_disk_may_be_installed_to(name: str) -> None:
    disk, typed, why = CASES[name]
    assert disks.refused(disk, NEED, SECTOR, typed) == why
    if why:
        with pytest.raises(Error) as told:
            disks.allowed(disk, NEED, SECTOR, typed)
        assert told.value.code == disks.REFUSALS[why][0] and told.value.hint
        assert "messages, keys and audit log" in told.value.message if disk.labels else True


def test_every_refusal_has_a_case() -> None:
    assert {why for _, _, why in CASES.values()} - {""} == set(disks.REFUSALS)


def test_only_means_exactly_one_empty_disk() -> None:
    other = FIT._replace(name="sdb", serial="WD-2")
    assert disks.only_one([FIT, other._replace(filled=True)], NEED, SECTOR) == FIT
    assert disks.only_one([FIT, other._replace(usb=True)], NEED, SECTOR) == FIT
    for found in ([FIT, other], [], [FIT._replace(filled=True)]):
        with pytest.raises(Error, match="not one"):
            disks.only_one(found, NEED, SECTOR)


class Bench:
    """A machine below a folder: the medium as `sda` on USB, other disks, sysfs."""

    def __init__(self, folder: Path) -> None:
        self.root, self.log = folder / "machine", Recorded()
        (self.root / "dev").mkdir(parents=True)
        (self.root / "proc/self").mkdir(parents=True)
        (self.root / "proc/self/mountinfo").write_text("22 1 253:0 / / ro - erofs /dev/dm-0 ro\n")
        self.medium: Medium = medium(self.root / "dev/sda")
        self.medium.machine(self.root)
        self.disk("sda", 8, "usb1/1-1", self.medium.path.stat().st_size)
        self.trust = folder / "trust"
        values = {"firmware": {"site_trust": str(self.trust)}}
        self.settings = parse(values, folder / "home", "test")
        self.updates = Updates(self.settings, Machine(self.root), self.log, lambda: NOW_S * 1000)  # type: ignore[arg-type]
        self.installer = Installer(self.updates, self.root, "sda")

    def disk(self, name: str, number: int, where: str = "pci0/ata1", octets: int = 0, serial: str = "") -> Path:
        real = self.root / "sys/devices" / where / "block" / name
        for path, text in {
            "size": str((octets or 4 << 30) // 512),
            "dev": f"{number}:0",
            "device/model": "DISK 1",
            "queue/logical_block_size": "512",
            "ro": "0",
            "removable": "0",
        }.items():
            (real / path).parent.mkdir(parents=True, exist_ok=True)
            (real / path).write_text(text + "\n")
        if serial:
            (real / "device/vpd_pg80").write_bytes(b"\0\x80\0\x08" + serial.encode() + b"  ")
        (self.root / "sys/block").mkdir(parents=True, exist_ok=True)
        (self.root / "sys/block" / name).symlink_to(real)
        return self.root / "dev" / name if octets else disk_file(self.root / "dev" / name)

    def installed(self, name: str) -> bool:
        disk = FileDisk(self.root / "dev" / name, read_only=True)
        try:
            return running_slot(gpt.read(disk), self.medium.root_hash) == "a"
        except gpt.Damaged:
            return False
        finally:
            disk.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def nobody(*_: Any) -> None: ...


def test_sysfs_says_what_is_there(bench: Bench) -> None:
    bench.disk("sdb", 16, serial="WD-7")
    with bench.disk("sdc", 32).open("r+b") as file:
        file.write(b"LUKS\xba\xbe")
    (bench.root / "sys/block/loop0").mkdir()
    part = bench.root / "sys/devices/pci0/ata1/block/sdc/sdc1"
    (part / "holders/dm-3").mkdir(parents=True)
    (part / "partition").write_text("1\n")
    bench.disk("sdd", 253)
    found = {d.name: d for d in bench.installer.disks()}
    assert set(found) == {"sda", "sdb", "sdc", "sdd"}
    assert found["sda"].runs and found["sda"].usb and found["sda"].labels[0] == "esp"
    assert found["sdb"] == Disk("sdb", "DISK 1", "WD-7", 4 << 30, 512, False, False, False, False, False, ())
    assert found["sdc"].filled and found["sdc"].held and found["sdd"].held
    assert "WD-7" in found["sdb"].line and "empty" in found["sdb"].line and len(found["sda"].line) < 100


def test_an_installation_and_its_second(bench: Bench) -> None:
    bench.disk("sdb", 16, serial="WD-7")
    assert bench.installer.install("WD-7", "", "field:ann", nobody)
    assert bench.installed("sdb")
    assert bench.log.entries[-1][1:] == ("box.installed", "ok", {"disk": "WD-7"})
    with pytest.raises(Error, match="not empty"):
        bench.installer.install("sdb", "", "field:ann", nobody)
    bench.installer.install("sdb", "WD-7", "field:ann", nobody)
    with pytest.raises(Error, match="started from this disk"):
        bench.installer.install("sda", "", "field:ann", nobody)
    with pytest.raises(Error, match="there is no disk"):
        bench.installer.install("", "", "field:ann", nobody)


def test_a_box_is_repaired_and_keeps_its_state(bench: Bench) -> None:
    path = bench.disk("sdb", 16, serial="WD-7")
    with pytest.raises(Error, match="holds no box's state"):
        bench.installer.repair("sdb", "field:ann", nobody)
    bench.installer.install("sdb", "", "field:ann", nobody)
    state_on(path)
    assert STATE in bench.installer.disk("sdb").labels
    with pytest.raises(Error, match="the state of a box"):
        bench.installer.install("sdb", "", "field:ann", nobody)
    with FileDisk(path) as disk:
        disk.pwrite(gpt.slots(gpt.read(disk))["a"]["root"].offset, b"damaged")
    assert bench.installer.repair("sdb", "field:ann", nobody)
    assert bench.installed("sdb") and STATE in bench.installer.disk("sdb").labels
    assert bench.log.entries[-1][1:] == ("box.repaired", "ok", {"disk": "WD-7"})
    with pytest.raises(Error, match="started from this disk"):
        bench.installer.repair("sda", "field:ann", nobody)


def state_on(path: Path) -> None:
    """The state volume's partition, as the first start makes it."""
    with FileDisk(path) as disk:
        table = gpt.read(disk)
        last = table.partitions[-1]
        first = (last.offset + last.octets) // 512 + 2048
        row = struct.pack(
            "<16s16sQQQ72s",
            uuid.UUID(LINUX).bytes_le,
            uuid.uuid4().bytes_le,
            first,
            first + 4096,
            0,
            STATE.encode("utf-16-le"),
        )
        at = last.number * 128
        gpt.write(disk, table, table.entries[:at] + row + table.entries[at + 128 :])


def test_nothing_is_written_that_is_not_on_the_record(bench: Bench) -> None:
    bench.disk("sdb", 16)
    bench.log.down = True
    with pytest.raises(Error, match="away"):
        bench.installer.install("sdb", "", "field:ann", nobody)
    assert not bench.installed("sdb")


def test_a_machine_that_runs_no_image_says_what_to_start(bench: Bench) -> None:
    (bench.root / "proc/cmdline").write_text("quiet\n")
    with pytest.raises(Error) as told:
        bench.installer.needed()
    assert told.value.code == "not_found" and "USB stick" in told.value.hint
    with pytest.raises(Error, match="no start from a release"):
        _ = Installer(bench.updates, bench.root).running


# --- site files -----------------------------------------------------------------------------------------------


@pytest.fixture
def bank(tmp_path: Path) -> Issuer:
    return Issuer("Bank", tmp_path / "bank")


def folder(place: Path, **keys: Any) -> Path:
    """A stick's folder before it is signed."""
    place.mkdir(exist_ok=True)
    said = {
        "until": "2026-12-31",
        "box": "SN-1",
        "disk": "only",
        "erase": False,
        "after": "off",
        "ssh_keys": [KEY],
        **keys,
    }
    (place / "site.toml").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in said.items()))
    (place / "casemate.toml").write_text('[network]\naddress = "10.1.2.3/24"\ntime_servers = ["10.1.0.1"]\n')
    (place / "first.password").write_text("secret\n")
    return place


def signed(stick: Path, key: building.Key) -> Path:
    return site.sign(stick, key.certificate, key.key)


def by(text: bytes, bank: Issuer) -> bytes:
    key = bank.issued("security")
    return openssl.signed(text, key.certificate, key.key)


def test_a_signed_site_file_installs_and_becomes_the_settings(bench: Bench, bank: Issuer, tmp_path: Path) -> None:
    trusted(bench.trust, bank)
    bench.disk("sdb", 16, serial="WD-7")
    stick = folder(tmp_path / "stick")
    signed(stick, bank.issued("security"))
    said = bench.installer.signed(stick, NOW_S)
    assert (said.signer, said.disk, said.after) == ("CN=security", "only", "off")
    assert bench.installer.unattended(said, "process:install", nobody) == "sdb" and bench.installed("sdb")
    assert site.take(said, tmp_path / "settings") == ["casemate.toml", "first.password", "ssh_keys"]
    assert (tmp_path / "settings/casemate.toml").read_bytes() == (stick / "casemate.toml").read_bytes()
    assert (tmp_path / "settings/ssh_keys").read_text() == KEY + "\n"
    with pytest.raises(Error, match="not one"):
        bench.installer.unattended(said, "process:install", nobody)  # it is not empty any more


def test_erase_needs_the_serial_number_in_what_was_signed(bench: Bench, bank: Issuer, tmp_path: Path) -> None:
    trusted(bench.trust, bank)
    with bench.disk("sdb", 16, serial="WD-7").open("r+b") as file:
        file.write(b"something")
    key = bank.issued("security")
    for erase, right in ((False, False), (True, True)):
        signed(folder(tmp_path / "stick", disk="WD-7", erase=erase), key)
        said = bench.installer.signed(tmp_path / "stick", NOW_S)
        if right:
            bench.installer.unattended(said, "process:install", nobody)
        else:
            with pytest.raises(Error, match="not empty"):
                bench.installer.unattended(said, "process:install", nobody)
    assert bench.installed("sdb")


def _append(path: Path, octets: bytes) -> None:
    path.write_bytes(path.read_bytes() + octets)


def spoiled(name: str, stick: Path, bank: Issuer, bench: Bench) -> int:
    """Makes the stick wrong in one way; the time at which it is read."""
    held, at = stick / "site.p7s", NOW_S
    if name == "absent":
        held.unlink()
    elif name == "authority":
        (bench.trust / "authority/0.pem").unlink()
    elif name == "large":
        _append(stick / "first.password", bytes(site.OCTETS_MAX))
    elif name == "unsigned":
        held.write_bytes(b'{"form": "casemate site 1"}')
    elif name == "changed":
        octets = held.read_bytes()
        held.write_bytes(octets.replace(b'"only"', b'"ONLY"'))
    elif name == "signers":
        words = ["cms", "-resign", "-inform", "DER", "-outform", "DER", "-nodetach", "-binary", "-in", str(held)]
        other = bank.issued("other")
        code, octets, said = openssl.run([*words, "-signer", other.certificate, "-inkey", other.key])
        assert code == 0, said
        held.write_bytes(octets)
    elif name == "stranger":
        signed(stick, Issuer("Eve", stick.parent / "eve").issued("security"))
    elif name == "revoked":
        key = bank.issued("security")
        (bench.trust / "revoked.crl").write_bytes(bank.revoked(1, key))
        signed(stick, key)
    elif name == "expired":
        signed(stick, bank.issued("old", NOW - YEAR, NOW - timedelta(days=1)))
    elif name == "form":
        held.write_bytes(by(b'{"form": "casemate site 2", "site": {}, "files": {}}', bank))
    elif name == "late":
        at = NOW_S + 86_400 * 61
    elif name == "other":
        signed(folder(stick, box="SN-2"), bank.issued("security"))
    elif name == "missing":
        (stick / "first.password").unlink()
    elif name == "digest":
        _append(stick / "casemate.toml", b"# changed\n")
    elif name == "settings":
        text = b'[network]\nadress = "x"\n'
        (stick / "casemate.toml").write_bytes(text)
        import hashlib

        said = json.loads(openssl.verified(held.read_bytes())[0])
        said["files"]["casemate.toml"] = hashlib.sha256(text).hexdigest()
        held.write_bytes(by(json.dumps(said).encode(), bank))
    return at


@pytest.mark.parametrize("name", site.REFUSALS)
def test_every_bad_site_file_is_refused_with_what_to_do(bench: Bench, bank: Issuer, tmp_path: Path, name: str) -> None:
    trusted(bench.trust, bank)
    stick = folder(tmp_path / "stick")
    signed(stick, bank.issued("security"))
    at = spoiled(name, stick, bank, bench)
    with pytest.raises(Error) as told:
        bench.installer.signed(stick, at)
    code, _, hint = site.REFUSALS[name]
    assert (told.value.detail.get("why"), told.value.code, told.value.hint) == (name, code, hint)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"until": "soon"}, "until is no day"),
        ({"disk": ""}, "serial number"),
        ({"erase": True}, "serial number"),
        ({"after": "sleep"}, "after is one of"),
        ({"erase": "yes"}, "erase is no bool"),
        ({"colour": "red"}, "no key 'colour'"),
        ({"ssh_keys": ["ssh-rsa AAAA"]}, "Ed25519 or ECDSA"),
        ({"ssh_keys": [f'command="x" {KEY}']}, "Ed25519 or ECDSA"),
    ],
)
def test_the_desk_refuses_what_a_box_would(bank: Issuer, tmp_path: Path, keys: dict[str, Any], why: str) -> None:
    with pytest.raises(Error, match=why):
        signed(folder(tmp_path / "stick", **keys), bank.issued("security"))
    assert not (tmp_path / "stick/site.p7s").exists()


def test_the_desk_refuses_settings_that_are_none(bank: Issuer, tmp_path: Path) -> None:
    stick = folder(tmp_path / "stick")
    (stick / "casemate.toml").write_text("[network]\naddres = 1\n")
    with pytest.raises(Error, match="cannot be used"):
        signed(stick, bank.issued("security"))
    (stick / "casemate.toml").unlink()
    with pytest.raises(Error, match=r"has no casemate\.toml"):
        signed(stick, bank.issued("security"))
