"""A text as the parts that leave over links that cut otherwise than the default does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.text import (
    ALPHABET,
    EXTENSION,
    GSM7,
    UCS2,
    Cutter,
    Shape,
    decode,
    encode,
    fill_bits,
    pack_septets,
    parts_with_udh,
    segments_of,
    sender_octets,
    unpack_septets,
)

GSM = "".join(c for c in ALPHABET if c != "\x1b") + "".join(EXTENSION.values())
TEXTS = st.one_of(st.text(st.sampled_from(GSM), min_size=1, max_size=700), st.text("aè€Ж🙂", min_size=1, max_size=400))
SHAPES = st.builds(
    Shape,
    st.sampled_from(("gsm7", "gsm7_packed", "latin1")),
    st.sampled_from(("udh", "sar", "payload")),
    st.sampled_from((8, 16)),
    st.sampled_from((139, 140, 100)),
    st.booleans(),
)


def cut(text: str, **shape: object) -> tuple[int, str, list[bytes]]:
    encoding, payload, _ = encode(text)
    return Cutter(Shape(**shape)).cut(encoding, payload, 0x1234)[:3]  # type: ignore[arg-type]


def read_back(shape: Shape, encoding: int, how: str, octets: list[bytes]) -> str:
    """The text as a handset joins it."""
    out = []
    for part in octets:
        header = part[0] + 1 if how == "udh" else 0
        body = part[header:]
        if encoding == UCS2:
            out.append(body.decode("utf-16-be"))
        elif shape.alphabet == "latin1":
            out.append(body.decode("latin-1"))
        else:
            out.append(decode(GSM7, unpack_septets(body, fill_bits(header)) if shape.alphabet != "gsm7" else body))
    return "".join(out)


@given(TEXTS, SHAPES)
def test_every_shape_carries_the_whole_text(text: str, shape: Shape) -> None:
    encoding, payload, told = encode(text)
    cutter = Cutter(shape)
    on_link, how, octets, _ = cutter.cut(encoding, payload, 7)
    joined = read_back(shape, on_link, how, octets)
    # Packed septets cannot tell a carriage return at the very end from the fill: nobody sees either.
    assert joined == text or (shape.alphabet == "gsm7_packed" and joined.rstrip("\r") == text.rstrip("\r"))
    assert len(octets) == 1 or how in ("udh", "sar")
    if cutter.plain:
        assert len(octets) == told
    if how != "payload":
        packed = shape.alphabet == "gsm7_packed" or on_link == UCS2
        room = shape.segment_octets if packed else 8 * shape.segment_octets // 7
        assert max(map(len, octets)) <= room


@given(TEXTS, st.sampled_from((8, 16)))
def test_the_default_shape_is_what_was_told(text: str, bits: int) -> None:
    encoding, payload, told = encode(text)
    assert Cutter(Shape(reference_bits=bits)).cut(encoding, payload, 7).octets == parts_with_udh(
        encoding, payload, 7, bits
    )
    assert told == segments_of(encoding, payload)


def test_one_spare_octet_for_operators_that_need_it() -> None:
    assert cut("a" * 158, segment_octets=139)[1:] == ("", [b"a" * 158])
    assert [len(p) for p in cut("a" * 159, segment_octets=139, reference_bits=8)[2]] == [6 + 151, 6 + 8]
    assert [len(p) for p in cut("Ж" * 70, segment_octets=139, reference_bits=8)[2]] == [6 + 132, 6 + 8]


def test_short_messages_sent_as_long_ones_of_one_part() -> None:
    assert cut("ciao", always_long=True)[1:] == ("udh", [b"\6\x08\4\x12\x34\1\1ciao"])
    assert cut("ciao", always_long=True, long_message="sar")[1:] == ("sar", [b"ciao"])
    assert cut("ciao", always_long=True, long_message="payload")[1:] == ("payload", [b"ciao"])
    assert len(cut("a" * 160, always_long=True)[2]) == 2


def test_sar_and_payload_parts_have_no_header() -> None:
    assert [len(p) for p in cut("a" * 161, long_message="sar", reference_bits=8)[2]] == [153, 8]
    assert cut("a" * 4000, long_message="payload")[1:] == ("payload", [b"a" * 4000])
    assert cut("ciao", long_message="payload")[1:] == ("", [b"ciao"])


@pytest.mark.parametrize(("bits", "fill"), [(8, 1), (16, 0)])
def test_packed_septets_begin_at_a_septet_after_the_header(bits: int, fill: int) -> None:
    encoding, how, octets = cut("a" * 161, alphabet="gsm7_packed", reference_bits=bits)
    header = octets[0][0] + 1
    assert (encoding, how, fill_bits(header)) == (GSM7, "udh", fill)
    assert unpack_septets(octets[0][header:], fill) == b"a" * (153 if bits == 8 else 152)
    assert len(octets[0]) == 140


def test_packed_as_the_standard_writes_it() -> None:
    assert pack_septets(b"hellohello") == bytes.fromhex("E8329BFD4697D9EC37")  # 3GPP's own example in many manuals
    assert pack_septets(b"1234567") == bytes.fromhex("31D98C56B3DD1A")  # seven spare bits: a CR, not an @
    assert unpack_septets(bytes.fromhex("31D98C56B3DD1A")) == b"1234567"


@given(st.binary(max_size=200).map(lambda b: bytes(o & 0x7F for o in b)), st.integers(0, 6))
def test_packed_septets_come_back(septets: bytes, fill: int) -> None:
    back = unpack_septets(pack_septets(septets, fill), fill)
    assert back == septets or back == septets.removesuffix(b"\r")


def test_what_latin1_cannot_carry_goes_as_ucs2() -> None:
    assert cut("perché {no}", alphabet="latin1") == (GSM7, "", ["perché {no}".encode("latin-1")])
    encoding, how, octets = cut("5 €", alphabet="latin1")
    assert (encoding, how, octets) == (UCS2, "", ["5 €".encode("utf-16-be")])
    assert len(cut("Δ" * 100, alphabet="latin1")[2]) == 2  # told as one part: the difference is documented


def test_an_at_sign_in_a_sender_is_never_octet_zero() -> None:
    assert sender_octets("BANK_1", "gsm7") == b"BANK\x111"
    assert sender_octets("Città", "gsm7") == b"Citt\x7f"
    assert sender_octets("Città", "latin1") == b"Citt\xe0"
    assert sender_octets("BANK@HOME", "ascii") == b"BANK@HOME"
    for name, charset in (("BANK@HOME", "gsm7"), ("Città", "ascii"), ("Банк", "gsm7"), ("Банк", "latin1")):
        with pytest.raises(ValueError):
            sender_octets(name, charset)
