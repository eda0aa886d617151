"""The sample of every locale that templates know: coded, cut and read back by the simulated handset, with and without tables."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from appliance.settings.fitting import SHIFT_TABLES
from appliance.simulator.handset import Segment, joined
from appliance.text import Cutter, Shape, encode

SAMPLES = tomllib.loads((Path(__file__).parents[2] / "vectors/templates/samples.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("locale", SAMPLES)
def test_every_locale_arrives_as_it_was_written(locale: str) -> None:
    text = SAMPLES[locale] * 3
    encoding, payload, told = encode(text)
    counts = []
    for tables in ((), SHIFT_TABLES):
        cut = Cutter(Shape(shift_tables=tables)).cut(encoding, payload, 0x1234)
        flags = 0x40 if cut.how else 0
        coding = 8 if cut.encoding else 0
        heard = [Segment("1", "2", flags, coding, part, {}, n) for n, part in enumerate(cut.octets)]
        assert [message.text for message in joined(heard[::-1])] == [text]
        counts.append(len(cut.octets))
    assert counts[0] == told >= counts[1]


def test_there_are_87() -> None:
    assert len(SAMPLES) == 87
