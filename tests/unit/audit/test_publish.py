"""From journal to files and back: what a crash leaves is mended, what somebody changed is not added to."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import publish
from appliance.audit.note import Checkpoint, signed
from appliance.audit.tree import tiles
from appliance.audit.verify import verify
from appliance.errors import Error
from tests.support.auditlog import Log


def again(log: Log) -> Log:
    log.close()
    return Log(log.home)


def verdict(log: Log) -> list[str]:
    return [f"{p.code} {p.place}" for p in verify(log.folder, log.verifier.vkey()).problems]


@pytest.fixture
def log(tmp_path: Path) -> Any:
    made = Log(tmp_path)
    made.add(1_000)
    made.publish()
    yield made
    made.close()


def test_checkpoints_of_every_size_verify(tmp_path: Path) -> None:
    log = Log(tmp_path)
    kept: list[str] = []
    for count in (1, 1, 253, 1, 1, 255, 256, 300):
        log.add(count)
        kept.append(log.publish())
        for old in kept:
            report = verify(log.folder, log.verifier.vkey(), [old])
            assert report.ok, report
            assert report.size == log.size
    assert {t.path() for t in tiles(log.size)} <= {
        str(p.relative_to(log.folder)) for p in log.folder.rglob("*") if p.is_file()
    }
    assert not list(log.folder.glob("tile/[0e]*/000.p"))  # full tiles took their place
    log.close()


def test_a_restart_goes_on_where_it_was(log: Log) -> None:
    log = again(log)
    assert log.publisher.edge.size == 1_000
    log.add(300)
    log.publish()
    assert verdict(log) == []
    log.close()


def test_a_crash_between_journal_and_files(log: Log) -> None:
    """The checkpoint was said to the journal, and its file is still the one before; newer tiles are there already."""
    log.add(500)
    checkpoint = log.publisher.advance(log.size)
    log.journal.say(checkpoint=signed(checkpoint, log.verifier, log.private.sign(checkpoint.body())))
    log.add(100)
    log.publisher.advance(log.size)
    log = again(log)
    assert log.publisher.checkpoint == checkpoint
    assert verdict(log) == []
    log.publish()
    assert verdict(log) == []
    log.close()


@pytest.mark.parametrize(
    "what", ["tile", "tile/0", "tile/0/001", "tile/entries/003.p/232", "tile/1", "checkpoint", "verifier.vkey", "."]
)
def test_lost_files_are_made_again(log: Log, what: str) -> None:
    path = log.folder / what
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    log = again(log)
    assert verdict(log) == []
    log.add(10)
    log.publish()
    assert verdict(log) == []
    log.close()


def test_a_damaged_tile_is_made_again(log: Log) -> None:
    path = log.folder / "tile" / "0" / "002"
    path.write_bytes(bytes(8192))
    assert verdict(log)
    log = again(log)
    assert verdict(log) == []
    log.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET entry = replace(entry, 'batch:3', 'batch:4') WHERE place = 3",
        "DELETE FROM entry WHERE place = 999",
        "DELETE FROM entry WHERE place = 500",
        "DELETE FROM entry",
        "UPDATE entry SET place = -1 WHERE place = 0",
    ],
)
def test_a_changed_journal_is_not_added_to(log: Log, statement: str) -> None:
    log.journal._conn.execute(statement)
    before = {p: p.read_bytes() for p in log.folder.rglob("*") if p.is_file()}
    with pytest.raises(Error) as caught:
        again(log)
    assert caught.value.code == "audit_invalid"
    assert {p: p.read_bytes() for p in log.folder.rglob("*") if p.is_file()} == before  # evidence stays as it was


def test_a_checkpoint_of_another_key_or_name_is_refused(log: Log) -> None:
    other = Checkpoint("other.example", 1_000, log.publisher.edge.root())
    note = signed(other, log.verifier, log.private.sign(other.body()))
    log.journal.say(checkpoint=note)
    with pytest.raises(Error, match=r"other\.example"):
        again(log)


def test_a_forged_checkpoint_is_refused(log: Log) -> None:
    note = log.publisher.note.replace("\n1000\n", "\n0999\n")
    log.journal.say(checkpoint=note)
    with pytest.raises(Error) as caught:
        again(log)
    assert caught.value.code == "audit_invalid"


def test_large_logs_are_anchored_in_their_upper_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above 65,536 entries a start hashes only the last ones; the tiles stand for the others, and a lost one costs a full pass."""
    log = Log(tmp_path)
    log.add_alike(65_536 + 700)
    log.publish()
    hashed: list[int] = []
    plain = publish.leaf_hash
    monkeypatch.setattr(publish, "leaf_hash", lambda entry: hashed.append(1) or plain(entry))
    log = again(log)
    assert len(hashed) == 2 * 700
    shutil.rmtree(log.folder / "tile" / "2")
    hashed.clear()
    log = again(log)
    assert len(hashed) == 2 * (65_536 + 700)
    assert verdict(log) == []
    log.close()


def test_a_full_disk_leaves_the_last_checkpoint(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.add(600)
    real, written = publish.Shelf._draft, []

    def full(self: Any, path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) == 3:
            monkeypatch.setattr("os.fsync", _no_space)
        real(self, path, data)

    fsync = __import__("os").fsync
    monkeypatch.setattr(publish.Shelf, "_draft", full)
    with pytest.raises(Error) as caught:
        log.publish()
    assert caught.value.code == "store_full"
    assert not list(log.folder.rglob(".*.new"))
    assert verdict(log) == []
    assert log.publisher.edge.size == 1_000
    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr(publish.Shelf, "_draft", real)
    log.publish()
    assert verdict(log) == []


def _no_space(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
