"""Every receipt of the corpus, and a great many ids of many links: each finds its own message, none another's."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import Error
from appliance.smpp import (
    ReceiptReader,
    format_id,
    format_receipt,
    id_pattern,
    pack_deliver,
    parse_deliver,
    receipt_forms,
)
from appliance.smpp.receipt_forms import read_text
from tests.support.links import link_of
from tests.support.receipts import Row, corpus

ROWS = corpus()
IDS_IN_A_RUN = 100_000


def test_the_corpus_is_large_enough() -> None:
    assert len(ROWS) >= 60 and len({row.pdu for row in ROWS}) >= 60


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_corpus(row: Row) -> None:
    reader = ReceiptReader(link_of(**row.link))
    receipt = reader.read(parse_deliver(row.pdu))
    expect = row.expect
    assert (receipt is not None) == expect["receipt"]
    if receipt is None:
        return
    assert (receipt.status, receipt.final, receipt.error) == (expect["status"], expect["final"], expect["error"])
    matches = bool(receipt.message_id) and reader.receipt_id(receipt.message_id) == reader.response_id(row.response_id)
    assert matches == expect["match"]
    said = {
        "id": receipt.message_id,
        "source": receipt.source,
        "dest": receipt.dest,
        "accepted": receipt.accepted,
        "done": receipt.done_date,
        "text": receipt.text,
        "reference": receipt.reference,
    }
    assert {name: said[name] for name in expect if name in said} == {n: v for n, v in expect.items() if n in said}


def links_and_forms() -> list[tuple[str, ReceiptReader, int, int]]:
    bases = {"as_is": (16, 16), "hex_dec": (16, 10), "dec_hex": (10, 16), "hex": (16, 16), "dec": (10, 10)}
    out = []
    for base, forms in bases.items():
        for case in ("exact", "ignore"):
            for zeros in ("exact", "ignore"):
                link = link_of(id_base=base, id_case=case, id_zeros=zeros)
                out.append((f"{base}-{case}-{zeros}", ReceiptReader(link), *forms))
    return out


def never_a_false_match(ids: int, seed: int) -> int:
    """Random ids on twenty links, many of them near each other; how many receipts met exactly their own response."""
    chance = random.Random(seed)
    links = links_and_forms()
    given: dict[tuple[str, str], int] = {}
    receipts: list[tuple[int, str, int, int]] = []
    numbers = iter(lambda: chance.choice((chance.randrange(1 << 20), chance.randrange(1 << 62))), None)
    for n, number in enumerate(islice(numbers, ids)):
        which = chance.randrange(len(links))
        name, reader, here, there = links[which]
        where = name, reader.response_id(format_id(number, here))
        if where not in given:  # an operator gives an id once
            given[where] = n
            receipts.append((n, format_id(number, there), which, number))
    chance.shuffle(receipts)
    for n, raw, which, _ in receipts:
        name, reader, *_ = links[which]
        assert given.pop((name, reader.receipt_id(raw))) == n
    assert not given
    # And those that no response had: none of them meets anything on any link but its own.
    kept = {
        (links[which][0], links[which][1].response_id(format_id(number, links[which][2])))
        for _, _, which, number in receipts[: len(receipts) // 2]
    }
    for _, raw, which, _ in receipts[len(receipts) // 2 :]:
        assert (links[which][0], links[which][1].receipt_id(raw)) not in kept
    return len(receipts)


def test_never_a_false_match_among_random_ids_across_links() -> None:
    assert never_a_false_match(IDS_IN_A_RUN, 3) > IDS_IN_A_RUN * 0.9


def test_a_receipt_of_every_link_is_read_whole() -> None:
    for _, reader, here, there in links_and_forms():
        frame = pack_deliver(1, "393330000001", "BANCA", 4, 0, format_receipt(format_id(0xABCDEF12, there)))
        receipt = reader.read(parse_deliver(frame))
        assert receipt is not None
        assert reader.receipt_id(receipt.message_id) == reader.response_id(format_id(0xABCDEF12, here))


@pytest.mark.parametrize(
    "pattern",
    [r"^SMSC-([0-9A-F]+)-\d+$", r"(\d+)", r"^(?:MSG|SAR)-([A-Z0-9]{1,16})", r"ref (\w+) ok", r"([0-9a-f-]{36})"],
)
def test_an_id_pattern_that_is_taken(pattern: str) -> None:
    assert id_pattern(pattern).groups >= 1


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"([a-z]+)*x",
        r"(?:(a)|b){2,}",
        r"(\d+)\d+\d+\d+",
        r"^(.*)(.*)(.*)(.*)$",
        r"(?=(a+))\1",
        r"(?P<id>\d+)",
        r"(a)(?:b?){20}",
        "(" + "a?" * 30 + ")",
        r"\d+",
        r"(",
        r"(a{1,99999999999})",
        "(" + "a" * 300 + ")",
    ],
)
def test_an_id_pattern_that_could_be_slow_is_refused(pattern: str) -> None:
    with pytest.raises(Error, match="id_pattern"):
        id_pattern(pattern)


def test_the_worst_pattern_that_is_taken_ends_soon() -> None:
    search = id_pattern(r"^(.*)a.*b.*c$").search
    assert search("a" * 42 + "b" * 43 + "d" * 43) is None  # some 100,000 ways; without the bound it would be minutes


def test_a_word_that_means_no_status_is_refused() -> None:
    link = link_of()
    object.__setattr__(link, "receipt_words", {"HELD": "waiting"})
    with pytest.raises(Error, match="receipt_words"):
        ReceiptReader(link)


WORDS_OF_A_HEAD = ["id:7", "id:", "sub:001", "dlvrd:001", "submit", "date:2611221830", "done", "date:1", "stat:DELIVRD"]
WORDS_OF_A_HEAD += ["stat:", "err:000", "", "x", "id:8", "err:\0", "stat:delivrd", "submit_date:1", "ID:9"]


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from(WORDS_OF_A_HEAD), max_size=3),
    st.integers(0, 9),
    st.booleans(),
)
def test_the_usual_form_is_read_as_any_other_is(extra: list[str], at: int, over: bool) -> None:
    head = [
        "id:7",
        "sub:001",
        "dlvrd:001",
        "submit",
        "date:2611221830",
        "done",
        "date:2611221831",
        "stat:DELIVRD",
        "err:000",
    ]
    head[at : at + over * len(extra)] = extra
    whole = " ".join(head) + " text:ciao id:9"
    quick = read_text(whole, False)
    usual, receipt_forms.usual = receipt_forms.usual, lambda head, text: None
    try:
        assert quick == read_text(whole, False)
    finally:
        receipt_forms.usual = usual
