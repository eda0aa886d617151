"""A report is the same after it was written and read; its page, its picture and its comparison show what it holds."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from appliance.bench import bench
from appliance.bench.chart import drawn, step
from appliance.bench.comparing import compared
from appliance.bench.outcome import Figure, Outcome, Report, number, page, read, written
from appliance.errors import Error


def report(rate: float = 9_000.0, cpu: float = 40.0, sqlite: str = "3.53.4") -> Report:
    outcome = Outcome(
        "batch",
        "REST <4> & more",
        60.0,
        [Figure("full life", rate, "segments/s"), Figure("call, p99", 80.0, "ms", "less")],
        {"engine": cpu, "keys": 0.01},
        {"engine": 66.5},
        {"full lives/s": [(1.0, 8_000.0), (2.0, rate)], "accepted/s": [(1.0, 8_100.0), (2.0, 8_900.0)]},
        notes=["refused: HTTP 503 x 2"],
        faults=["3 lost"],
    )
    return Report({"processor": "a processor", "cores": 2, "sqlite": sqlite}, [outcome])


def test_written_and_read() -> None:
    told = read(written(report()))
    assert told == report() and told.outcomes[0].of("call, p99") == 80.0
    with pytest.raises(KeyError):
        told.outcomes[0].of("nothing")


def test_the_page_has_everything() -> None:
    shown = page(report().outcomes[0])
    for word in ("batch", "9,000 segments/s", "engine", "66.5", "HTTP 503 x 2", "FAULT 3 lost"):
        assert word in shown


def test_numbers_as_people_read_them() -> None:
    assert [number(n) for n in (0, 0.1234, 5.678, 12.34, 123_456.7)] == ["0", "0.123", "5.68", "12.3", "123,457"]


def test_the_picture_is_svg_with_every_line_and_bar() -> None:
    root = ElementTree.fromstring(drawn(report()))
    ns = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{ns}polyline")) == 2
    assert len(root.findall(f"{ns}rect")) == 2  # the ground and one bar: a process that did nothing has none
    words = [t.text for t in root.iter(f"{ns}text")]
    assert "batch: REST <4> & more" in words and "full lives/s" in words and "engine" in words
    empty = drawn(Report({}, [Outcome("x", "nothing happened", 1.0, [], series={"a": []})]))
    assert ElementTree.fromstring(empty).tag == f"{ns}svg"


@pytest.mark.parametrize(("most", "each"), [(10_000, 2_000), (9_000, 2_000), (1, 0.2), (0, 1), (26_000, 10_000)])
def test_scales_are_round(most: float, each: float) -> None:
    assert step(most) == pytest.approx(each)


def test_two_runs_side_by_side() -> None:
    shown = compared(report(), report(18_000.0, 60.0, "3.60.0"))
    assert "not the same sqlite: 3.53.4 and 3.60.0" in shown
    rows = {line.split(",")[0].strip(): line for line in shown.splitlines()}
    assert "2.00  better" in rows["full life"] and "1.50  worse" in rows["engine"]
    assert rows["call"].rstrip().endswith("1.00")


def test_compare_reads_files_and_refuses_others(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.json", tmp_path / "b.json"
    good.write_bytes(written(report()))
    bad.write_text("{}")
    told = CliRunner().invoke(bench, ["compare", str(good), str(good)])
    assert told.exit_code == 0 and "full life" in told.output
    with pytest.raises(Error, match="no report"):
        CliRunner().invoke(bench, ["compare", str(good), str(bad)], catch_exceptions=False)
