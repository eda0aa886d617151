"""Waits of single messages, from what the load and the operator wrote down."""

from __future__ import annotations

from pathlib import Path

from appliance.bench.numbered import digest_of
from appliance.bench.paced import Asked, submitted_s, waits_ms


def test_the_first_submit_of_a_text_counts(tmp_path: Path) -> None:
    one, other = digest_of("a"), digest_of("b")
    path = tmp_path / "attempts"
    path.write_text(f"88\t1\t{one.hex()}\t1000.250\n0\t1\t{one.hex()}\t2000.000\n0\t1\t{other.hex()}\t3000.5\n")
    assert submitted_s(path) == {one: 1.00025, other: 3.0005}


def test_waits_of_what_was_accepted() -> None:
    sent = {b"a": Asked(1.0, 1.010), b"b": Asked(2.0, 2.020), b"c": Asked(3.0, 0.0), b"d": Asked(4.0, 4.001)}
    answered, left, whole, missing = waits_ms(sent, {b"a": 1.015, b"b": 2.015, b"c": 3.1})
    assert [round(x, 6) for x in answered] == [10, 20]
    assert [round(x, 6) for x in left] == [5, 0]  # on its way before the answer had come back
    assert [round(x, 6) for x in whole] == [15, 15]
    assert missing == 1
