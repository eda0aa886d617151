"""What a code by each channel shows: SMS possession, e-mail nothing unless the bank says so, what is not known nothing whatever is said."""

from __future__ import annotations

import pytest

from appliance.verify import element


@pytest.mark.parametrize(
    ("channel", "told", "shows"),
    [
        ("sms", (), "possession"),
        ("email", (), "none"),
        ("email", ("email",), "possession"),
        ("email", ("sms",), "none"),
        ("pigeon", (), "none"),
        ("pigeon", ("pigeon",), "none"),
    ],
)
def test_what_a_code_shows(channel: str, told: tuple[str, ...], shows: str) -> None:
    assert element(channel, told) == shows
