"""Numbers and senders: agreement with the metadata's own examples for every region, and clear refusals."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberFormat

from appliance import text
from appliance.errors import Error
from appliance.numbering import SENDER_KINDS, calling_code_of, country_of, normalise, sender_kind
from appliance.numbering.sender import PRINTABLE

KINDS = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)
REGIONS = [(code, region) for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() for region in regions]


def examples(code, region):
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    for kind in KINDS:
        description = getattr(metadata, kind)
        if description is not None and description.example_number:
            yield f"+{code}{description.example_number}"


@pytest.mark.parametrize(("code", "region"), REGIONS)
def test_every_example_number_comes_out_as_phonenumbers_writes_it(code, region):
    for number in examples(code, region):
        parsed = phonenumbers.parse(number, None)
        expected = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
        assert normalise(number) == (expected, code)
        assert calling_code_of(number) == code
        international = phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL).replace("/", " ")
        assert normalise(international) == (expected, code)
        assert normalise("00" + number[1:]) == (expected, code)


@pytest.mark.parametrize(("code", "region"), REGIONS)
def test_lengths_that_no_plan_has_are_refused(code, region):
    for number in examples(code, region):
        for wrong in (f"+{code}", number[: len(f"+{code}") + 1], number + "0" * (17 - len(number))):
            with pytest.raises(Error) as e:
                normalise(wrong)
            assert e.value.code == "number_invalid"


@given(st.sampled_from(REGIONS), st.text("0123456789", min_size=4, max_size=14))
def test_any_digits_are_judged_as_phonenumbers_judges_length_and_general_pattern(region, digits):
    number = f"+{region[0]}{digits}"
    try:
        ours = normalise(number)[0]
    except Error:
        ours = None
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        assert ours is None
        return
    if phonenumbers.is_valid_number(parsed) and len(number) <= 16:  # some plans have numbers longer than E.164 allows
        assert ours == phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if ours is not None:
        assert phonenumbers.is_possible_number(phonenumbers.parse(ours, None))


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+39 347 123 4567", "+393471234567"),
        ("0039 347-123.45.67", "+393471234567"),
        ("+39 (347) 1234567", "+393471234567"),
        (" +39 06 6982 ", "+39066982"),
        ("+44 (0)20 7946 0000", "+442079460000"),
        ("+1 (415) 555-2671", "+14155552671"),
        ("+91 98765 43210", "+919876543210"),
        ("+30 691 234 5678", "+306912345678"),
        ("+49 1512 3456789", "+4915123456789"),
    ],
)
def test_as_people_write_them(written, number):
    assert normalise(written)[0] == number
    assert normalise(number)[0] == number


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("+", "no digits"),
        ("00", "no digits"),
        ("3471234567", "no calling code"),
        ("+39 347 CALLME", "letters"),
        ("tel:+393471234567", "letters"),
        ("+39\u0663\u0664\u06671234567", "digits other than 0 to 9"),
        ("+39３４７1234567", "digits other than 0 to 9"),
        ("٣٩٣٤٧١٢٣٤٥٦٧", "digits other than 0 to 9"),
        ("+393471234567\n", "characters other than"),
        ("+39347123456７\n", "digits other than 0 to 9"),
        ("+39/347/1234567", "characters other than"),
        ("++393471234567", "characters other than"),
        ("+393471234567+", "characters other than"),
        ("+2101234567", "nobody has the calling code"),
        ("+9991234567", "nobody has the calling code"),
        ("+0391234567", "nobody has the calling code"),
        ("+39 34", "no number with calling code +39"),
        ("+3934712345678901", "no number with calling code +39"),
        ("+1 055 555 2671", "no number with calling code +1"),
        ("+39" + "1" * 100, "too long"),
    ],
)
def test_refusals_say_why_and_never_repeat_the_number(written, says):
    with pytest.raises(Error) as e:
        normalise(written)
    assert e.value.code == "number_invalid"
    assert says in e.value.message
    assert e.value.hint
    assert not written.strip("+ 0") or written not in str(e.value)


@given(st.text(max_size=80))
def test_anything_is_a_number_or_a_clear_refusal(written):
    try:
        number, code = normalise(written)
    except Error as e:
        assert e.code == "number_invalid"
    else:
        assert number == f"+{number[1:]}" and number[1:].isascii() and number[1:].isdigit()
        assert number.startswith(f"+{code}")
        assert normalise(number) == (number, code)


def test_calling_codes_and_countries():
    assert [calling_code_of(n) for n in ("+393471234567", "+14155552671", "+3546112345", "+999", "", "39", "+")] == [
        39,
        1,
        354,
        0,
        0,
        0,
        0,
    ]
    assert [country_of(c) for c in (39, 1, 44, 7, 91, 800, 881, 0, 999)] == [
        "IT",
        "US",
        "GB",
        "RU",
        "IN",
        "",
        "",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        ("Banca", "alphanumeric"),
        ("Banca Uno 1", "alphanumeric"),
        ("Größe&Co", "alphanumeric"),
        ("4399A", "alphanumeric"),
        ("439", "short_code"),
        ("43991234", "short_code"),
        ("+393471234567", "number"),
    ],
)
def test_kinds_of_sender(sender, kind):
    assert sender_kind(sender) == kind
    assert kind in SENDER_KINDS


@pytest.mark.parametrize(
    "sender",
    ["", "12", "123456789", "393471234567", "+39 347 123 4567", "+39", "BancaUnoDueX", "Bança", "a\nb", "€uro", " Banca", "Banca ", "Банк", "+x", "4\u0663"],
)  # fmt: skip
def test_what_is_no_sender(sender):
    with pytest.raises(Error) as e:
        sender_kind(sender)
    assert e.value.code == "sender_invalid"


def test_the_printable_characters_are_those_of_the_alphabet():
    assert set(text.ALPHABET) - PRINTABLE == {"\n", "\r", "\x1b"}
    assert set(text.ALPHABET) >= PRINTABLE


def test_a_carrier_selection_code_is_never_taken_out() -> None:
    for written in ("+861110810000000000", "+8617911 139 1234 5678", "+86 12593 13912345678"):
        with pytest.raises(Error) as caught:
            normalise(written)
        assert caught.value.code == "number_invalid"
    assert normalise("+86 (0) 10 1234 5678") == ("+861012345678", 86)
