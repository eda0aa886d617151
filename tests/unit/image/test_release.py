"""The release folder's list of checksums, and whose keys signed it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from image.recipe import Fault
from image.release import signer_fits, with_sums


def test_what_is_added_later_stands_in_its_place(tmp_path: Path) -> None:
    for name, octets in (("b.raw", b"one"), ("a.qcow2", b"two")):
        (tmp_path / name).write_bytes(octets)
    first = with_sums("", {"b.raw": hashlib.sha256(b"one").hexdigest(), "a.qcow2": "0" * 64})
    text = with_sums(first, {"a.qcow2": hashlib.sha256(b"two").hexdigest()})
    assert [line.split("  ")[1] for line in text.splitlines()] == ["a.qcow2", "b.raw"]
    (tmp_path / "SHA256SUMS").write_text(text, encoding="ascii")
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("own", [None, b"other"])
def test_checksums_are_not_signed_anew_by_other_keys(tmp_path: Path, own: bytes | None) -> None:
    keys, out = tmp_path / "keys", tmp_path / "out"
    keys.mkdir()
    out.mkdir()
    (out / "casemate-1.root.crt").write_bytes(b"right")
    if own is not None:
        (keys / "root.crt").write_bytes(own)
    with pytest.raises(Fault, match="other keys"):
        signer_fits(keys, out, "casemate-1")
    (keys / "root.crt").write_bytes(b"right")
    signer_fits(keys, out, "casemate-1")
