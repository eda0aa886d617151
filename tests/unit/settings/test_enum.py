"""Rows [[enum]]: addresses only, one row a prefix, the longest first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.settings import parse


def test_rows_in_order(tmp_path: Path) -> None:
    rows = [{"servers": ["10.0.0.1:53"]}, {"prefix": "393", "apex": "E164.example.", "servers": ["[fd00::53]:5353"]}]
    long, short = parse({"enum": rows}, tmp_path, "t").enums
    assert (long.prefix, long.apex, long.servers) == ("393", "e164.example", (("fd00::53", 5353),))
    assert (short.prefix, short.apex, short.servers) == ("", "e164.arpa", (("10.0.0.1", 53),))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "`servers` is missing"),
        ({"servers": []}, "0 servers"),
        ({"servers": ["ns.example:53"]}, "is not an address with a port"),
        ({"servers": ["10.0.0.1"]}, "is not an address with a port"),
        ({"servers": ["10.0.0.1:53"], "prefix": "+39"}, "is not up to 15 digits"),
        ({"servers": ["10.0.0.1:53"], "apex": "e164 arpa"}, "is no domain name"),
        ({"servers": ["10.0.0.1:53"], "tries": 99}, "tries"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(Error) as e:
        parse({"enum": [row]}, tmp_path, "t")
    assert e.value.code == "settings_invalid" and said in e.value.message


def test_a_prefix_has_one_row(tmp_path: Path) -> None:
    with pytest.raises(Error, match="has a row already"):
        parse({"enum": [{"servers": ["10.0.0.1:53"]}] * 2}, tmp_path, "t")
