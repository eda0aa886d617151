"""What the firewall dropped, as metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.dropped_numbers import FILE, DroppedNumbers


def test_both_ways_are_counted(tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text("in 12\nout 3\n", encoding="ascii")
    (metric,) = DroppedNumbers(tmp_path).collect()
    rows = {(row.name, row.labels["way"]): row.value for row in metric.samples}
    assert rows == {("casemate_dropped_packets_total", "in"): 12, ("casemate_dropped_packets_total", "out"): 3}


@pytest.mark.parametrize("text", [None, "", "in 1\n", "in one\nout 2\n", "in 1 2\nout 2\n"])
def test_without_a_firewall_of_its_own_nothing_is_said(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / FILE).parent.mkdir()
        (tmp_path / FILE).write_text(text, encoding="ascii")
    assert list(DroppedNumbers(tmp_path).collect()) == []
