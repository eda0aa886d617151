"""National language tables: as the standard prints them, the fewest segments that any pair of them gives, and read back.

Three transcriptions of 3GPP TS 23.038 annex A are held against each other: the sender's, the simulated handset's (release 16), and
tests/vectors/text/shift_tables.csv (release 18), by which this file also decodes.
"""

from __future__ import annotations

import csv
import itertools
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import Error
from appliance.settings.fitting import SHIFT_TABLES
from appliance.simulator import shifts
from appliance.smpp import LinkPacker
from appliance.text import UCS2, Cut, Cutter, Shape, encode, sender_octets, shape_of, unpack_septets
from appliance.text.languages import LANGUAGES, LOCKING, SINGLE
from tests.support.links import link_of

VECTORS = Path(__file__).parents[2] / "vectors/text/shift_tables.csv"
#: Where releases and implementations read different digits: handsets may show either, so they are never sent.
DISPUTED = {("ta", 0x24), ("te", 0x22), ("te", 0x23)}
TAGS = {number: tag for tag, number in LANGUAGES.items()}
DEFAULT = dict(
    enumerate(
        "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
    )
)
EXTENSION = dict(zip(b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65", "\f^{}\\[~]|€", strict=True))


def printed() -> dict[tuple[str, str], dict[int, str]]:
    out: dict[tuple[str, str], dict[int, str]] = {}
    with VECTORS.open(encoding="ascii") as file:
        next(file)
        for row in csv.DictReader(file):
            table = out.setdefault((TAGS[int(row["identifier"])], row["table"]), {})
            table[int(row["septet"], 16)] = chr(int(row["code_point"], 16))
    return out


PRINTED = printed()


def decoded(cut: Cut, packed: bool = False) -> str:
    """What a handset shows, by the printed tables."""
    if cut.encoding == UCS2:
        return "".join(part[part[0] + 1 if cut.how else 0 :].decode("utf-16-be") for part in cut.octets)
    out = []
    for part in cut.octets:
        first, after, body = DEFAULT, EXTENSION, part
        if cut.how == "udh":
            header, body = part[1 : part[0] + 1], part[part[0] + 1 :]
            at = 0
            while at < len(header):
                kind, length = header[at : at + 2]
                if kind == 0x25:
                    first = PRINTED[TAGS[header[at + 2]], "locking"]
                elif kind == 0x24:
                    after = PRINTED[TAGS[header[at + 2]], "single"]
                else:
                    assert (kind, length) in ((0x00, 3), (0x08, 4))
                at += 2 + length
            assert at == len(header)
        if packed:
            body = unpack_septets(body, -8 * (len(part) - len(body)) % 7)
        septets = iter(body)
        out.append("".join(after[next(septets)] if septet == 0x1B else first[septet] for septet in septets))
    return "".join(out)


def test_every_language_of_the_annex() -> None:
    assert set(LANGUAGES) == set(SHIFT_TABLES) == set(SINGLE) == {*LOCKING, "es"}
    assert sorted(LANGUAGES.values()) == list(range(1, 14))


@pytest.mark.parametrize("tag", SHIFT_TABLES)
def test_three_transcriptions_agree(tag: str) -> None:
    number = LANGUAGES[tag]
    for kind, mine, handset in (("locking", LOCKING, shifts.locking), ("single", SINGLE, shifts.single)):
        if tag not in mine:
            assert (tag, kind) == ("es", "locking") and handset(number) is None
            continue
        theirs = PRINTED[tag, kind]
        assert handset(number) == theirs
        places = {septet: c for septet, c in theirs.items() if not (kind == "single" and (tag, septet) in DISPUTED)}
        assert {mine[tag][c] for c in mine[tag]} <= set(places)
        assert {c: septet for septet, c in sorted(places.items(), reverse=True)} == mine[tag]


@pytest.mark.parametrize(
    ("text", "tables", "parts", "header", "room"),
    [
        ("ş" * 75 + "a" * 5, ("tr",), 1, "03240101", 155),
        ("ğ" * 153 + "aa", ("tr",), 1, "03250101", 155),
        ("ğş" * 155, ("tr",), 3, "09080412340301250101", 148),
        ("ã" * 149 + "õ" * 149, ("pt",), 2, "080003340201250103", 149),
        ("क" * 146 + "A" * 73, ("hi",), 2, "0b0003340201250106240106", 146),
        ("क" * 145 + "A" * 72, ("hi",), 2, "0c08041234020125010624010" + "6", 145),
        ("á" * 77, ("es",), 1, "03240102", 155),
    ],
)
def test_room_beside_each_header(text: str, tables: tuple[str, ...], parts: int, header: str, room: int) -> None:
    encoding, payload, _ = encode(text)
    cut = Cutter(Shape(shift_tables=tables)).cut(encoding, payload, 0x1234)
    assert (len(cut.octets), cut.octets[0][: len(header) // 2].hex()) == (parts, header)
    assert decoded(cut) == text
    assert max(len(part) - len(header) // 2 for part in cut.octets) in (room, room - 1)


def fewest(text: str, allowed: tuple[str, ...], bits: int) -> int:
    """By trying every encoding, every pair of tables, and every place to cut: the last that fits is never the worse."""
    edges = list(itertools.accumulate((len(each) for each in regex.findall(r"\X", text)), initial=0))
    best = 10_000
    maps: list[tuple[dict[str, int], int]] = []
    for locking in (None, *allowed):
        if locking is not None and (locking, "locking") not in PRINTED:
            continue
        for single in (None, *allowed):
            first = set((DEFAULT if locking is None else PRINTED[locking, "locking"]).values()) - {"\x1b"}
            after = EXTENSION if single is None else PRINTED[single, "single"]
            rest = {c for septet, c in after.items() if (single, septet) not in DISPUTED}
            costs = dict.fromkeys(rest, 2) | dict.fromkeys(first, 1)
            maps.append((costs, 3 * ((locking is not None) + (single is not None))))
    for costs, extra in maps:
        if all(c in costs for c in text):
            best = min(best, least([costs[c] for c in text], edges, extra, 7, 160, bits))
    return min(best, least([len(c.encode("utf-16-be")) for c in text], edges, 0, 8, 140, bits))


def least(sizes: list[int], edges: list[int], extra: int, unit: int, one: int, bits: int) -> int:
    def fits(header: int) -> int:
        return one - -(-8 * header // 7) if unit == 7 else (one - header) & ~1

    at = [0, *itertools.accumulate(sizes)]
    if at[-1] <= (fits(1 + extra) if extra else one):
        return 1
    counts = []
    spent = [at[edge] for edge in edges]
    for header in (6, 7)[: 1 if bits == 8 else 2]:
        room, begin, parts = fits(header + extra), 0, 0
        while begin < len(sizes):
            end = edges[bisect_right(spent, at[begin] + room) - 1]
            assert end > begin, "a cluster that no part has room for is another test's"
            begin, parts = end, parts + 1
        counts.append(parts)
    return min(counts)


def texts() -> st.SearchStrategy[tuple[str, tuple[str, ...]]]:
    """A text in a few languages, and the tables that a link may use."""

    def of(tags: list[str]) -> st.SearchStrategy[tuple[str, tuple[str, ...]]]:
        some = "".join(
            c for tag in tags for kind in ("locking", "single") for c in PRINTED.get((tag, kind), {}).values()
        )
        # At most two marks in a row: a cluster that no part has room for is another test's.
        letters = st.sampled_from(some + "aeiou  ,.0123456789€é")
        return st.tuples(
            st.lists(letters, min_size=60, max_size=420).map("".join),
            st.permutations(tags).map(tuple),
        )

    return st.lists(st.sampled_from(SHIFT_TABLES), min_size=1, max_size=3, unique=True).flatmap(of)


@settings(max_examples=120, deadline=None)
@given(texts(), st.sampled_from((8, 16)))
def test_never_more_segments_than_an_exhaustive_search_finds(
    given_text: tuple[str, tuple[str, ...]], bits: int
) -> None:
    text, allowed = given_text
    if max(len(each) for each in regex.findall(r"\X", text)) > 60:
        return
    encoding, payload, told = encode(text)
    cut = Cutter(Shape(reference_bits=bits, shift_tables=allowed)).cut(encoding, payload, 0x1234)
    assert decoded(cut) == text
    assert len(cut.octets) == fewest(text, allowed, bits) <= told


@pytest.mark.parametrize("tag", SHIFT_TABLES)
@pytest.mark.parametrize("alphabet", ["gsm7", "gsm7_packed"])
def test_four_thousand_characters_in_each_table_join_exactly(tag: str, alphabet: str) -> None:
    """Every character of both tables, pairs and marks shifted through every place of a part."""
    letters = "".join(c for c in {**LOCKING.get(tag, {}), **SINGLE[tag]} if c not in "\r\n\f")
    for shift in range(160):
        if shift % 8 and alphabet != "gsm7":
            continue
        text = ("a" * shift + letters * 40)[: 400 if shift % 40 else 4000]
        encoding, payload, told = encode(text)
        cut = Cutter(Shape(alphabet=alphabet, shift_tables=(tag,))).cut(encoding, payload, 0xABCD)
        assert decoded(cut, alphabet == "gsm7_packed") == text
        assert len(cut.octets) <= told
        assert (cut.tables or len(text) < 4000) and set(cut.tables) <= {tag, ""}
        begins = list(
            itertools.accumulate(len(decoded(cut._replace(octets=[o]), alphabet == "gsm7_packed")) for o in cut.octets)
        )
        edges = set(itertools.accumulate(len(each) for each in regex.findall(r"\X", text)))
        assert set(begins) <= edges
        if alphabet == "gsm7" and len(text) == 4000 and shift == 40 * (LANGUAGES[tag] % 4):
            assert len(cut.octets) == fewest(text, (tag,), 16)


#: Characters of one and of several units, what joins the one before it, pairs: for every alphabet that has no table.
MIXED = {
    "GSM-7 with escape pairs": "a€b{c\\é[|~^\n",
    "UCS-2 with surrogates": "Ж\U0001f600я",
    "UCS-2 with marks": "e\u0301Жa\u0323\u0302क्षि",
    "UCS-2 with clusters of all kinds": "\U0001f1ee\U0001f1f9я\U0001f468\u200d\U0001f469\u200d\U0001f467é한\r\n",
}


def whole(name: str, letters: str, allowed: tuple[str, ...], shifts: Iterable[int]) -> int:
    """4,000 characters with `letters` moved through every place of a part, in each form a link may have; how many texts."""
    count = 0
    for shift, alphabet, bits in itertools.product(shifts, ("gsm7", "gsm7_packed"), (8, 16)):
        # Moved by a letter that joins nothing: sixty marks in a row would be one cluster.
        text = ("a" * shift + letters * 4000)[:4000]
        encoding, payload, told = encode(text)
        cut = Cutter(Shape(alphabet=alphabet, reference_bits=bits, shift_tables=allowed)).cut(encoding, payload, 0xABCD)
        assert decoded(cut, alphabet == "gsm7_packed") == text, (name, shift, alphabet, bits)
        assert len(cut.octets) == fewest(text, allowed, bits) <= told, (name, shift, alphabet, bits)
        count += 1
    return count


@pytest.mark.parametrize("name", MIXED)
def test_four_thousand_characters_of_pairs_and_marks_take_the_fewest_parts(name: str) -> None:
    assert whole(name, MIXED[name], (), (0, 67))


def test_a_link_without_tables_and_short_texts_are_as_before() -> None:
    for text in ("ş" * 70, "a" * 160, "ş" * 100):
        encoding, payload, _ = encode(text)
        plain = Cutter(Shape()).cut(encoding, payload, 7)
        assert plain.tables == ()
        if len(plain.octets) == 1:
            assert Cutter(Shape(shift_tables=("tr",))).cut(encoding, payload, 7) == plain


def test_the_rest_of_a_message_goes_only_where_its_tables_may() -> None:
    def packer(**more: object) -> LinkPacker:
        link = link_of(**more)
        return LinkPacker(link, Cutter(shape_of(link)).cut, sender_octets, shape_of(link))

    encoding, payload, told = encode("ğüşöç ıİ" * 40)
    begun = packer(shift_tables=["tr"]).prepare(encoding, payload, 7)
    assert (begun.esm_class, begun.data_coding, begun.tables) == (0x40, 0, ("tr", "")) and len(begun.octets) < told
    assert packer().adopt(begun, encoding) is None
    assert packer(shift_tables=["hi"]).adopt(begun, encoding) is None
    assert packer(shift_tables=["hi", "tr"]).adopt(begun, encoding) is not None


@pytest.mark.parametrize(
    "more",
    [
        {"shift_tables": ["de"]},
        {"shift_tables": ["tr", "tr"]},
        {"shift_tables": ["tr"], "alphabet": "latin1"},
        {"shift_tables": ["tr"], "long_message": "sar"},
        {"shift_tables": ["tr"], "long_message": "payload"},
    ],
)
def test_tables_that_a_link_cannot_have(more: dict[str, object]) -> None:
    with pytest.raises(Error) as e:
        link_of(**more)
    assert e.value.code == "settings_invalid" and "shift_tables" in e.value.message


if __name__ == "__main__":  # every place of a part, for every alphabet and table: some minutes
    for name, letters in MIXED.items():
        print(name, whole(name, letters, (), range(160)), flush=True)
    for tag in SHIFT_TABLES:
        every = "".join(c for c in {**LOCKING.get(tag, {}), **SINGLE[tag]} if c not in "\r\n\f")
        print(tag, whole(tag, every, (tag,), range(0, 160, 2)), flush=True)
