"""What the simulated handsets show, compared with what was sent: the two sides share no table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import text as sender
from appliance.simulator.alphabet import decoded, fits, packed, unpacked, written
from appliance.simulator.handset import Inbox, Segment, joined, shown, unfold


def segments_of(text, reference=7, preferred=16, to="+39347", source="Banca"):
    encoding, payload, _ = sender.encode(text)
    parts = sender.parts_with_udh(encoding, payload, reference, preferred)
    esm_class = 0x40 if len(parts) > 1 else 0
    return [Segment(to, source, esm_class, 8 if encoding else 0, p, {}, n) for n, p in enumerate(parts)]


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=900),
    st.sampled_from([8, 16]),
    st.randoms(),
)
def test_any_text_is_shown_as_it_was_sent_in_any_order(text, preferred, random):
    segments = segments_of(text, 300, preferred)
    assert all(fits(s.esm_class, s.data_coding, s.short_message) for s in segments)
    random.shuffle(segments)
    (shown_message,) = joined(segments)
    assert shown_message.text == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=900))
def test_what_customers_write_is_cut_so_that_it_joins(text):
    esm_class, coding, bodies = written(text, 5)
    assert all(fits(esm_class, coding, b) for b in bodies)
    (shown_message,) = joined([Segment("1", "2", esm_class, coding, b, {}, 0) for b in bodies])
    assert shown_message.text == text
    encoding, _, segments = sender.encode(text)
    assert (encoding == sender.UCS2, segments) == (coding == 8, len(bodies))


def test_a_missing_part_keeps_the_message_back():
    parts = segments_of("x" * 400)
    assert joined(parts[:-1]) == []
    assert joined([parts[0], parts[0], *parts[1:]])[0].text == "x" * 400


def test_parts_of_two_messages_do_not_mix():
    a, b = segments_of("a" * 300, 1), segments_of("b" * 300, 2)
    mixed = [s for pair in zip(a, b, strict=True) for s in pair]
    assert [m.text for m in joined(mixed)] == ["a" * 300, "b" * 300]
    c = segments_of("c" * 300, 1, source="Altra")
    assert [m.text for m in joined([a[0], c[0], c[1], a[1]])] == ["c" * 300, "a" * 300]


def test_a_message_sent_twice_is_shown_twice():
    assert [m.text for m in joined(segments_of("a" * 300) * 2)] == ["a" * 300] * 2


def test_sar_parameters_join_too():
    def part(n, body):
        return Segment("1", "2", 0, 0, body, {0x020C: b"\0\7", 0x020E: b"\2", 0x020F: bytes((n,))}, 0)

    assert [m.text for m in joined([part(2, b"due"), part(1, b"uno ")])] == ["uno due"]
    assert str(unfold(part(2, b""))[0]) == "7/2/2"


@pytest.mark.parametrize(
    "udh", ["05000301", "0500030103", "050003010300", "050003010304", "05000301010100", "ff", "00"]
)
def test_broken_headers_show_something(udh):
    body = bytes.fromhex(udh) + b"ciao"
    assert len(joined([Segment("1", "2", 0x40, 0, body, {}, 0)])) == 1


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=254))
def test_any_octets_show_something(esm_class, coding, body):
    joined([Segment("1", "2", esm_class, coding, body, {}, 0)])
    fits(esm_class, coding, body)


@pytest.mark.parametrize(
    ("coding", "body", "text"),
    [(0, b"\x1b\x65 \x00\x11\x18", "€ @_Σ"), (0, b"\x1b", "\ufffd"), (0, b"\x1ba\x80", "\ufffd\ufffd"), (8, b"\x20\xac\xd8", "€\ufffd"),
     (3, b"\xe9", "é"), (1, b"a", "a"), (4, b"\x01\xff", "01ff"), (0x18, b"\0a", "a"), (0xF1, b"\0", "@")],
)  # fmt: skip
def test_codings(coding, body, text):
    assert decoded(coding, body) == text


def test_sizes_of_a_segment():
    assert fits(0, 0, b"a" * 160) and not fits(0, 0, b"a" * 161)
    assert fits(0, 8, b"a" * 140) and not fits(0, 8, b"a" * 142)
    head8, head16 = b"\5\0\3\1\2\1", b"\6\x08\4\0\1\2\1"
    assert fits(0x40, 0, head8 + b"a" * 153) and not fits(0x40, 0, head8 + b"a" * 154)
    assert fits(0x40, 0, head16 + b"a" * 152) and not fits(0x40, 0, head16 + b"a" * 153)
    assert fits(0x40, 8, head8 + b"a" * 134) and not fits(0x40, 8, head8 + b"a" * 136)


def test_the_inbox_is_bounded_and_found_by_number():
    inbox = Inbox(3)
    for n in range(5):
        inbox.put(Segment(f"+39{n % 2}", "Banca", 0, 0, b"%d" % n, {}, n))
    assert len(inbox) == 3
    assert [m.text for m in inbox.messages(None, 10)] == ["2", "3", "4"]
    assert [m.text for m in inbox.messages("390", 10)] == [m.text for m in inbox.messages("+390", 10)] == ["2", "4"]
    assert [m.text for m in inbox.messages(None, 1)] == ["4"]
    assert inbox.messages("+3999", 10) == []
    inbox.clear()
    assert inbox.messages(None, 10) == []


def test_addresses_as_shown():
    assert [shown("39347", 1), shown("+39347", 1), shown("Banca", 5), shown("4399", 3)] == [
        "+39347",
        "+39347",
        "Banca",
        "4399",
    ]


@given(st.binary(max_size=200).map(lambda o: bytes(n & 0x7F for n in o)), st.integers(0, 12))
def test_packed_septets_come_back(septets, header):
    back = unpacked(packed(septets, header), header)
    # A last @ or carriage return that would fill the last octet exactly cannot be told from filling.
    assert back == septets or (septets[-1:] in (b"\0", b"\r") and back == septets[:-1])


def test_the_standard_packing_of_hello():
    # 3GPP TS 23.038 section 6.1.2.1: "hellohello" is the example that every implementer knows.
    assert packed(b"hellohello").hex() == "e8329bfd4697d9ec37"
    assert decoded(0, bytes.fromhex("e8329bfd4697d9ec37"), "gsm-packed") == "hellohello"


def test_the_default_alphabet_is_the_operators():
    assert decoded(0, "Perché".encode("latin-1"), "latin-1") == "Perché"
    assert fits(0, 0, b"a" * 140, "latin-1") and not fits(0, 0, b"a" * 141, "latin-1")
    head = b"\5\0\3\7\2"
    parts = [
        Segment("1", "2", 0x40, 0, head + bytes((n,)) + packed(t, 6), {}, 0, "gsm-packed")
        for n, t in ((1, b"uno "), (2, b"due"))
    ]
    assert [m.text for m in joined(parts)] == ["uno due"]


def test_what_is_cancelled_is_not_shown():
    inbox = Inbox(9)
    one, two = Segment("+39", "B", 0, 0, b"a", {}, 1), Segment("+39", "B", 0, 0, b"b", {}, 2)
    inbox.put(one)
    inbox.put(two)
    inbox.take_back(one)
    inbox.take_back(one)
    assert [m.text for m in inbox.messages(None, 9)] == ["b"] and len(inbox) == 1
    inbox.take_back(two)
    assert inbox.messages("+39", 9) == []
