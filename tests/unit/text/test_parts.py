"""Cutting: the boundaries of 3GPP TS 23.040, pairs at every place a cut could fall, and headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.text import GSM7, UCS2, decode, encode, parts_with_udh, reference_bits_for, segments_of, split, udh

ROOM = {(GSM7, 8): 153, (GSM7, 16): 152, (UCS2, 8): 134, (UCS2, 16): 132}
ONE = {GSM7: 160, UCS2: 140}


@pytest.mark.parametrize("count", range(1, 1000))
def test_septets_without_pairs(count):
    _, payload, segments = encode("x" * count)
    for bits in (8, 16):
        expected = 1 if count <= 160 else -(-count // ROOM[GSM7, bits])
        assert len(split(GSM7, payload, bits)) == expected
    assert segments == (1 if count <= 160 else -(-count // 153))


@pytest.mark.parametrize("count", range(1, 420))
def test_two_octet_characters(count):
    _, payload, segments = encode("अ" * count)
    for bits in (8, 16):
        expected = 1 if count <= 70 else -(-count // (ROOM[UCS2, bits] // 2))
        assert len(split(UCS2, payload, bits)) == expected
    assert segments == (1 if count <= 70 else -(-count // 67))


@pytest.mark.parametrize(("character", "segments"), [("a", 27), ("é", 27), ("अ", 60), ("€", 53), ("😀", 122)])
def test_four_thousand_characters_go_whole(character, segments):
    encoding, payload, counted = encode(character * 4000)
    parts = parts_with_udh(encoding, payload, 0x1234)
    assert len(parts) == counted == segments
    assert all(len(p) - 1 - p[0] <= ROOM[encoding, 8 if p[0] == 5 else 16] for p in parts)
    assert decode(encoding, b"".join(p[p[0] + 1 :] for p in parts)) == character * 4000


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shift", range(310))
def test_no_escape_pair_is_cut_wherever_it_stands(bits, shift):
    text = "x" * shift + "€" * 200 + "y" * (310 - shift)
    _, payload, _ = encode(text)
    parts = split(GSM7, payload, bits)
    assert b"".join(parts) == payload
    assert "".join(decode(GSM7, p) for p in parts) == text
    assert all(ROOM[GSM7, bits] - 1 <= len(p) <= ROOM[GSM7, bits] for p in parts[:-1])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shift", range(140))
def test_no_surrogate_pair_is_cut_wherever_it_stands(bits, shift):
    text = "अ" * shift + "😀" * 80 + "ब" * (140 - shift)
    _, payload, _ = encode(text)
    parts = split(UCS2, payload, bits)
    assert "".join(decode(UCS2, p) for p in parts) == text
    assert all(ROOM[UCS2, bits] - 2 <= len(p) <= ROOM[UCS2, bits] for p in parts[:-1])


@pytest.mark.parametrize("at", range(0, 4000, 7))
def test_four_thousand_characters_with_one_pair_at_any_place(at):
    for filler, one, encoding in (("a", "€", GSM7), ("अ", "😀", UCS2)):
        text = filler * at + one + filler * (3999 - at)
        _, payload, segments = encode(text)
        parts = split(encoding, payload, reference_bits_for(encoding, payload))
        assert len(parts) == segments
        assert "".join(decode(encoding, p) for p in parts) == text


def test_the_wider_reference_unless_it_costs_a_segment():
    latin, greek = encode("a" * 4000)[1], encode("δ" * 4000)[1]
    assert (reference_bits_for(GSM7, latin), reference_bits_for(UCS2, greek)) == (16, 8)
    assert (reference_bits_for(GSM7, latin, 8), reference_bits_for(UCS2, greek, 8)) == (8, 8)
    assert reference_bits_for(GSM7, encode("a" * 306)[1]) == 8  # 2 x 153
    assert reference_bits_for(GSM7, encode("a" * 304)[1]) == 16  # 2 x 152


def test_headers_are_those_of_the_standard():
    assert udh(0x1A2, 8, 3, 1) == bytes.fromhex("050003a20301")
    assert udh(0x1A2B3, 16, 3, 2) == bytes.fromhex("060804a2b30302")


def test_one_part_has_no_header():
    assert parts_with_udh(GSM7, b"abc", 7) == [b"abc"]
    assert parts_with_udh(GSM7, b"a" * 160, 7) == [b"a" * 160]
    assert [len(p) for p in parts_with_udh(GSM7, b"a" * 161, 7)] == [159, 16]
    assert [len(p) for p in parts_with_udh(GSM7, b"a" * 161, 7, 8)] == [159, 14]
    assert [len(p) for p in parts_with_udh(UCS2, b"\0a" * 71, 7)] == [139, 17]


@given(
    st.integers(1, 4000), st.lists(st.integers(0, 3999), max_size=40), st.integers(0, 70_000), st.sampled_from([8, 16])
)
def test_parts_join_to_what_was_cut(length, places, reference, preferred):
    for filler, one in (("a", "{"), ("अ", "😀")):
        text = "".join(one if n in places else filler for n in range(length))
        encoding, payload, segments = encode(text)
        parts = parts_with_udh(encoding, payload, reference, preferred)
        assert len(parts) == segments == segments_of(encoding, payload)
        bodies = parts if len(payload) <= ONE[encoding] else [p[p[0] + 1 :] for p in parts]
        assert "".join(decode(encoding, b) for b in bodies) == text
        for n, p in enumerate(parts, 1):
            if len(parts) > 1:
                assert p[: p[0] + 1] == udh(reference, 8 if p[0] == 5 else 16, len(parts), n)
