"""Card numbers are found in every disguise, and nearly nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.content import card, card_numbers
from appliance.content.card import BRANDS, ibans, is_card, luhn

VISA, AMEX, MASTERCARD = "4111111111111111", "378282246310005", "5555555555554444"


def groups(number: str, sizes: tuple[int, ...] = (4, 4, 4, 4)) -> list[str]:
    out, at = [], 0
    for size in sizes:
        out.append(number[at : at + size])
        at += size
    return out


def script(number: str, zero: int) -> str:
    return "".join(chr(zero + int(c)) for c in number)


DISGUISES = {
    "plain": VISA,
    "blanks": " ".join(groups(VISA)),
    "dashes": "-".join(groups(VISA)),
    "dots": ".".join(groups(VISA)),
    "slashes": "/".join(groups(VISA)),
    "commas": ",".join(groups(VISA)),
    "every digit apart": " ".join(VISA),
    "no-break spaces": "\u00a0".join(groups(VISA)),
    "thin spaces": "\u2009".join(groups(VISA)),
    "en dashes": "\u2013".join(groups(VISA)),
    "dashes with blanks": " - ".join(groups(VISA)),
    "underscores": "_".join(groups(VISA)),
    "asterisks": "*".join(groups(VISA)),
    "brackets": " ".join(f"({g})" for g in groups(VISA)),
    "zero-width": "\u200b".join(VISA),
    "over a line": "4111 1111\n1111 1111",
    "over a line with dashes": "4111-1111\r\n1111-1111",
    "Arabic-Indic": script(VISA, 0x660),
    "extended Arabic-Indic": script(VISA, 0x6F0),
    "Devanagari": script(VISA, 0x966),
    "full-width": script(VISA, 0xFF10),
    "superscript": VISA.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")),
    "keycaps": "".join(c + "\ufe0f\u20e3" for c in VISA),
    "odd groups": "41 111 1111 111 1111",
    "thirteen digits in fours": "4222 2222 2222 2",
    "fourteen digits, 4-6-4": "3056 930902 5904",
    "a word before": f"PAN{VISA}",
    "a full stop after": f"{VISA}.",
    "american express": " ".join(groups(AMEX, (4, 6, 5))),
    "mastercard beside a date": f"21/11 18:30 {MASTERCARD} EUR 12.50",
}


def test_there_are_twenty_and_more() -> None:
    assert len(DISGUISES) >= 20 and len(set(DISGUISES.values())) == len(DISGUISES)


@pytest.mark.parametrize("disguise", DISGUISES, ids=str)
def test_a_card_number_in_disguise_is_found(disguise: str) -> None:
    text = f"Your card {DISGUISES[disguise]} was used"
    assert len(card_numbers(text)) == 1, text


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # the check digit is wrong
        "0000000000000000",
        "1111 1111 1111 1117",  # no brand begins so
        "IBAN DE89 3704 0044 0532 0130 00",
        "IBAN FR14 2004 1010 0505 0001 3M02 606",
        "iban gb29nwbk60161331926819",
        "+393331234567890",  # a telephone number
        "a4f4111111111111111b66",  # the middle of a digest
        "EUR 4.111,11 am 11.11. um 11:11, Rest 1.111,11",
        "Card ending 1111, 12 November 2026 18:30, ref 4488",
        "c/c 44465/96252552",  # an account: 13 digits in two groups whose check digit fits by chance
        "41111111111111111111",  # twenty digits are no card
    ],
)
def test_other_numbers_are_not_cards(text: str) -> None:
    assert card_numbers(text) == []


def test_several_are_found_each_in_its_place() -> None:
    text = f"{VISA} or {' '.join(groups(MASTERCARD))}; {AMEX}"
    assert [text[a:b].replace(" ", "") for a, b in card_numbers(text)] == [VISA, MASTERCARD, AMEX]


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_mistake(text: str) -> None:
    for begin, end in card_numbers(text):
        assert 0 <= begin < end <= len(text)


def test_a_text_made_to_cost_costs_little() -> None:
    for text in ("1 " * 2_000, "4-" * 2_000, "1" * 4_000, "DE89" * 1_000):
        card_numbers(text)  # quadratic in these would take minutes; the run's time limit says so


def test_every_brand_row_can_match() -> None:
    for name, low, high, lengths in BRANDS:
        assert low <= high and len(str(low)) == len(str(high)) and all(13 <= n <= 19 for n in lengths), name
        stem = str(low).ljust(min(lengths) - 1, "7")
        assert any(is_card(stem + str(d)) for d in range(10)), name


def test_luhn_and_mod_97() -> None:
    assert luhn("79927398713") and not luhn("79927398710")  # the example of ISO/IEC 7812-1's literature
    assert ibans("GB82 WEST 1234 5698 7654 32") == [(0, 27)]
    assert ibans("GB82 WEST 1234 5698 7654 33") == []


def test_the_first_look_never_says_no_where_a_number_could_be() -> None:
    """What it takes for a letter is no digit and stands between no two; what it drops stands between them, or goes on."""
    for point in range(0xC0, 0x600):
        character = chr(point)
        assert not character.isdigit() and card._RUN.search("1" + character + "1").group() == "1", hex(point)  # type: ignore[union-attr]
    for point in range(0x80):
        between = card._RUN.search("1" + chr(point) + "1").group() != "1"  # type: ignore[union-attr]
        assert card._roughly(point) == (b"0" if chr(point).isdigit() else b"" if between else b"x"), hex(point)


@pytest.mark.parametrize("gap", ["", " ", "-", "\u00a0", "\u2011", " - ", "\uff0e", "\u200b"])
def test_the_first_look_sees_numbers_however_they_are_written(gap: str) -> None:
    for digits in ("4111111111111111", "\u0664\u0661\u0661\u0661" * 4, "\uff14\uff11\uff11\uff11" + "\uff11" * 12):
        assert card._MANY in gap.join(digits).encode().translate(card._ROUGH, card._NOTHING)
    assert card_numbers("Karte " + gap.join("4111111111111111") + " ok")
