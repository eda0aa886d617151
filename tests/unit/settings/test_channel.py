"""Rows [[channel]]: `sms` without one, names that callers can write, and every mistake named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.settings import Channel, parse


def test_sms_is_there_without_a_row_and_may_have_one(tmp_path: Path) -> None:
    assert parse({}, tmp_path, "t").channels == {"sms": Channel("sms")}
    rows = [{"name": "sms-second", "sender": "MYBANK2", "wait_s": 30}, {"name": "sms", "wait_s": 20}]
    read = parse({"channel": rows}, tmp_path, "t")
    assert list(read.channels) == ["sms", "sms-second"] and read.channels["sms"].wait_s == 20
    assert read.channels["sms-second"] == Channel("sms-second", "sms", "MYBANK2", 30)
    assert read.digest() != parse({}, tmp_path, "t").digest(), "the log tells settings apart"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([{"name": "SMS 2"}], "name 'SMS 2'"),
        ([{"name": "a12345678"}], "name 'a12345678'"),  # it stands on the audit log
        ([{"name": "a"}, {"name": "a"}], "has a row already"),
        ([{"name": "a", "sender": "longer than eleven"}], "sender"),
        ([{"name": "a", "kind": "pigeon"}], "kind"),
        ([{"name": "a", "wait_s": 0}], "wait_s"),
        ([{"sender": "X"}], "`name` is missing"),
        ([{"name": f"a{chr(97 + n // 26)}{chr(97 + n % 26)}"} for n in range(33)], "at most 32"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, rows: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(Error) as caught:
        parse({"channel": rows}, tmp_path, "t")
    assert caught.value.code == "settings_invalid" and why in str(caught.value), str(caught.value)
