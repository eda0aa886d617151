"""The image as qcow2 and OVA: qemu-img reads back what the raw one holds; the descriptor is what OVF asks for, and what it must not be is found."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from image import virtual

TEXT = virtual.envelope("casemate-0.2.0", "0.2.0", "casemate-0.2.0.vmdk", 1234)
FILES = {"casemate-0.2.0.vmdk": 1234}


def test_the_descriptor_has_no_fault() -> None:
    assert virtual.faults(TEXT, FILES) == []


@pytest.mark.parametrize(
    ("change", "to", "fault"),
    [
        ('ovf:size="1234"', 'ovf:size="1235"', "files are not those"),
        ('ovf:href="casemate', 'ovf:href="../casemate', "files are not those"),
        ('ovf:fileRef="file1"', 'ovf:fileRef="file2"', "of no file"),
        ("ovf:/disk/system", "ovf:/disk/other", "of no disk"),
        ("<rasd:Parent>3<", "<rasd:Parent>9<", "belongs to none"),
        ("<rasd:Connection>management<", "<rasd:Connection>bank<", "in no network"),
        ("<rasd:InstanceID>2<", "<rasd:InstanceID>1<", "one number"),
        ("<Info>Casemate 0.2.0</Info>", "", "has an Info"),
        ("DiskSection", "DiscSection", "not in their order"),
    ],
)
def test_a_wrong_descriptor_is_found(change: str, to: str, fault: str) -> None:
    assert change in TEXT
    assert any(fault in said for said in virtual.faults(TEXT.replace(change, to), FILES))


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
def test_both_hold_what_the_raw_image_holds(tmp_path: Path) -> None:
    raw = tmp_path / "casemate-0.2.0.raw"
    octets = os.urandom(300_000)
    with raw.open("wb") as file:
        file.truncate(8 << 20)
        file.seek(1 << 20)
        file.write(octets)
    small = virtual.qcow2(raw)
    said = json.loads(
        subprocess.run(["qemu-img", "info", "--output=json", small], capture_output=True, check=True).stdout
    )
    assert said["format"] == "qcow2" and said["virtual-size"] == virtual.DISK_GIB << 30
    made = virtual.ova(raw, "0.2.0", 1_760_000_000, small)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["casemate-0.2.0.ova", "casemate-0.2.0.qcow2", raw.name]
    with tarfile.open(made) as tar:
        assert [m.name for m in tar] == ["casemate-0.2.0.ovf", "casemate-0.2.0.mf", "casemate-0.2.0.vmdk"]
        tar.extractall(tmp_path / "out")  # its own; filter= is not in every Python 3.11
    manifest = (tmp_path / "out/casemate-0.2.0.mf").read_text()
    for name, digest in re.findall(r"^SHA256\((.+)\)= ([0-9a-f]{64})$", manifest, re.M):
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    back = tmp_path / "back.raw"
    for form, path in (("vmdk", tmp_path / "out/casemate-0.2.0.vmdk"), ("qcow2", small)):
        subprocess.run(["qemu-img", "convert", "-f", form, "-O", "raw", path, back], check=True)
        assert back.stat().st_size == virtual.DISK_GIB << 30
        with back.open("rb") as file:
            assert file.read(8 << 20) == raw.read_bytes()
