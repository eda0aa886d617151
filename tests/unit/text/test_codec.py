"""Text to octets and back: every character, every refusal, and nothing lost for any text at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import limits
from appliance.errors import Error
from appliance.text import ALPHABET, EXTENSION, GSM7, UCS2, decode, encode, in_alphabet, reference_bits_for, split

CHARACTERS = [c for c in ALPHABET if c != "\x1b"]


@pytest.mark.parametrize(("septet", "character"), [(n, c) for n, c in enumerate(ALPHABET) if c != "\x1b"])
def test_each_character_of_the_alphabet_is_its_septet(septet, character):
    assert encode(character) == (GSM7, bytes((septet,)), 1)
    assert decode(GSM7, bytes((septet,))) == character
    assert in_alphabet(character)


@pytest.mark.parametrize(("septet", "character"), list(EXTENSION.items()))
def test_each_character_of_the_extension_table_is_an_escape_pair(septet, character):
    assert encode(character) == (GSM7, bytes((0x1B, septet)), 1)
    assert decode(GSM7, bytes((0x1B, septet))) == character
    assert not in_alphabet(character)


def test_the_whole_alphabet_at_once():
    text = "".join(CHARACTERS) + "".join(EXTENSION.values()) + "".join(CHARACTERS)
    encoding, payload, _ = encode(text)
    assert encoding == GSM7
    assert len(payload) == 2 * len(CHARACTERS) + 2 * len(EXTENSION)
    assert decode(encoding, payload) == text


@pytest.mark.parametrize(
    "character", ["ç", "ά", "अ", "😀", "\0", "\x1b", "\t", "\x80", "\ufffe", "\uffff", "\U0010ffff", "’", "İ"]
)
def test_what_the_alphabet_lacks_goes_as_ucs2(character):
    encoding, payload, segments = encode(f"@{character}€")
    assert (encoding, segments) == (UCS2, 1)
    assert payload == f"@{character}€".encode("utf-16-be")
    assert decode(encoding, payload) == f"@{character}€"


def test_no_byte_order_mark():
    assert encode("अ")[1] == b"\x09\x05"


@pytest.mark.parametrize("text", ["\ud800", "ok \udfff", "\udc00\ud800", "a" * 300 + "\udabc"])
def test_half_a_surrogate_pair_is_refused(text):
    with pytest.raises(Error) as e:
        encode(text)
    assert e.value.code == "text_unmappable"
    assert "\\u" not in str(e.value)


def test_empty_is_refused():
    with pytest.raises(Error) as e:
        encode("")
    assert e.value.code == "invalid"


@pytest.mark.parametrize("character", ["a", "€", "अ", "😀"])
def test_characters_are_code_points_whatever_they_cost(character):
    encode(character * limits.TEXT_CHARACTERS_MAX)
    with pytest.raises(Error) as e:
        encode(character * (limits.TEXT_CHARACTERS_MAX + 1))
    assert e.value.code == "text_too_long"


@pytest.mark.parametrize(
    ("encoding", "payload"),
    [
        (GSM7, b"\x80"),
        (GSM7, b"a\xff"),
        (GSM7, b"\x1b"),
        (GSM7, b"\x1ba"),
        (GSM7, b"\x1b\x1b\x14"),
        (UCS2, b"a"),
        (UCS2, b"\xd8\x00"),
    ],
)
def test_octets_that_encode_never_makes_are_refused(encoding, payload):
    with pytest.raises(Error) as e:
        decode(encoding, payload)
    assert e.value.code == "malformed"


gsm_text = st.text(alphabet=st.sampled_from(CHARACTERS + list(EXTENSION.values())), min_size=1, max_size=700)
any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=700)


@given(st.one_of(gsm_text, any_text))
def test_any_text_comes_back_and_its_segments_are_its_parts(text):
    encoding, payload, segments = encode(text)
    assert decode(encoding, payload) == text
    for preferred in (8, 16):
        bits = reference_bits_for(encoding, payload, preferred)
        assert segments == len(split(encoding, payload, bits))


@given(gsm_text)
def test_gsm_is_never_the_larger(text):
    encoding, _, segments = encode(text)
    assert encoding == GSM7
    assert segments <= len(split(UCS2, text.encode("utf-16-be"), 8))


@given(st.sampled_from([GSM7, UCS2]), st.binary(max_size=300))
def test_decode_takes_any_octets_or_says_malformed(encoding, payload):
    try:
        text = decode(encoding, payload)
    except Error as e:
        assert e.code == "malformed"
    else:
        assert not text or encoding == UCS2 or encode(text)[1] == payload
