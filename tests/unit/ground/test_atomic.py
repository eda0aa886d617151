"""A file that is replaced is the old one or the new one, with the mode it is to have, and nothing lies beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance import atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["è\n", "è\n".encode()])
def test_it_is_written_whole_whatever_the_umask(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "state.json"
    path.write_text("a longer one that was there before")
    before = os.umask(0o077)
    try:
        atomic.write(path, content, 0o640)
    finally:
        os.umask(before)
    assert path.read_bytes() == "è\n".encode() and path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["state.json"]


def test_without_a_mode_the_umask_says_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic.write(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_mode_and_owner_of_what_was_there_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "casemate.toml"
    path.write_text("")
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1235)
    was = path.stat()
    atomic.write(path, "x = 1\n", 0o600, like_before=True)
    now = path.stat()
    assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
    atomic.write(tmp_path / "fresh", "", 0o600, like_before=True)
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o600


def test_a_link_that_lies_there_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("untouched")
    path = tmp_path / "report"
    path.symlink_to(other)
    (tmp_path / f".report.{os.getpid()}").symlink_to(other)
    atomic.write(path, "mine", like_before=True)
    assert other.read_text() == "untouched" and path.read_text() == "mine" and not path.is_symlink()
    assert names(tmp_path) == ["other", "report"]


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_what_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "state"
    path.write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space"):
        atomic.write(path, "after", 0o600)
    assert path.read_text() == "before" and names(tmp_path) == ["state"]


def test_only_what_is_durable_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    atomic.write(tmp_path / "a", "", durable=False)
    assert not synced
    atomic.write(tmp_path / "a", "")
    assert len(synced) == 2  # the file, and its name in the folder
