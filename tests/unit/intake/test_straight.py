"""Rows in columns and rows one by one: the same is kept, sealed and told, whatever is among them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.api.requests import Message
from appliance.content import Guard
from appliance.errors import Error
from appliance.intake import Intake, Sealing
from appliance.intake import intake as room
from appliance.message import new_ids
from tests.support.fake_engine import FakeKey, fake_blind_indexer

AT_MS = 1_790_000_000_000
SUPPRESSED = "+393330000000"
KEY = FakeKey(7)
SEALING = Sealing(AT_MS // 86_400_000, KEY, fake_blind_indexer(b"k" * 32), b"r" * 32)
IDS = new_ids(200, AT_MS)

GOOD = Message("+393331234567", "ciao", "MYBANK")
#: What is among good rows, one kind each.
KINDS: dict[str, Any] = {
    "good": GOOD,
    "an otp": Message("+393331234567", "123456 is your code", class_="otp"),
    "in greek": Message("+306912345678", "Η πληρωμή ολοκληρώθηκε", "40400", "alert", reference="r"),
    "long": Message("+393331234567", "x" * 400, validity_s=60, metadata={"a": "b"}),
    "a card": Message("+393331234567", "card 4111 1111 1111 1111"),
    "a number that is none": Message("+39", "ciao"),
    "a number with blanks": Message("+39 333 1234567", "ciao"),
    "no sender's name": Message("+393331234567", "ciao", "much too long a name"),
    "an empty sender": Message("+393331234567", "ciao", ""),
    "nowhere": Message("+4915112345678", "ciao"),
    "at night": Message("+306912345678", "ciao", class_="bulk"),
    "at night, not for long": Message("+306912345678", "ciao", class_="bulk", validity_s=60),
    "suppressed": Message(SUPPRESSED, "ciao"),
    "empty": Message("+393331234567", ""),
    "later": Message("+393331234567", "ciao", send_at=datetime.fromtimestamp(AT_MS / 1000 + 7_200, UTC)),
    "too late": Message("+393331234567", "ciao", send_at=datetime.fromtimestamp(AT_MS / 1000 + 10**8, UTC)),
    "a callback": Message("+393331234567", "ciao", callback_url="https://bank.example/x"),
    "an error already": Error("invalid", "the row is wrong", field="to"),
}


def check_consent(subject: bytes, class_: int, sender: str) -> None:
    if subject == SEALING.index(SUPPRESSED):
        raise Error("suppressed", "no")


def check_sender(to: str, calling_code: int, class_: int, sender: str, text: str) -> None:
    assert to.startswith(f"+{calling_code}")
    if sender == "40400" and class_ == 0:
        raise Error("sender_unregistered", "no")


class Night(NamedTuple):
    """Until when a message waits."""

    until_ms: int
    rules: tuple[str, ...] = ("night",)


def check_quiet(to: str, calling_code: int, class_: int, sender: str, at_ms: int) -> Night | None:
    return Night(AT_MS + 3_600_000) if calling_code == 30 and class_ == 3 else None


def taken(rows: list[Any], cards: str, least: int, **more: Any) -> dict[str, Any]:
    """All that intake makes of the rows, opened; columns from `least` rows on."""
    was, room.STRAIGHT_MIN = room.STRAIGHT_MIN, least
    try:
        intake = Intake(
            len(rows), list(range(len(rows))), SEALING, AT_MS, lambda url: None, lambda to, class_, sender: to.startswith("+3"),
            ids=IDS[: len(rows)], guard=Guard(cards, "refuse", "refuse", ()), check_consent=check_consent,
            check_sender=check_sender, check_quiet=check_quiet, basis="b", **more,
        )  # fmt: skip
        intake.ruled[1] = ["template:x@1"]
        intake.take(rows)
    finally:
        room.STRAIGHT_MIN = was
    batch = intake.batch
    columns = {name: getattr(batch, name) for name in batch.__struct_fields__ if name not in ("numbers", "contents")}
    columns["numbers"] = [KEY.open(b, b"n" + i) for b, i in zip(batch.numbers, batch.ids, strict=True)]
    columns["contents"] = [KEY.open(b, b"c" + i) for b, i in zip(batch.contents, batch.ids, strict=True)]
    columns["accepted"] = intake.accepted
    columns["rejected"] = intake.rejected()
    assert {len(columns[name]) for name in columns if isinstance(columns[name], list) and name not in ("requests", "rejected", "basis")} == {len(batch.ids)}  # fmt: skip
    return columns


def both(rows: list[Any], cards: str = "refuse", **more: Any) -> dict[str, Any]:
    straight = taken(rows, cards, 1, **more)
    assert straight == taken(rows, cards, 1_000, **more)
    return straight


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_among_good_rows(kind: str) -> None:
    both([GOOD, GOOD, KINDS[kind], GOOD, KINDS[kind]])


def test_the_usual_day_is_all_columns() -> None:
    told = both([GOOD] * 60, indexed=True, notify=[n % 3 for n in range(60)])
    assert [a.index for a in told["accepted"]] == list(range(60)) and told["notify"] == [n % 3 for n in range(60)]
    assert told["ids"] == IDS[:60] and not told["rejected"]


def test_a_masked_text_is_sealed_masked() -> None:
    told = both([KINDS["a card"], GOOD, GOOD, GOOD, GOOD], "mask")
    assert b"1111 1111" not in told["contents"][0] and b"1111" in told["contents"][0]


def test_many_odd_rows_cost_no_more_than_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    real = room.straight.take
    monkeypatch.setattr(room.straight, "take", lambda *given: (tries.append(1), real(*given)))
    taken([KINDS["suppressed"]] * 128, "refuse", 1)
    assert len(tries) == room.ODD_MAX
    tries.clear()
    taken([GOOD] * 100 + [KINDS["suppressed"]] + [GOOD] * 27, "refuse", 1)
    assert len(tries) == 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=24), st.sampled_from(["refuse", "mask", "allow"]))
def test_any_mixture(kinds: list[str], cards: str) -> None:
    both([KINDS[kind] for kind in kinds], cards)
