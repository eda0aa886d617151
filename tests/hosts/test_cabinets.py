"""Firmware of hardware on the shipped root, in a container: a vendor's cabinet is asked for by one person, approved by another, and written by the unit that
waits for it, through fwupd's own daemon to fwupd's own test device (fwupd.conf(5), TestDevices). What fwupd or the box refuses is refused with its reason.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware.building import Key
from tests.support.cabinets import DEVICE, GUID, made, payload
from tests.support.release_keys import Issuer

UNIT = "casemate-hardware"
TRUST = "/usr/share/casemate/trust/hardware/authority/claim.pem"
CONF = "/etc/fwupd/fwupd.conf"
HOME = "/var/lib/casemate/updates"
WAIT_S_MAX = 300


class Vendor:
    """Makes cabinets and lays them into the container."""

    def __init__(self, host: Any, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.issuer = Issuer("Example Hardware authority", folder / "vendor")
        self.key = self.issuer.issued("Firmware 2026")

    def lay(self, path: Path, place: str) -> str:
        there = Path("/proc", self.host.backend.leader, "root", place.lstrip("/"))
        shutil.copyfile(path, there)
        there.chmod(0o644)
        return place

    def cabinet(self, name: str, version: str, key: Key | None, **more: Any) -> str:
        """Its place in the container."""
        return self.lay(made(self.folder / name, version, key, **more), f"/tmp/{name}")

    def shown(self, place: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.host.run(f"casemate hardware show --json {place}").stdout)
        return found


@pytest.fixture(scope="module")
def vendor(request: pytest.FixtureRequest, host: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    if request.config.getoption("--box"):
        pytest.skip("no firmware is made for a box that works")
    it = Vendor(host, tmp_path_factory.mktemp("cabinets"))
    it.lay(it.issuer.path, TRUST)
    host.check_output(f"cp {CONF} /tmp/fwupd.conf; sed -i 's/^\\[fwupd\\]$/[fwupd]\\nTestDevices=true/' {CONF}")
    host.check_output(f"mkdir -p /run/systemd/system/{UNIT}.path.d")
    host.check_output(f"printf '[Unit]\\nConditionVirtualization=\\n' > /run/systemd/system/{UNIT}.path.d/claim.conf")
    for name in ("ann", "bob"):
        host.check_output(f"echo '{name} has four words here' > /tmp/{name}; chmod 644 /tmp/{name}")
        host.check_output(f"casemate user create claim-{name} --role administrator --password-file /tmp/{name}")
    host.check_output(f"systemctl daemon-reload; systemctl start {UNIT}.path")
    host.check_output("systemctl start casemate-inventory")
    yield it
    host.run(f"systemctl stop {UNIT}.path; cp /tmp/fwupd.conf {CONF}; rm -rf {TRUST} {HOME}/hardware {HOME}/fwupd")


@pytest.fixture
def read(vendor: Vendor, host: Any) -> None:
    """The test device begins anew with each start of fwupd, and what root read of it last is what people see."""
    host.check_output("systemctl start casemate-inventory")


def asked(host: Any, place: str) -> int:
    done = host.run(f"casemate hardware ask {place} --reason claim --user claim-ann --password-file /tmp/ann")
    assert done.rc == 0, done.stderr
    return int(done.stdout.split()[1].rstrip(":"))


def approved(host: Any, number: int) -> dict[str, Any]:
    """What became of it, once the unit is done."""
    word = f"casemate hardware approve {number} --user"
    assert host.run(f"{word} claim-ann --password-file /tmp/ann").rc != 0, "who asked cannot approve"
    done = host.run(f"{word} claim-bob --password-file /tmp/bob")
    assert done.rc == 0, done.stderr
    until = time.monotonic() + WAIT_S_MAX
    while True:
        found = next(
            r for r in json.loads(host.check_output("casemate hardware status --json")) if r["number"] == number
        )
        if found["result"].get("state") not in (None, "begun"):
            result: dict[str, Any] = found["result"]
            return result
        assert time.monotonic() < until, host.run(f"systemctl status {UNIT}.path {UNIT}; journalctl -u {UNIT}").stdout
        time.sleep(0.5)


def test_the_devices_are_on_the_inventory(vendor: Vendor, host: Any) -> None:
    parts = json.loads(host.check_output("casemate firmware inventory --json"))["parts"]
    assert parts["fwupd.08d460be0f1f"] == "Integrated Webcam 1.2.2"


def test_it_is_shown_before_it_is_asked_for(read: None, vendor: Vendor) -> None:
    found = vendor.shown(vendor.cabinet("right.cab", "1.2.4", vendor.key))
    assert (found["name"], found["version"], found["guids"]) == ("FakeDevice", "1.2.4", [GUID])
    assert found["signer"] == "CN=Firmware 2026" and len(found["fingerprint"]) == 64
    assert [(f["device"], f["before"], f["after"]) for f in found["fits"]] == [(DEVICE, "1.2.2", "1.2.4")]


def test_two_people_have_it_written(read: None, vendor: Vendor, host: Any) -> None:
    place = vendor.cabinet("right.cab", "1.2.4", vendor.key)
    number = asked(host, place)
    host.check_output(f"rm {place}")  # the box keeps what was asked for
    result = approved(host, number)
    (row,) = result["devices"]
    assert (result["state"], row["before"], row["after"]) == ("applied", "1.2.2", "1.2.4"), row["said"]
    said = host.check_output("casemate audit entries --what hardware.applied")
    assert "1.2.4" in said
    assert host.run(f"test -e {HOME}/hardware/approved").rc != 0
    assert "casemate-hardware" not in host.check_output("systemctl --failed --plain --no-legend")


@pytest.mark.parametrize(
    "name, code",
    {
        "unsigned": "cabinet_unsigned",
        "wrong signer": "cabinet_signer",
        "tampered": "cabinet_tampered",
        "older": "cabinet_older",
        "same": "cabinet_same",
        "another device": "cabinet_device",
        "no cabinet": "cabinet_form",
    }.items(),
)
def test_it_is_refused(read: None, vendor: Vendor, host: Any, name: str, code: str, tmp_path: Path) -> None:
    """With its reason, on the record, and nothing can be asked for."""
    stranger = Issuer("Example Hardware authority", tmp_path / "stranger").issued("Firmware 2026")
    (tmp_path / "none.cab").write_bytes(b"MZ" * 500)
    place = {
        "unsigned": lambda: vendor.cabinet("a.cab", "1.2.4", None),
        "wrong signer": lambda: vendor.cabinet("b.cab", "1.2.4", stranger),
        "tampered": lambda: vendor.cabinet("c.cab", "1.2.4", vendor.key, over=payload("1.2.9")),
        "older": lambda: vendor.cabinet("d.cab", "1.2.1", vendor.key),
        "same": lambda: vendor.cabinet("e.cab", "1.2.2", vendor.key),
        "another device": lambda: vendor.cabinet(
            "f.cab", "1.2.4", vendor.key, guid="a" * 8 + "-1111-5111-8111-" + "b" * 12
        ),
        "no cabinet": lambda: vendor.lay(tmp_path / "none.cab", "/tmp/g.cab"),
    }[name]()
    found = vendor.shown(place)
    assert found["refused"] == code and found["hint"], found
    done = host.run(f"casemate hardware ask {place} --reason claim --user claim-ann --password-file /tmp/ann")
    assert done.rc == 1 and code in done.stderr
    assert "hardware.refused" in host.check_output("casemate audit entries --what hardware.refused")


def test_fwupd_itself_refuses_what_it_does_not_trust(vendor: Vendor, host: Any) -> None:
    """The last line: who could change the book and the folder, but not the daemon's settings. Its own words are told."""
    place = vendor.cabinet("stranger.cab", "1.2.4", None)
    script = (
        "import sys; from pathlib import Path; from appliance.updates import fwupd\n"
        "conf = Path('/tmp/open.conf'); conf.write_text('[fwupd]\\nTestDevices=true\\nOnlyTrusted=false\\n')\n"
        f"with fwupd.Fwupd(Path('/run/claim-fwupd'), [Path('{TRUST}').read_bytes()], conf) as running:\n"
        "    try:\n"
        f"        running.write(Path('{place}'), '{DEVICE}')\n"
        "    except fwupd.Failed as e:\n"
        "        print(e.number, e.said)\n"
    )
    path = vendor.folder / "direct.py"
    path.write_text(script, encoding="utf-8")
    done = host.run(f"/usr/lib/casemate/bin/python3 -P {vendor.lay(path, '/tmp/direct.py')}")
    assert done.stdout.startswith("7 firmware signature missing or not trusted"), done.stdout + done.stderr
    host.run("rm -rf /run/claim-fwupd /tmp/open.conf")


def test_what_changed_after_the_approval_is_not_written(read: None, vendor: Vendor, host: Any) -> None:
    host.check_output(f"systemctl stop {UNIT}.path")
    number = asked(host, vendor.cabinet("right.cab", "1.2.4", vendor.key))
    other = vendor.cabinet("other.cab", "1.2.5", vendor.key)
    host.check_output(f"cp {other} {HOME}/hardware/*.cab")
    host.check_output(f"systemctl start {UNIT}.path")
    result = approved(host, number)
    assert (result["state"], result["code"]) == ("refused", "cabinet_other")


def test_after_the_restart_it_is_asked_whether_it_came(read: None, vendor: Vendor, host: Any) -> None:
    """The test device says that it needs a restart, and then has its old firmware: that is told, too."""
    host.check_output(f"printf '[test]\\nNeedsReboot=true\\n' >> {CONF}")
    number = asked(host, vendor.cabinet("right.cab", "1.2.4", vendor.key))
    result = approved(host, number)
    assert (result["state"], result["devices"][0]["wanted"]) == ("restart", "1.2.4"), result
    host.check_output("systemctl start casemate-inventory")
    found = json.loads(host.check_output("casemate hardware status --json"))[0]["result"]
    assert (found["state"], found["devices"][0]["after"]) == ("failed", "1.2.2")
    assert "FAILED" in host.check_output("casemate audit entries --what hardware.applied")


def test_fwupd_is_closed(host: Any) -> None:
    """No remotes, nobody trusted by itself, no name on the bus, not the program that looks at no signature."""
    for place in ("/etc/fwupd/remotes.d", "/etc/pki/fwupd", "/etc/pki/fwupd-metadata"):
        assert host.check_output(f"ls -A {place}") == "", place
    assert host.run("busctl --system list --activatable --no-legend | grep -i fwupd").stdout == ""
    assert "OnlyTrusted=true" in host.check_output(f"cat {CONF}")
    assert host.run("command -v fwupdtool dbxtool gpg gpg-agent dirmngr").stdout == ""
    last = host.check_output(f"systemd-analyze security --no-pager {UNIT}").splitlines()[-1]
    assert float(last.split(":")[1].split()[0]) <= 4.0, last
