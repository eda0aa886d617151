"""Cabinets as a vendor makes them: put together by gcab, signed by jcat-tool; for fwupd's own test device. And bare ones, octet by octet."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

from firmware.building import Key

GUID = "b585990a-003e-5270-89d5-3705a17f9a43"  # the webcam of fwupd's plugin `test`
DEVICE = "08d460be0f1f9f128413f816022a6439e0078018"
_METAINFO = """<?xml version="1.0" encoding="UTF-8"?>
<component type="firmware">
  <id>com.example.{name}.firmware</id>
  <name>{name}</name>
  <provides><firmware type="flashed">{guid}</firmware></provides>
  <metadata_license>CC0-1.0</metadata_license>
  <project_license>LicenseRef-proprietary</project_license>
  <developer_name>Example Hardware</developer_name>
  <custom>
    <value key="LVFS::VersionFormat">triplet</value>
    <value key="LVFS::UpdateProtocol">com.acme.test</value>
  </custom>
  <releases>
    <release version="{version}" date="2026-09-01" urgency="high">
      <checksum type="sha256" filename="firmware.bin" target="content">{digest}</checksum>
    </release>
  </releases>
</component>
"""


def payload(version: str) -> bytes:
    """What the test device reads its new version from."""
    major, minor, micro = map(int, version.split("."))
    return f"0x{major << 24 | minor << 16 | micro:07x}".encode()


def metainfo(version: str, content: bytes, guid: str = GUID, name: str = "FakeDevice") -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return _METAINFO.format(name=name, guid=guid, version=version, digest=digest).encode()


def bare(files: dict[str, bytes], packed: bool = False, flags: int = 0) -> bytes:
    """An MS-CAB of one folder, stored or MSZIP."""
    content = b"".join(files.values())
    blocks, before = [], b""
    for at in range(0, len(content), 32_768):
        plain = content[at : at + 32_768]
        if packed:
            deflate = (
                zlib.compressobj(9, zlib.DEFLATED, -15, zdict=before[-32_768:])
                if before
                else zlib.compressobj(9, zlib.DEFLATED, -15)
            )
            data = b"CK" + deflate.compress(plain) + deflate.flush()
        else:
            data = plain
        before = plain
        blocks.append(struct.pack("<IHH", 0, len(data), len(plain)) + data)
    listed, begin = b"", 0
    for name, octets in files.items():
        listed += struct.pack("<IIHHHH", len(octets), begin, 0, 0, 0, 0) + name.encode() + b"\0"
        begin += len(octets)
    first = 36 + 8
    body = struct.pack("<IHH", first + len(listed), len(blocks), int(packed)) + listed + b"".join(blocks)
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, 36 + len(body), 0, first, 0, 3, 1, 1, len(files), flags, 0, 0)
    return head + body


def jcat(**blobs: list[dict[str, object]]) -> bytes:
    """A Jcat file; the names of files with `_` for `.`."""
    items = [{"Id": name.replace("_", "."), "Blobs": rows} for name, rows in blobs.items()]
    return gzip.compress(json.dumps({"JcatVersionMajor": 0, "JcatVersionMinor": 1, "Items": items}).encode(), mtime=0)


def plain(version: str = "1.2.4", guid: str = GUID, name: str = "FakeDevice") -> bytes:
    """A cabinet that nobody signed."""
    content = payload(version)
    return bare({"firmware.bin": content, "firmware.metainfo.xml": metainfo(version, content, guid, name)})


def made(
    place: Path,
    version: str,
    key: Key | None,
    guid: str = GUID,
    name: str = "FakeDevice",
    packed: bool = True,
    over: bytes = b"",
) -> Path:
    """A cabinet at `place`. Without `key` nobody signs it; `over` is what lies in it instead of what was signed."""
    content = payload(version)
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        (folder / "firmware.bin").write_bytes(content)
        (folder / "firmware.metainfo.xml").write_bytes(metainfo(version, over or content, guid, name))
        files = ["firmware.bin", "firmware.metainfo.xml"]
        for file in files:
            _run(folder, "jcat-tool", "--basename", "self-sign", "--kind", "sha256", "firmware.jcat", file)
            if key is not None:
                _run(
                    folder, "jcat-tool", "--basename", "sign", "firmware.jcat", file, str(key.certificate), str(key.key)
                )
        if over:
            (folder / "firmware.bin").write_bytes(over)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        _run(
            folder,
            "gcab",
            "--create",
            *(["--zip"] if packed else []),
            "--nopath",
            str(place.absolute()),
            *files,
            "firmware.jcat",
        )
    return place


def _run(folder: Path, *words: str) -> None:
    subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=60)
