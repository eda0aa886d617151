"""Who may sign releases for a box made from the image: a development authority of the builder's own, or the vendor's folder; and the bundle itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from firmware import Authority, Bundle, Refused, check
from firmware.release import uuids_of
from firmware.trust import Box
from image import trust
from image.recipe import Fault
from tests.support.release_keys import NOW, parts, release

NOBODY = Box(
    "casemate", "x86_64-uefi-qemu-q35", "SN-1", "0.1.0", "0", int(NOW.timestamp()), 0, frozenset(), frozenset()
)


def test_development_keys_are_made_once_and_trusted(tmp_path: Path) -> None:
    folder = trust.trusted(tmp_path, None)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert trust.trusted(tmp_path, None) == folder and {p: p.read_bytes() for p in before} == before
    assert (folder / "release.key").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (folder / "authority").iterdir()] == ["development.pem"], (
        "no private key goes into the root"
    )


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_folder_that_trusts_nobody_stops_the_build(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "authority").mkdir()
    if text is not None:
        (tmp_path / "authority/a.pem").write_text(text)
    with pytest.raises(Fault):
        trust.trusted(tmp_path, tmp_path)


@pytest.mark.skipif(shutil.which("rauc") is None, reason="rauc is not installed")
def test_what_was_built_becomes_a_bundle_that_such_a_box_takes(tmp_path: Path) -> None:
    out, work, said = tmp_path / "out", tmp_path / "work", release("0.2.0")
    (work / "verity").mkdir(parents=True)
    out.mkdir()
    made = parts(tmp_path / "parts")
    rows = []
    for part, kind in (
        ("root", "root-x86-64"),
        ("verity", "root-x86-64-verity"),
        ("signature", "root-x86-64-verity-sig"),
    ):
        shutil.copyfile(made[part], work / f"verity/{part}.raw")
        rows.append({"type": kind, "split_path": f"/build/work/verity/{part}.raw", "uuid": said.uuids[part]})
    rows[0]["roothash"] = said.root_hash
    with pytest.raises(Fault, match="no build"):
        trust.bundle(out, tmp_path, "casemate-0.2.0", "0.2.0", 1, "", trust.development(tmp_path), "0", "0")
    (work / "verity/said.json").write_text(json.dumps(rows))
    shutil.copyfile(made["kernel"], out / "casemate-0.2.0.efi")
    shutil.copyfile(made["components"], out / "casemate-0.2.0.cdx.json")
    folder = trust.trusted(tmp_path / "keys", None)
    key = trust.development(folder)
    path = trust.bundle(
        out, work, "casemate-0.2.0", "0.2.0", int(NOW.timestamp()), "What is new.\n", key, "0.1.0", "0.1.0"
    )
    import time

    box = NOBODY._replace(now_s=int(time.time())) if hasattr(NOBODY, "_replace") else NOBODY
    with Bundle(path) as bundle:
        found = check(bundle, Authority.at(folder), box, [], None)
        assert found.release.version == "0.2.0" and found.release.uuids["root"] == uuids_of(said.root_hash)[0]
        with pytest.raises(Refused, match=r"untrusted|stranger|signer|trust"):
            check(bundle, Authority([]), box, [], None)
