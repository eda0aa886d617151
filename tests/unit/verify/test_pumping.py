"""Which numbers get codes, and when a prefix is blocked: pure; and the same on the book, with the time passed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.settings import parse
from appliance.verify import (
    Block,
    Book,
    Guard,
    Verification,
    check_admitted,
    check_prefix,
    code_mac,
    guard_of,
    paces,
    prefix_of,
)
from appliance.verify.binding import NONE
from appliance.verify.pumping import SLOT_MS, USUAL_SLOTS, Traffic, suspect
from appliance.verify.states import Limits

AT = 1_800_000_000_000 - 1_800_000_000_000 % SLOT_MS
PREFIX, KEY = "+39347", b"k" * 32
OPEN = Limits(per_number_hour=0)
GUARD = Guard(least=20)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path / "verify.db")
    yield made
    made.close()


def refusal(act: Any) -> Error:
    with pytest.raises(Error) as caught:
        act()
    return caught.value


@pytest.mark.parametrize(
    ("number", "prefix"),
    [("+393471234567", "+39347"), ("+12125551234", "+1212"), ("+35312345678", "+353123"), ("+77012345678", "+7701")],
)
def test_a_prefix_is_the_calling_code_and_three_digits(number: str, prefix: str) -> None:
    assert prefix_of(number) == prefix
    check_prefix(prefix)


@pytest.mark.parametrize("written", ["", "39347", "+393", "+393471", "+0123", "+39a47", "+39347 ", "+９９347"])
def test_what_is_no_prefix_is_refused(written: str) -> None:
    assert refusal(lambda: check_prefix(written)).code == "invalid"


@pytest.mark.parametrize(
    ("countries", "number", "code", "goes"),
    [
        ((), "+8801712345678", 880, True),
        (("IT",), "+393471234567", 39, True),
        (("IT",), "+8801712345678", 880, False),
        (("CA",), "+12125551234", 1, False),
        (("US",), "+12125551234", 1, True),
        (("IT", "+4477"), "+447712345678", 44, True),
        (("IT", "+4477"), "+447512345678", 44, False),
    ],
)
def test_codes_go_where_the_settings_say(countries: tuple[str, ...], number: str, code: int, goes: bool) -> None:
    guard = Guard(countries)
    if goes:
        check_admitted(number, code, guard)
    else:
        error = refusal(lambda: check_admitted(number, code, guard))
        assert (error.code, error.detail["rule"]) == ("destination_blocked", "country")
        assert number not in str(error)


def test_the_home_country_is_the_default(tmp_path: Path) -> None:
    def guard(**verify: Any) -> Guard:
        return guard_of(parse({"bank": {"country": "IT"}, "verify": verify}, tmp_path, "test"))

    assert guard().countries == ("IT",)
    assert guard(countries=["DE", "+39347"]).countries == ("DE", "+39347")
    assert guard_of(parse({}, tmp_path, "test")).countries == ()
    for wrong in ({"countries": ["Italy"]}, {"countries": ["39"]}, {"guard_safe": ["IT"]}):
        assert refusal(lambda wrong=wrong: guard(**wrong)).code == "settings_invalid"  # type: ignore[misc]
    assert refusal(lambda: guard_of(parse({"bank": {"country": "+39"}}, tmp_path, "t"))).code == "settings_invalid"


@pytest.mark.parametrize(
    ("traffic", "why"),
    [
        (Traffic(19, 0, 1, 0, 0), ""),
        (Traffic(20, 0, 1, 0, 0), "conversion"),
        (Traffic(20, 2, 1, 0, 0), ""),
        (Traffic(200, 19, 1, 0, 0), "conversion"),
        (Traffic(0, 0, 5_000, 0, 0), ""),  # a prefix without a past: conversion decides, an hour on
        (Traffic(20, 15, 200, USUAL_SLOTS * 10, USUAL_SLOTS), "velocity"),
        (Traffic(20, 15, 100, USUAL_SLOTS * 10, USUAL_SLOTS), ""),
        (Traffic(20, 15, 19, 0, USUAL_SLOTS), ""),
    ],
)
def test_a_prefix_is_suspect_by_what_is_not_entered_or_by_far_too_much(traffic: Traffic, why: str) -> None:
    assert suspect(PREFIX, traffic, GUARD) == why
    assert suspect(PREFIX, traffic, GUARD._replace(safe=("+44", "+3934"))) == ""
    assert suspect(PREFIX, traffic, GUARD._replace(least=0)) == ""


def row(n: int, at_ms: int) -> Verification:
    key = (n + 1).to_bytes(16, "big")
    mac = code_mac(KEY, key, b"s" * 16, "login", NONE, "123456")
    return Verification(
        key, 1, "login", "pending", b"s" * 16, mac, b"", 7, b"x", at_ms, at_ms + 600_000, 1, 0, 0, None, None, prefix=PREFIX
    )  # fmt: skip


def sent(book: Book, n: int, at_ms: int, guard: Guard = GUARD) -> Block | None:
    block: Block | None = book.act(lambda b: (b.begin(row(n, at_ms), OPEN, at_ms), b.weigh(PREFIX, guard, at_ms)))[1]
    return block


def entered(book: Book, n: int, at_ms: int) -> None:
    checked = book.act(lambda b: b.check((n + 1).to_bytes(16, "big"), 1, KEY, "123456", NONE, OPEN, at_ms))
    assert checked.approved


def test_pumping_is_blocked_for_a_while_and_says_so_once(book: Book) -> None:
    told = [sent(book, n, AT) for n in range(30)]
    told += [sent(book, n, AT + SLOT_MS) for n in range(30, 40)]
    made = [block for block in told if block is not None]
    assert [(b.prefix, b.why) for b in made] == [(PREFIX, "conversion")]
    at = AT + SLOT_MS + 1
    error = refusal(lambda: sent(book, 50, at))
    assert (error.code, error.detail["rule"]) == ("destination_blocked", "prefix")
    before = book.one(row(0, AT).id, 1)
    put: Any = (b"m" * 32, 7, b"", at + 1, None)
    assert refusal(lambda: book.act(lambda b: b.renew(before, put, OPEN, at))).code == "destination_blocked"
    assert book.blocks(at) == made and book.blocks(made[0].until_ms) == []
    assert sent(book, 51, made[0].until_ms) is None


def test_codes_that_are_entered_block_nothing(book: Book) -> None:
    for n in range(100):
        at = AT + n * SLOT_MS // 10
        assert sent(book, n, at) is None
        if n % 4 == 0:
            entered(book, n, at + 30_000)
    (found,) = book.conversions(AT + 11 * SLOT_MS)
    assert found == (PREFIX, 100, 25)


def test_conversion_is_counted_by_operator_where_that_is_known(book: Book) -> None:
    for n, operator in enumerate(("tim", "tim", "", "vodafone")):
        made = row(n, AT)._replace(operator=operator)
        book.act(lambda b, made=made: (b.begin(made, OPEN, AT), b.weigh(PREFIX, GUARD, AT, made.operator)))
    entered(book, 0, AT)
    entered(book, 2, AT)
    assert book.carriers(AT) == [("tim", 2, 1), ("vodafone", 1, 0)] and book.conversions(AT) == [(PREFIX, 4, 2)]
    book.act(lambda b: b.sweep(AT + (USUAL_SLOTS + 1) * SLOT_MS, OPEN))
    assert book.carriers(AT) == []


def test_a_person_blocks_and_opens(book: Book) -> None:
    book.act(lambda b: b.block(Block(PREFIX, "person", AT, AT + 1_000)))
    assert refusal(lambda: sent(book, 1, AT)).code == "destination_blocked"
    assert book.act(lambda b: b.unblock(PREFIX, AT)).why == "person"
    assert sent(book, 1, AT) is None
    assert refusal(lambda: book.act(lambda b: b.unblock(PREFIX, AT))).code == "not_found"


def test_what_nothing_is_judged_by_any_more_is_erased(book: Book) -> None:
    sent(book, 1, AT)
    book.act(lambda b: b.block(Block(PREFIX, "person", AT, AT + 1_000)))
    later = AT + (USUAL_SLOTS + 2) * SLOT_MS
    book.act(lambda b: b.sweep(later, OPEN))
    assert book.conn.execute("SELECT (SELECT count(*) FROM traffic), (SELECT count(*) FROM block)").fetchone() == (0, 0)


def test_who_asks_is_limited_and_not_known(book: Book) -> None:
    limits = Limits(per_number_hour=0, per_user_hour=2, per_address_hour=3)
    who = paces(KEY, "customer-77", "192.0.2.7", limits)
    other = paces(KEY, "customer-78", "192.0.2.7", limits)
    for n in range(2):
        book.act(lambda b, n=n: b.begin(row(n, AT), limits, AT, who))
    assert "user" in refusal(lambda: book.act(lambda b: b.begin(row(3, AT), limits, AT, who))).message
    book.act(lambda b: b.begin(row(4, AT), limits, AT, other))
    assert "address" in refusal(lambda: book.act(lambda b: b.begin(row(5, AT), limits, AT, other))).message
    assert paces(KEY, None, None, limits) == []
    names = b"".join(name for (name,) in book.conn.execute("SELECT name FROM bucket").fetchall())
    assert b"customer" not in names and b"192" not in names


def test_a_prefix_has_a_rate(book: Book) -> None:
    limits = Limits(per_number_hour=0, per_prefix_minute=2)
    for n in range(2):
        book.act(lambda b, n=n: b.begin(row(n, AT), limits, AT))
    assert "prefix" in refusal(lambda: book.act(lambda b: b.begin(row(2, AT), limits, AT))).message
    book.act(lambda b: b.begin(row(2, AT), limits, AT + 30_001))
