"""Metrics of HSMs: a row for each, none while the keys process does not answer."""

from __future__ import annotations

from appliance.api.numbers import Numbers


def test_each_hsm_has_its_row() -> None:
    numbers = Numbers()
    assert b"casemate_hsm_up{" not in numbers.text()
    numbers.hsms = lambda: [
        {"hsm": "first", "up": False, "serves": False, "in_step": False},
        {"hsm": "second", "up": True, "serves": True, "in_step": True},
    ]
    text = numbers.text().decode()
    assert 'casemate_hsm_up{hsm="first"} 0.0' in text
    assert 'casemate_hsm_serves{hsm="second"} 1.0' in text
    assert 'casemate_hsm_in_step{hsm="second"} 1.0' in text
