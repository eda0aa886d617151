"""Cuts between grapheme clusters: at every position, judged by a joiner and a decoder that are the tests' own."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from appliance.text import GSM7, UCS2, Cutter, Shape, encode, parts_with_udh, reference_bits_for, split
from appliance.text.clusters import _SURELY_SINGLE, clusters

#: A person takes each for one character: what UAX #29 says of it.
ONE = {
    "combining acute": "e\u0301",
    "three marks": "a\u0323\u0302\u0301",
    "flag of Italy": "\U0001f1ee\U0001f1f9",
    "family of four": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "thumb with a skin tone": "\U0001f44d\U0001f3fd",
    "heart with variation selector": "\u2764\ufe0f",
    "keycap": "1\ufe0f\u20e3",
    "flag of Scotland": "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "Hindi conjunct": "क्षि",
    "Tamil vowel sign": "நி",
    "Thai tone": "กี่",
    "Hangul jamo": "\u1112\u1161\u11ab",
    "Arabic with shadda and fatha": "ب\u0651\u064e",
    "CR LF": "\r\n",
}


def read(encoding: int, parts: list[bytes]) -> list[str]:
    """The text of each part as a handset reads it, by another decoder; none of these texts has an escape pair."""
    out = []
    for part in parts:
        body = part[part[0] + 1 :] if len(parts) > 1 else part
        if encoding == UCS2:
            assert len(body) % 2 == 0
            out.append(
                b"".join(body[n + 1 : n - 1 : -1] if n else body[1::-1] for n in range(0, len(body), 2)).decode(
                    "utf-16-le"
                )
            )
        else:
            out.append(body.decode("ascii"))
    return out


@pytest.mark.parametrize("one", ONE.values(), ids=ONE)
def test_no_cluster_is_cut_wherever_it_stands(one: str) -> None:
    for filler in ("a", "Ж"):
        whole = filler == "a" and one == "\r\n"  # the only one that GSM-7 has
        for at in range(145, 165) if whole else range(55, 69):
            text = filler * at + one + filler * 170
            encoding, payload, told = encode(text)
            for bits in (8, 16):
                octets = parts_with_udh(encoding, payload, 0x1234, bits)
                texts = read(encoding, octets)
                assert "".join(texts) == text
                assert sum(one in each for each in texts) == 1
                assert len(octets) == told
                assert Cutter(Shape(reference_bits=bits)).cut(encoding, payload, 0x1234).octets == octets


@pytest.mark.parametrize("one", ONE.values(), ids=ONE)
def test_four_thousand_characters_of_clusters(one: str) -> None:
    text = (one * 4000)[: 4000 - 4000 % len(one)]
    encoding, payload, told = encode(text)
    parts = split(encoding, payload, reference_bits_for(encoding, payload))
    assert len(parts) == told <= 255
    texts = [p.decode("utf-16-be" if encoding == UCS2 else "ascii") for p in parts]
    assert "".join(texts) == text
    assert all(each.replace(one, "") == "" for each in texts)


def test_what_no_part_has_room_for_is_cut_between_code_points() -> None:
    text = "e" + "\u0301" * 200 + "\U0001f600" * 40
    encoding, payload, told = encode(text)
    parts = [p.decode("utf-16-be") for p in split(encoding, payload, 8)]
    assert (encoding, "".join(parts), len(parts)) == (UCS2, text, told)
    assert [len(p.encode("utf-16-be")) // 2 for p in parts] == [67, 67, 67, 66, 14]


def test_two_flags_are_two_and_a_third_half_is_none() -> None:
    assert clusters("\U0001f1ee\U0001f1f9\U0001f1eb\U0001f1f7") == ["\U0001f1ee\U0001f1f9", "\U0001f1eb\U0001f1f7"]
    assert clusters("Ж\U0001f600") is None
    assert clusters("Ж\nЖ") is None
    assert clusters("Ж\r\nЖ") == ["Ж", "\r\n", "Ж"]


def test_the_first_look_knows_nothing_that_joins() -> None:
    """Every code point: what the quick look takes for single is never part of a longer cluster; every mark is looked at."""
    everything = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    joining = regex.findall(
        r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=RI}\u1100-\u11ff\r]", everything
    )
    assert len(joining) > 2_000
    assert [hex(ord(point)) for point in joining if _SURELY_SINGLE(point)] == []


POINTS = st.one_of(
    st.sampled_from("aЖ \n\r\u0301\u200d\U0001f468\U0001f1ee\u094dकष\u1112\u1161\u11ab\ufe0f\u0600"),
    st.characters(exclude_categories=["Cs"]),
)


@given(st.text(POINTS, min_size=60, max_size=400), st.sampled_from((8, 16)))
def test_every_cut_is_a_boundary_and_none_could_be_later(text: str, bits: int) -> None:
    encoding, payload, _ = encode(text)
    parts = split(encoding, payload, bits)
    if encoding == GSM7 or len(parts) == 1:
        return
    room = 134 if bits == 8 else 132
    sizes = [len(each.encode("utf-16-be")) for each in regex.findall(r"\X", text)]
    edges, at = {0}, 0
    for each, size in zip(regex.findall(r"\X", text), sizes, strict=True):
        if size > room:
            inner = at
            for point in each:
                inner += len(point.encode("utf-16-be"))
                edges.add(inner)
        at += size
        edges.add(at)
    begin = 0
    for part in parts[:-1]:
        end = begin + len(part)
        assert end in edges and not any(end < edge <= begin + room for edge in edges)
        begin = end
    assert b"".join(parts) == payload
