"""Parts in any order, doubled, of mixed kinds, missing: joined exactly, or handed on in parts marked incomplete, nothing dropped."""

from __future__ import annotations

import random
from typing import Any

import pytest

from appliance.engine.joining import GAP, Joiner, Piece, Whole, piece_of
from appliance.smpp import spec
from appliance.text import GSM7, encode

WAIT_MS = 60_000


def row(n: int, subject: bytes = b"s" * 16) -> tuple[Any, ...]:
    return (n, n.to_bytes(16, "big"), "main", 1_000 + n, 1, subject, b"", "43210", b"")


def sent(kind: str, reference: int, total: int, number: int, octets: bytes, coding: int = 0) -> dict[str, Any]:
    tlvs: dict[str, bytes] = {}
    esm_class, header = 0, b""
    if kind == "8":
        esm_class, header = spec.ESM_UDHI, bytes((5, 0, 3, reference, total, number))
    elif kind == "16":
        esm_class, header = spec.ESM_UDHI, bytes((6, 8, 4, reference >> 8, reference & 255, total, number))
    elif kind == "sar":
        tlvs = {
            str(spec.TLV_SAR_MSG_REF_NUM): reference.to_bytes(2, "big"),
            str(spec.TLV_SAR_TOTAL_SEGMENTS): bytes((total,)),
            str(spec.TLV_SAR_SEGMENT_SEQNUM): bytes((number,)),
        }
    return {"esm_class": esm_class, "data_coding": coding, "short_message": header + octets, "tlvs": tlvs}


def pieces(text: str, kind: str, reference: int, first: int = 1, subject: bytes = b"s" * 16) -> list[Piece]:
    encoding, payload, _ = encode(text)
    coding, size = (0, 61) if encoding == GSM7 else (8, 51)  # 51 cuts a character in two
    cut = [payload[at : at + size] for at in range(0, len(payload), size)]
    return [
        piece_of(
            (1, first + n), row(first + n, subject), "+391", sent(kind, reference, len(cut), n + 1, o, coding), "gsm7"
        )
        for n, o in enumerate(cut)
    ]


def joined(joiner: Joiner, given: list[Piece]) -> list[Whole]:
    return [whole for piece in given for whole in joiner.take(piece, piece.at_ms)]


LONG = "Vorrei sapere il saldo {del conto} €, grazie mille! " * 5
UNICODE = "Ваш баланс 😀 будет завтра " * 6


@pytest.mark.parametrize("kind", ["8", "16", "sar"])
@pytest.mark.parametrize("text", [LONG, UNICODE])
def test_parts_in_any_order_and_doubled_are_one_message(kind: str, text: str) -> None:
    given = pieces(text, kind, 7) * 2
    random.Random(3).shuffle(given)
    wholes = joined(Joiner(WAIT_MS), given)
    told = [w for w in wholes if w.total]
    assert [(w.text, w.missing) for w in told] == [(text, ())]
    assert sum(len(w.wheres) for w in wholes) == len(given)


def test_a_short_message_is_whole_at_once() -> None:
    (whole,) = Joiner(WAIT_MS).take(piece_of((1, 1), row(1), "+391", sent("", 0, 1, 1, b"STOP"), "gsm7"), 0)
    assert (whole.text, whole.total, whole.missing) == ("STOP", 1, ())


def test_the_same_reference_under_another_header_is_another_message() -> None:
    joiner = Joiner(WAIT_MS)
    first, second = pieces(LONG, "8", 7), pieces(LONG.upper(), "sar", 7, 50)
    mixed = [piece for pair in zip(first, second, strict=True) for piece in pair]
    assert sorted(str(w.text) for w in joined(joiner, mixed)) == sorted([LONG, LONG.upper()])


def test_a_missing_part_is_waited_for_and_then_the_rest_is_handed_on_as_incomplete() -> None:
    joiner = Joiner(WAIT_MS)
    given = pieces(LONG, "16", 9)
    assert joined(joiner, given[:1] + given[2:]) == []
    assert joiner.overdue(1_001 + WAIT_MS - 1) == []
    (whole,) = joiner.overdue(1_001 + WAIT_MS)
    assert whole.missing == (2,) and whole.text is not None and GAP in whole.text
    assert whole.text.startswith(LONG[:40]) and len(joiner) == 0


def test_what_comes_once_more_after_a_restart_or_after_its_time_is_known() -> None:
    given = pieces(LONG, "sar", 7)
    again = Joiner(WAIT_MS)
    for piece in given:
        again.remember(piece, piece.at_ms)
    assert [w.total for w in joined(again, given)] == [0] * len(given) and not len(again)
    late = Joiner(WAIT_MS)
    joined(late, given[:2])
    (rest,) = late.overdue(WAIT_MS + 2_000)
    assert rest.missing and [w.total for w in joined(late, given[:2])] == [0, 0]
    joined(late, given[2:3])
    assert len(late) == 1, "the part that was missed is not dropped when it comes at last"


def test_neither_a_clock_set_forth_nor_an_outage_ends_the_wait() -> None:
    day_ms = 86_400_000
    first, *rest = pieces(LONG, "8", 7)
    joiner = Joiner(WAIT_MS)
    assert joiner.take(first, 5_000) == [] and joiner.overdue(5_500) == []
    wholes = [w for piece in rest for w in joiner.take(piece._replace(at_ms=piece.at_ms + day_ms), 6_000)]
    assert [(w.text, w.missing) for w in wholes] == [(LONG, ())]
    started_again = Joiner(WAIT_MS)  # days later, by the first part as the store has it
    started_again.take(first, 0)
    assert started_again.overdue(WAIT_MS - 1) == [] and len(started_again.overdue(WAIT_MS)) == 1


def test_a_reference_used_again_before_the_first_was_whole_ends_the_first() -> None:
    joiner = Joiner(WAIT_MS)
    first, second = pieces(LONG, "8", 1), pieces(LONG.upper(), "8", 1, 100)
    wholes = joined(joiner, first[:2] + second)
    assert [bool(w.missing) for w in wholes] == [True, False]
    assert wholes[1].text == LONG.upper()


def test_a_thousand_conversations_at_a_time_are_not_confused() -> None:
    joiner = Joiner(WAIT_MS)
    texts = {n.to_bytes(16, "big"): f"Conversazione {n}: " + LONG for n in range(1_000)}
    kinds = ("8", "16", "sar")
    given = [
        piece
        for n, (subject, text) in enumerate(texts.items())
        for piece in pieces(text, kinds[n % 3], n % 5, 1 + 10 * n, subject)
    ]
    random.Random(5).shuffle(given)
    wholes = joined(joiner, given)
    assert {w.first.subject: w.text for w in wholes} == texts
    assert (len(wholes), len(joiner)) == (1_000, 0)


@pytest.mark.parametrize(
    "header", [b"\x05\0\x03\x01\x02\x03x", b"\xff\0\x03", b"\x05\0\x03\x01\0\0x", b"\x03\x05\x01\x09x", b""]
)
def test_a_header_that_makes_no_sense_loses_nothing(header: bytes) -> None:
    content = {"esm_class": spec.ESM_UDHI, "data_coding": 0, "short_message": header, "tlvs": {}}
    (whole,) = Joiner(WAIT_MS).take(piece_of((1, 1), row(1), "+391", content, "gsm7"), 0)
    assert whole.total == 1 and whole.text is not None


def test_octets_in_no_alphabet_are_no_text() -> None:
    content = sent("", 0, 1, 1, b"\x01\x02", coding=4)
    (whole,) = Joiner(WAIT_MS).take(piece_of((1, 1), row(1), "+391", content, "gsm7"), 0)
    assert whole.text is None
