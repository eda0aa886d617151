"""The chart as a PNG shows the shapes of the chart, and refuses others."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from appliance.bench.chart import drawn
from appliance.bench.outcome import Outcome, Report
from appliance.bench.picture import SCALE, png
from appliance.errors import Error

OUTCOME = Outcome(
    "batch",
    "REST",
    10.0,
    [],
    {"engine": 40.0, "gateway": 20.0},
    series={"full lives/s": [(0.0, 10_000.0), (5.0, 20_000.0), (10.0, 15_000.0)]},
)


def test_it_shows_what_the_chart_shows() -> None:
    svg = drawn(Report({"cores": 2, "processor": "P"}, [OUTCOME]))
    image = Image.open(io.BytesIO(png(svg)))
    assert image.format == "PNG" and image.size[0] == 960 * SCALE
    colours = {colour for _, colour in image.getcolors(1 << 20) or ()}
    assert {(255, 255, 255), (0x1B, 0x6C, 0xA8), (0xD8, 0xD8, 0xD8), (0x22, 0x22, 0x22)} <= colours


def test_a_shape_that_no_chart_has_is_refused() -> None:
    with pytest.raises(Error):
        png('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><circle/></svg>')
