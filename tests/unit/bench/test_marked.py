"""Loads whose messages are known again, and what is made of a kill and of a recovery: no socket."""

from __future__ import annotations

from pathlib import Path

from appliance.bench.load import told_single
from appliance.bench.marked import Marked, submitted
from appliance.bench.numbered import digest_of
from appliance.bench.peer import Side, Turn, _kill_rows, _ratio
from appliance.bench.standing import _recovered


def test_what_was_accepted_is_known_by_its_text() -> None:
    load = Marked("http://127.0.0.1:1", 1, 10, told_single, lambda n, to, text: f"{n} {to} {text}".encode())
    assert load.request(7) == b"7 +393470000007 Avviso otp 0-7"
    load.accepted_turn(7, b'{"id": "x", "segments": 1}')
    assert load.taken == [7] and load.ids == {7: "x"} and load.digests[7] == digest_of("Avviso otp 0-7")


def test_the_journal_counts_each_text(tmp_path: Path) -> None:
    one, other = digest_of("a"), digest_of("b")
    path = tmp_path / "journal"
    path.write_text(f"1\t+39\t\t{one.hex()}\t1\n2\t+39\t\t{one.hex()}\t1\n3\t+39\t\t{other.hex()}\t1\n4\t+39\t\tab")
    assert submitted(path) == {one: 2, other: 1}  # a line that is being written is none yet


def test_a_kill_is_counted_by_text() -> None:
    load = Marked("http://127.0.0.1:1", 1, 10, told_single, lambda n, to, text: b"")
    for turn in range(4):
        load.request(turn)
        if turn < 3:
            load.accepted_turn(turn, b"{}")
    rows = _kill_rows("x", load, {load.digests[0]: 2, load.digests[1]: 1, load.digests[3]: 1}, 0, 1, 5)
    assert [row.value for row in rows] == [3, 1, 0, 1, 5]


def test_ratios_are_of_windows_side_by_side() -> None:
    ours, theirs = (Side(name, lambda: None, lambda: 0, True) for name in "ab")  # type: ignore[arg-type,return-value]
    ours.turns = [Turn(0, lives, 0, 0) for lives in (100, 10, 300)]
    theirs.turns = [Turn(0, lives, 0, 0) for lives in (10, 10, 100)]
    assert _ratio(ours, theirs) == 3.0 and ours.of("lives") == 100 and ours.late == ""
    theirs.turns[0] = Turn(0, 0, 0, 0)
    assert "at least" in theirs.late


def test_a_recovery_is_at_full_rate_when_it_does_what_it_does_later() -> None:
    points = [(n / 10, max(0, n - 20) * 100 if n < 60 else 4_000 + (n - 60) * 200) for n in range(121)]
    told = _recovered(16_000, 16_000, [(at, float(n)) for at, n in points], (2.5, 1.1), 0, 16_000)
    assert told.of("first submit after the start") == 2.1 and told.of("full rate") == 2_000
    assert told.of("first submit after the engine's start") == 1.0
    assert 6.0 < told.of("full rate after the start") < 7.1 and told.faults == []
    lost = _recovered(9, 9, [(0.0, 0), (1.0, 5)], (0.5, 0.2), 4, 5)
    assert len(lost.faults) == 2 and lost.of("full rate after the start") == -1
