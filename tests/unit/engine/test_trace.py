"""The trace of a link: whole PDUs out of any chunks, masked, bounded in number, size and rate, and off by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from appliance import clock, limits
from appliance.engine.link import Link
from appliance.engine.trace import Cut, Taps, Trace
from appliance.engine.workbench import Workbench
from appliance.errors import Error
from appliance.settings import parse
from appliance.smpp import ReceiptReader, format_receipt, pack_deliver, pack_submit_resp

NUMBER, TEXT = "393331234567", "il tuo codice"
DELIVER = pack_deliver(9, NUMBER, "8000", 0, 0, TEXT.encode())


def link(**own: Any) -> Link:
    settings = parse({"link": [{"name": "a", "host": "h", **own}]}, Path("/nowhere"), "test").links[0]
    return Link(settings, lambda: None, lambda *_: None)


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


def trace(at: Clock, minutes: int = 1) -> Trace:
    return Trace({}, at, at.ms + minutes * 60_000)


def test_any_chunks_give_whole_pdus() -> None:
    bind, cut = link().binds[0], Cut()
    stream = DELIVER + pack_submit_resp(1, 0, "x") + DELIVER
    found = [frame for octet in stream for frame in cut.pdus(bind, "in", bytes((octet,)))]
    assert found == [DELIVER, pack_submit_resp(1, 0, "x"), DELIVER]
    assert cut.pdus(bind, "out", stream) == found


def test_looking_may_begin_in_the_middle_of_a_pdu() -> None:
    bind, cut = link().binds[0], Cut()
    bind.session.connected(0.0)
    bind.session.hear(DELIVER[:20], 0.0)
    assert cut.pdus(bind, "in", DELIVER[20:] + DELIVER) == [DELIVER, DELIVER]


def test_what_is_no_smpp_ends_looking_until_the_next_connection() -> None:
    bind, cut = link().binds[0], Cut()
    assert cut.pdus(bind, "in", b"\xff" * 20) == []
    assert cut.pdus(bind, "in", DELIVER) == []
    bind.session = bind._session()
    assert cut.pdus(bind, "in", DELIVER) == [DELIVER]


def test_nothing_personal_is_kept() -> None:
    kept, bind = trace(Clock()), link().binds[0]
    kept.hear(bind, "in", DELIVER)
    kept.hear(bind, "in", pack_deliver(9, NUMBER, "8000", 4, 0, format_receipt("AB1", text=TEXT)))
    whole = str(vars(kept)["_kept"])
    assert NUMBER not in whole and TEXT not in whole and NUMBER.encode().hex() not in whole
    assert "AB1" in whole and "DELIVRD" in whole
    row = kept.read(0, 10)["pdus"][0]
    assert (row["name"], row["way"], row["number"], row["bind"]) == ("deliver_sm", "in", 1, "transceiver h:2775")


def test_reading_goes_on_where_it_stopped() -> None:
    at = Clock()
    kept, bind = trace(at), link().binds[0]
    for _ in range(5):
        kept.hear(bind, "in", DELIVER)
    assert [row["number"] for row in kept.read(0, 3)["pdus"]] == [3, 4, 5]
    assert [row["number"] for row in kept.read(4, 100)["pdus"]] == [5]
    assert kept.read(5, 100)["pdus"] == [] and kept.read(5, 100)["last"] == 5


def test_the_ring_is_bounded_in_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    at = Clock()
    kept, bind = trace(at, 60), link().binds[0]
    for n in range(limits.TRACE_PDUS_MAX + 50):
        at.ms += 1_000 if n % limits.TRACE_PDUS_PER_S == 0 else 0
        kept.hear(bind, "in", DELIVER)
    assert len(kept._kept) == limits.TRACE_PDUS_MAX and kept.last == limits.TRACE_PDUS_MAX + 50
    monkeypatch.setattr(limits, "TRACE_CHARACTERS_MAX", 5_000)
    at.ms += 1_000
    kept.hear(bind, "in", DELIVER)
    assert 0 < len(kept._kept) < 20
    assert sum(len(line) for row in kept._kept for line in row["lines"]) == kept._characters <= 5_000


def test_more_a_second_are_counted_and_not_taken() -> None:
    at = Clock()
    kept, bind = trace(at), link().binds[0]
    kept.hear(bind, "in", DELIVER * (limits.TRACE_PDUS_PER_S + 7))
    assert (kept.last, kept.skipped) == (limits.TRACE_PDUS_PER_S, 7)
    at.ms += 1_000
    kept.hear(bind, "in", DELIVER)
    assert (kept.last, kept.skipped) == (limits.TRACE_PDUS_PER_S + 1, 7)


def test_nothing_is_taken_after_its_time() -> None:
    at = Clock()
    kept, bind = trace(at), link().binds[0]
    at.ms = kept.until_ms
    kept.hear(bind, "in", DELIVER)
    assert kept.last == 0


def test_an_ear_that_fails_is_dropped_and_the_link_hears_on() -> None:
    made = link()
    taps = Taps(made)

    def broken(*_: Any) -> None:
        raise ValueError

    taps.add(broken)
    assert made.tap is not None
    made.binds[0].session.connected(0.0)
    made.binds[0].data_received(DELIVER)
    assert made.tap is None, "nobody looks any more: it costs nothing again"


# --- the operations ---------------------------------------------------------------------------------------------


class Beat:
    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = []


def bench(made: Link) -> tuple[Workbench, Beat]:
    beat = Beat()

    async def in_beat(act: Callable[[], Any]) -> Any:
        return act()

    caught: Callable[[Callable[[], Any]], Awaitable[Any]] = in_beat
    return Workbench({"a": made}, beat, "engine-0", caught), beat  # type: ignore[arg-type]


def do(operation: Awaitable[Any]) -> Any:
    async def run() -> Any:
        return await operation

    return asyncio.run(run())


def test_a_trace_is_on_record_when_it_begins_and_when_it_ends_by_itself() -> None:
    made = link()
    work, beat = bench(made)
    until = do(work.trace({"link": "a", "minutes": 2, "who": "cli:anna"}))["until_ms"]
    assert made.tap is not None and work.until_ms("a") == until
    assert [(n["what"], n["who"], n["detail"]) for n in beat.notes] == [("link.trace_on", "cli:anna", {"minutes": 2})]
    work.tick(until - 1)
    assert made.tap is not None
    work.tick(until)
    work.tick(until + 1)
    assert made.tap is None
    assert [n["what"] for n in beat.notes] == ["link.trace_on", "link.trace_off"]
    assert do(work.trace_read({"link": "a"}))["until_ms"] > 0, "what it holds can still be read"
    work.tick(until + limits.TRACE_KEPT_S * 1_000)
    assert do(work.trace_read({"link": "a"})) == {"until_ms": 0, "last": 0, "skipped": 0, "pdus": []}


def test_a_person_ends_it() -> None:
    made = link()
    work, beat = bench(made)
    do(work.trace({"link": "a", "minutes": 2, "who": "cli:anna"}))
    assert do(work.trace({"link": "a", "minutes": 0, "who": "cli:bob"})) == {"until_ms": 0}
    assert made.tap is None and work.until_ms("a") == 0
    work.tick(clock.now_ms() + 200_000)
    assert [(n["what"], n["who"]) for n in beat.notes] == [("link.trace_on", "cli:anna"), ("link.trace_off", "cli:bob")]


@pytest.mark.parametrize(
    ("operation", "asked", "code"),
    [
        ("trace", {"link": "b", "minutes": 1, "who": "cli:a"}, "not_found"),
        ("trace", {"link": "a", "minutes": 61, "who": "cli:a"}, "invalid"),
        ("trace", {"link": "a", "minutes": True, "who": "cli:a"}, "invalid"),
        ("trace", {"link": "a", "minutes": 1, "who": ""}, "invalid"),
        ("trace", {"link": "a", "minutes": 1, "who": "nobody"}, "invalid"),
        ("trace", {"link": "a", "who": "cli:a"}, "invalid"),
        ("trace", None, "not_found"),
        ("trace_read", {"link": "a", "after": "x"}, "invalid"),
        ("trace_read", {"link": "a", "limit": 0}, "invalid"),
        ("link_test", {"link": "a"}, "invalid"),
        ("link_test", {"link": "a", "to": 1, "who": "cli:a"}, "invalid"),
        ("link_test", {"link": "a", "to": "12", "who": "cli:a"}, "number_invalid"),
        ("link_test", {"link": "a", "to": "+393331234567", "text": "x" * 2_000, "who": "cli:a"}, "invalid"),
        ("link_test", {"link": "a", "to": "+393331234567", "from": "X" * 40, "who": "cli:a"}, "invalid"),
        ("link_test", {"link": "a", "to": "+393331234567", "text": "x" * 4_001, "who": "cli:a"}, "text_too_long"),
    ],
)
def test_what_is_asked_wrongly_does_nothing(operation: str, asked: Any, code: str) -> None:
    made = link()
    work, beat = bench(made)
    with pytest.raises(Error) as caught:
        do(getattr(work, operation)(asked))
    assert caught.value.code == code
    assert made.tap is None and beat.notes == []


def test_one_test_at_a_time() -> None:
    work, _ = bench(link())
    work._testing = True
    with pytest.raises(Error) as caught:
        do(work.link_test({"link": "a", "who": "cli:a"}))
    assert caught.value.code == "overloaded"


def test_what_belongs_to_one_message_is_found_by_the_operators_id() -> None:
    a = link(id_base="hex_dec")
    kept, bind, other = trace(Clock()), a.binds[0], link().binds[0]
    other.host = "elsewhere"
    submits = [a.packer.pack(n, "BANK", NUMBER, a.packer.prepare(0, b"x", 0), 1, 0, 60, 0) for n in (7, 8)]
    kept.hear(other, "out", submits[0])  # another bind counts its own sequences
    kept.hear(bind, "out", submits[0])  # from before: the sequence came again
    kept.hear(bind, "out", submits[0])
    kept.hear(bind, "out", submits[1])
    kept.hear(bind, "in", pack_submit_resp(7, 0, "0A"))
    kept.hear(bind, "in", pack_submit_resp(8, 0, "0B"))
    kept.hear(bind, "in", pack_deliver(9, NUMBER, "8000", 4, 0, format_receipt("10")))
    reader = ReceiptReader(a.settings)
    found = kept.of({"10"}, reader)
    assert [(row["number"], row["name"], row["ids"]) for row in found] == [
        (3, "submit_sm", ["10"]),
        (5, "submit_sm_resp", ["10"]),
        (7, "deliver_sm", ["10"]),
    ]
    assert kept.of({"99"}, reader) == [] and [row["number"] for row in kept.of({"11"}, reader)] == [4, 6]
