"""Look-alikes: only when a text goes as GSM-7 by them, and never a letter, a digit or a sign of an amount."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.text import GSM7, encode, transliterated
from appliance.text.lookalikes import LOOK_ALIKES


def test_only_punctuation_spaces_and_what_nobody_sees() -> None:
    assert {unicodedata.category(c) for c in LOOK_ALIKES} <= {
        "Pi",
        "Pf",
        "Ps",
        "Pd",
        "Po",
        "Sm",
        "Zs",
        "Zl",
        "Zp",
        "Cc",
        "Cf",
    }
    assert [c for c in LOOK_ALIKES if unicodedata.category(c) == "Sm"] == ["\u2212"]
    assert [c for c in LOOK_ALIKES if c.isalnum() or c.isnumeric()] == []


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (
            "L\u2019importo \u00e8 di \u201c5\u00a0000\u00a0\u20ac\u201d \u2013 subito\u2026",
            'L\'importo \u00e8 di "5 000 \u20ac" - subito...',
        ),
        ("saldo \u221212,50", "saldo -12,50"),
        ("a\tb\ufeff", "a b"),
        # what stays: another character keeps it out of GSM-7, so nothing is gained
        ("L\u2019importo \u0416", "L\u2019importo \u0416"),
        ("gar\u00e7on \u2013 ici", "gar\u00e7on \u2013 ici"),
        ("\u2460 \uff15 \u0421", "\u2460 \uff15 \u0421"),
        ("\ufeff", "\ufeff"),
        ("plain 'ascii'", "plain 'ascii'"),
    ],
)
def test_what_becomes_of_a_text(written: str, sent: str) -> None:
    assert transliterated(written) == sent


@given(st.text(st.sampled_from("abc \u2019\u2013\u2026\u00a0\u200b\u0416\u00e8\u20ac\ufeff"), min_size=1, max_size=80))
def test_either_all_of_gsm_or_untouched(text: str) -> None:
    put = transliterated(text)
    assert put == text or (encode(put)[0] == GSM7 and encode(text)[0] != GSM7)
    assert transliterated(put) == put
