"""The beginning of a log goes when nobody needs it, and all that stays is as provable as before."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest

from appliance.audit import publish
from appliance.audit.note import Checkpoint
from appliance.audit.pruning import DAY_MS, Needed, bound, cutoff, upto
from appliance.audit.reading import Reading
from appliance.audit.tree import WIDTH, Tile, consistency_proof, extends, nodes
from appliance.audit.verify import verify
from appliance.audit.witness import Witnesses
from appliance.errors import Error
from tests.support.auditlog import Log

NEEDED = Needed(signed=10_000, reviewed=9_000, cosigned=None, forwarded=None)


def test_what_is_needed_stays_whatever_its_age() -> None:
    assert bound(NEEDED) == 9_000
    assert bound(NEEDED._replace(cosigned=700)) == 700
    assert bound(NEEDED._replace(forwarded=0)) == 0
    old = lambda low, high: "2020"  # noqa: E731
    assert upto(0, NEEDED._replace(cosigned=700), "2026", old) == 512
    assert upto(512, NEEDED._replace(cosigned=700), "2026", old) == 512
    assert upto(1024, NEEDED._replace(cosigned=0), "2026", old) == 1024  # never back


def test_one_entry_that_is_younger_keeps_its_tile() -> None:
    assert upto(0, NEEDED, "2026", lambda low, high: "2025" if high <= 512 else "2026") == 512


def test_a_legal_hold_keeps_its_days_and_what_came_after() -> None:
    now = 20_000 * DAY_MS + 5
    assert cutoff(now, 400, []) == cutoff(19_600 * DAY_MS, 0, [])
    assert cutoff(now, 400, [19_700]) == cutoff(now, 400, [])
    assert cutoff(now, 400, [19_000, 19_700]) == cutoff(19_000 * DAY_MS, 0, [])


class Pruned:
    """A log of `size` entries of which those before `minimum` went."""

    def __init__(self, home: Path, size: int, minimum: int) -> None:
        self.log = Log(home)
        self.log.add(minimum)
        self.old = self.log.publish()
        self.log.add(size - minimum)
        self.log.publish()
        self.log.journal.prune(minimum)
        self.gone = self.log.publisher.prune(minimum)


@pytest.mark.parametrize(("size", "minimum", "look_back"), [(700, 512, 65_536), (1_300, 512, 256)])
def test_what_stays_verifies_and_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, minimum: int, look_back: int
) -> None:
    """Also when a restart hashes again from beyond the minimum on."""
    monkeypatch.setattr(publish, "LOOK_BACK", look_back)
    made = Pruned(tmp_path / "home", size, minimum)
    log = made.log
    assert made.gone == 2 * (minimum // WIDTH)
    assert log.publisher.prune(minimum) == 0  # cut off, it goes on
    report = verify(log.folder, log.verifier.vkey(), [made.old])
    assert report.ok, report.problems
    assert f"entries 0 to {minimum - 1} were pruned: only their hashes are checked" in report.remarks
    out = log.export(tmp_path / "out")
    assert verify(out, log.verifier.vkey(), [made.old]).ok
    assert verify(log.archive(tmp_path / "out.tar"), log.verifier.vkey()).ok
    assert not (out / "tile/entries/000").exists()
    # a restart takes it up, and it grows
    log.close()
    log = Log(tmp_path / "home")
    assert (log.journal.first(), log.size, log.publisher.minimum) == (minimum, size, minimum)
    log.add(300)
    log.publish()
    assert verify(log.folder, log.verifier.vkey(), [made.old]).ok
    checkpoint = log.publisher.checkpoint
    assert checkpoint is not None
    reading = Reading(log.publisher.journal, log.shelf)
    assert reading.verify(log.publisher.note)["ok"]
    proof = tmp_path / "one.tlog-proof"
    proof.write_text(reading.proof(minimum + 1, checkpoint, log.publisher.note))
    assert verify(proof, log.verifier.vkey()).ok
    _consistent(log, made.old, checkpoint)
    log.close()


def _consistent(log: Log, old: str, new: Checkpoint) -> None:
    """tlog-tiles: a consistency proof between any two trees whose sizes are the minimum or more."""
    _, size, root = old.split("\n")[:3]
    proof = consistency_proof(int(size), new.size, nodes(new.size, log.shelf.read))
    assert extends(int(size), base64.b64decode(root), new.size, new.root, proof)
    assert Witnesses(log.shelf.folder, []).request(int(size), new, log.publisher.note).startswith(f"old {size}\n")
    with pytest.raises(Error) as caught:
        Witnesses(log.shelf.folder, []).request(int(size) - 1, new, log.publisher.note)
    assert "were pruned" in caught.value.message


def test_a_minimum_that_was_made_up_hides_nothing(tmp_path: Path) -> None:
    """Whoever cuts the beginning off and says that it was pruned needs the tops, which the root covers; a store with a hole is refused."""
    made = Pruned(tmp_path / "home", 700, 256)
    made.log.journal.prune(512)
    made.log.close()
    log = Log(tmp_path / "home")  # the store was pruned further, and the crash came before the tiles went
    assert log.publisher.minimum == 512
    assert (log.folder / "minimum").read_text() == "512\n"
    out = Path(shutil.copytree(log.folder, tmp_path / "bad"))
    octets = bytearray((out / Tile(1, 0, 2).path()).read_bytes())
    octets[0] ^= 1
    (out / Tile(1, 0, 2).path()).write_bytes(octets)
    assert not verify(out, log.verifier.vkey()).ok
    log.journal._conn.execute("DELETE FROM entry WHERE place = 512")
    log.close()
    with pytest.raises(Error) as caught:
        Log(tmp_path / "home")
    assert caught.value.code == "audit_invalid"
