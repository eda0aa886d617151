"""What a medium is asked to keep: a boot entry that is renamed must not be without its content while the kernel takes its time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from firmware import FolderEsp


def test_a_renamed_entry_is_synced_under_its_new_name_and_then_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a FAT the new name has size and place of the file only after the file's own sync: power cut after a release was
    found good, the box had lost its entry."""
    esp = FolderEsp(tmp_path)
    esp.write("casemate_0.2.0+3.efi", iter([b"kernel"]))
    places = {(tmp_path / "casemate_0.2.0+3.efi").stat().st_ino: "file", tmp_path.stat().st_ino: "folder"}
    synced: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append((places[os.fstat(handle).st_ino], esp.names())))
    esp.rename("casemate_0.2.0+3.efi", "casemate_0.2.0.efi")
    assert synced == [("file", ["casemate_0.2.0.efi"]), ("folder", ["casemate_0.2.0.efi"])]
