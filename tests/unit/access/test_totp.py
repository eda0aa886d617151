"""TOTP by RFC 6238's own table."""

from __future__ import annotations

import pytest

from appliance.access import totp, totp_step, totp_uri

SECRET = b"12345678901234567890"
NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("at_s", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_totp_is_that_of_the_rfc(at_s: int, code: str) -> None:
    """RFC 6238 appendix B, SHA-1, cut to six digits."""
    assert totp(SECRET, at_s // 30) == code[2:]


def test_a_code_is_taken_once_and_a_step_early_or_late() -> None:
    step = NOW // 30
    for off in (-1, 0, 1):
        assert totp_step(SECRET, totp(SECRET, step + off), NOW, 0) == step + off
    assert totp_step(SECRET, totp(SECRET, step - 2), NOW, 0) == 0
    assert totp_step(SECRET, totp(SECRET, step), NOW, step) == 0
    assert totp_step(SECRET, "\u0661\u0662\u0663\u0664\u0665\u0666", NOW, 0) == 0


def test_what_the_square_says_is_a_key_uri() -> None:
    assert totp_uri(SECRET, "bank box", "an/na") == (
        "otpauth://totp/bank%20box:an%2Fna?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=bank%20box"
    )
