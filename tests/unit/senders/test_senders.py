"""Registrations: who may be confirmed with what, for how long, and what that means for a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.router import RouteTable
from appliance.senders import RULES, Details, Register, SenderBook, SenderWatch, checked_country, checked_sender, day_ms
from appliance.settings import Route, parse

DAY = 86_400_000
NOW = 20_000 * DAY
IT, US, CA, IN, DE = "+393331234567", "+12125550100", "+14165550100", "+919876543210", "+4915123456789"
CODES = {IT: 39, US: 1, CA: 1, IN: 91, DE: 49}
FILED = Details(evidence="mail of yesterday")


def settings(home: Path, *mandatory: str, **more: Any) -> Any:
    return parse({"senders": {"mandatory": list(mandatory)}} | more, home, "test")


@pytest.fixture
def book(tmp_path: Path) -> SenderBook:
    return SenderBook(settings(tmp_path, "IT", "IN", "US", "SG"))


def passes(register: Register, to: str, sender: str, at_ms: int = NOW, table: RouteTable | None = None) -> str:
    group = (table or RouteTable([("", ("op",))])).group
    return register.check(to, CODES.get(to, 65), 2, sender, at_ms, group)


def refused(register: Register, to: str, sender: str, **more: Any) -> Error:
    with pytest.raises(Error) as caught:
        passes(register, to, sender, **more)
    assert caught.value.code == "sender_unregistered" and caught.value.detail["field"] == "from"
    return caught.value


def confirmed(book: SenderBook, sender: str, country: str, details: Details = FILED, until_ms: int = 0) -> int:
    made = book.request(sender, country, details, "cli:anna", NOW)
    book.confirm(made.id, details, NOW, until_ms, "cli:anna", NOW)
    return made.id


def test_an_alias_in_italy_from_request_to_its_end(book: SenderBook) -> None:
    assert "alias.agcom.it" in refused(book.register(), IT, "MYBANK").hint
    made = book.request("MYBANK", "it", Details(), "cli:anna", NOW)
    assert "not confirmed" in refused(book.register(), IT, "MYBANK").message
    with pytest.raises(Error, match="`evidence`"):
        book.confirm(made.id, Details(), NOW, 0, "cli:anna", NOW)
    book.confirm(made.id, FILED, NOW, NOW + DAY, "cli:anna", NOW)
    register = book.register()
    assert passes(register, IT, "MYBANK") == "IT"
    assert "not valid yet" in refused(register, IT, "MYBANK", at_ms=NOW - 1).message
    assert passes(register, IT, "MYBANK", at_ms=NOW + DAY - 1) == "IT"
    assert "has expired" in refused(register, IT, "MYBANK", at_ms=NOW + DAY).message
    book.expire(made.id, Details(), "cli:anna", NOW + 1)
    assert "has expired" in refused(book.register(), IT, "MYBANK").message
    assert [(a.state, a.who) for a in book.acts(made.id)] == [
        ("requested", "cli:anna"), ("confirmed", "cli:anna"), ("expired", "cli:anna"),
    ]  # fmt: skip
    assert book.request("MYBANK", "IT", Details(), "cli:bruno", NOW).id == made.id


def test_capitals_and_small_letters_count(book: SenderBook) -> None:
    confirmed(book, "MyBank", "IT")
    assert "`MyBank`" in refused(book.register(), IT, "MYBANK").hint


def test_only_the_kinds_and_countries_of_the_rules_are_asked(book: SenderBook) -> None:
    register = book.register()
    assert passes(register, IT, "+393331234567") == "IT" and passes(register, IT, "43210") == "IT"
    assert passes(register, DE, "MYBANK") == "" and passes(register, CA, "+14165550123") == ""
    assert "10DLC" in refused(register, US, "+12125550123").hint
    assert "+1212" not in str(refused(register, US, "+12125550123"))
    for kind in ("MYBANK", "43210", "+919876543210"):
        refused(register, IN, kind)
        refused(register, "+6581234567", kind)
    assert Register().checker(RouteTable().group, NOW) is None


def test_india_and_the_us_need_their_ids(book: SenderBook) -> None:
    for sender, country, name in (("MYBANK", "IN", "entity_id"), ("+12125550123", "US", "campaign_id")):
        with pytest.raises(Error, match=f"`{name}`"):
            confirmed(book, sender, country)
        found = book.of(sender, country)
        assert found is not None
        book.confirm(found.id, Details(**{name: "1001", "evidence": "x"}), NOW, 0, "cli:anna", NOW)  # type: ignore[arg-type]
    assert passes(book.register(), IN, "MYBANK") == "IN" and passes(book.register(), US, "+12125550123") == "US"


def test_what_leaves_counts_not_what_was_given(tmp_path: Path) -> None:
    link = {"name": "op", "host": "127.0.0.1", "default_sender": "LINKS"}
    book = SenderBook(settings(tmp_path, "IT", link=[link]))
    confirmed(book, "MYBANK", "IT")
    register = book.register()
    assert "`LINKS`" in refused(register, IT, "").message
    table = RouteTable([Route("", ("op",), sender_for={"MYBANK": "OTHER", "SHOP": "MYBANK"})])
    assert "`OTHER`" in refused(register, IT, "MYBANK", table=table).message
    assert passes(register, IT, "SHOP", table=table) == "IT"
    assert passes(SenderBook(settings(tmp_path, "IT")).register(), IT, "") == "IT"  # the operator puts its own


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "12 34",
        "+39-33",
        "a name too long",
        "€uro",
        "12",
        "123456789",
        " BANK",
        "0800-33A",
        "O800 33I",
        "3471234567x",
        "A12345",
    ],
)
def test_what_cannot_be_a_sender_is_not_registered(sender: str) -> None:
    with pytest.raises(Error) as caught:
        checked_sender(sender)
    assert caught.value.code == "sender_invalid"


@pytest.mark.parametrize("sender", ["118Voce", "Agenzia24", "BANK 24h", "Voce800100", "OIL", "B2B", "Il"])
def test_a_name_with_digits_is_a_name(sender: str) -> None:
    assert checked_sender(sender) == "alphanumeric"


@pytest.mark.parametrize("sender", ["INPS", "inps info", "BancaItalia", "Carabinieri", "POLIZIA", "AGCom"])
def test_names_of_institutions_are_reserved_in_their_country(book: SenderBook, sender: str) -> None:
    with pytest.raises(Error, match="name of an institution") as caught:
        book.request(sender, "IT", Details(), "a", NOW)
    assert caught.value.code == "sender_invalid" and "`evidence`" in caught.value.hint
    assert book.request(sender, "US", Details(), "a", NOW).country == "US"
    assert book.request(sender, "IT", FILED, "a", NOW).state == "requested"
    assert book.request("INPSIEME", "IT", Details(), "a", NOW).state == "requested"


def test_what_is_refused_leaves_nothing(book: SenderBook) -> None:
    with pytest.raises(Error, match="no country"):
        book.request("MYBANK", "XX", Details(), "a", NOW)
    made = book.request("MYBANK", "IT", Details(), "a", NOW)
    with pytest.raises(Error, match="already"):
        book.request("MYBANK", "IT", Details(), "a", NOW)
    with pytest.raises(Error, match="not after"):
        book.confirm(made.id, FILED, NOW, NOW, "a", NOW)
    with pytest.raises(Error, match="no such registration"):
        book.expire(9, Details(), "a", NOW)
    with pytest.raises(Error, match="cannot be printed"):
        book.request("OTHER", "IT", Details(evidence="a\nb"), "a", NOW)
    assert [r.state for r in book.all()] == ["requested"] and len(book.acts(made.id)) == 1


def test_days_and_countries_are_read_strictly(tmp_path: Path) -> None:
    assert day_ms("1970-01-02", "from") == DAY and checked_country(" it ") == "IT"
    for text in ("1970-1-2", "19700102", "2026-02-30", "tomorrow"):
        with pytest.raises(Error, match="not a day"):
            day_ms(text, "from")
    with pytest.raises(Error) as caught:
        SenderBook(settings(tmp_path, "Italy"))
    assert caught.value.code == "settings_invalid"


def test_every_rule_says_who_says_so_and_what_to_do() -> None:
    assert {c for c, r in RULES.items() if not (r.kinds and r.source and r.where)} == set()
    assert all(name in Details.__struct_fields__ for rule in RULES.values() for name in rule.needs)


async def _watched(home: Path) -> list[bool]:
    watch = SenderWatch(settings(home, "IT"))
    seen = []

    def passed() -> bool:
        try:
            return passes(watch.now, IT, "MYBANK") == "IT"
        except Error:
            return False

    seen.append(passed())  # before the first look nothing passes
    await watch.look()
    seen.append(passed())
    book = SenderBook(settings(home, "IT"))
    number = confirmed(book, "MYBANK", "IT")
    await watch.look()
    seen.append(passed())
    book.expire(number, Details(), "a", NOW)
    await watch.look()
    seen.append(passed())
    watch.close()
    return seen


def test_a_watch_takes_what_others_write(tmp_path: Path) -> None:
    import asyncio

    assert asyncio.run(_watched(tmp_path)) == [False, False, True, False]


TEMPLATES = {
    "1107160000000001": "Dear {#var#}, Rs {#alphanumeric#} was debited from a/c {#var#}. -BANK",
    "1107160000000002": "{#var#}{#var#} is your OTP.\nDo not share it.",
}


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("Dear Asha, Rs 1,200.50 was debited from a/c XX1234. -BANK", "1107160000000001"),
        ("123456 is your OTP.\r\nDo not share it.", "1107160000000002"),
        ("1" * 60 + " is your OTP.\nDo not share it.", "1107160000000002"),
        ("1" * 61 + " is your OTP.\nDo not share it.", ""),
        ("Dear Asha, Rs 1,200.50 was debited from a/c XX1234. -Bank", ""),
        ("Dear " + "A" * 31 + ", Rs 1 was debited from a/c X. -BANK", ""),
        ("Dear Asha, Rs 1 was debited from a/c X. -BANK.", ""),
        ("Offer! Dear Asha, Rs 1 was debited from a/c X. -BANK", ""),
    ],
)
def test_a_text_in_india_is_one_of_its_headers_templates(book: SenderBook, text: str, template: str) -> None:
    details = Details(evidence="mail", entity_id="1101", templates=TEMPLATES)
    confirmed(book, "MYBANK", "IN", details)
    register = book.register()
    check = register.checker(RouteTable([("", ("op",))]).group, NOW)
    assert check is not None and check(IN, 91, 2, "MYBANK") == "IN"
    if template:
        assert check(IN, 91, 2, "MYBANK", text) == "IN" and register.template("IN", "MYBANK", text) == template
        return
    with pytest.raises(Error) as e:
        check(IN, 91, 2, "MYBANK", text)
    assert (e.value.code, e.value.detail["rule"], e.value.detail["field"]) == (
        "content_refused",
        "dlt_template",
        "text",
    )
    assert "Asha" not in str(e.value) and "--templates" in e.value.hint


@pytest.mark.parametrize("text", ["{#var#}", "{#var#} {#var#}", "Dear {#var}", "Dear {# var #}"])
def test_what_is_no_template_is_not_put_on_file(book: SenderBook, text: str) -> None:
    with pytest.raises(Error, match="template 7") as e:
        book.request("MYBANK", "IN", Details(templates={"7": text}), "cli:anna", NOW)
    assert e.value.detail["field"] == "templates"


@pytest.mark.parametrize(("setting", "passes"), [("required", False), ("on-file", True)])
def test_a_header_without_templates_says_nothing_unless_set(tmp_path: Path, setting: str, passes: bool) -> None:
    book = SenderBook(parse({"senders": {"mandatory": ["IN"], "dlt_templates": setting}}, tmp_path, "t"))
    confirmed(book, "OTHERS", "IN", Details(evidence="mail", entity_id="1101"))
    check = book.register().checker(RouteTable([("", ("op",))]).group, NOW)
    assert check is not None
    if passes:
        assert check(IN, 91, 2, "OTHERS", "anything") == "IN"
    else:
        with pytest.raises(Error, match="none of the templates") as e:
            check(IN, 91, 2, "OTHERS", "anything")
        assert "none is on file" in e.value.hint
    book.close()


def test_campaigns_share_what_their_registrations_say(book: SenderBook) -> None:
    from appliance.senders import Campaign, campaigns_of

    def number(sender: str, **details: Any) -> None:
        confirmed(book, sender, "US", Details(evidence="mail", **details))

    number("+12125550123", campaign_id="C1", brand_id="X", per_minute=240, per_day=2_000)
    number("+12125550124", campaign_id="C1", brand_id="X", per_minute=75)
    number("+12125550125", campaign_id="C2", brand_id="X", per_day=1_000)
    number("+12125550126", campaign_id="C3")
    number("+12125550127", campaign_id="C4", per_day=10)
    ended = book.of("+12125550127", "US")
    assert ended is not None
    assert campaigns_of(book.all(), NOW) == [
        Campaign("C1", ("+12125550123", "+12125550124"), 75, "X", 1_000),
        Campaign("C2", ("+12125550125",), 0, "X", 1_000),
        Campaign("C4", ("+12125550127",), 0, "C4", 10),
    ]
    book.expire(ended.id, Details(), "cli:me", NOW)
    assert [c.name for c in campaigns_of(book.all(), NOW)] == ["C1", "C2"]


@pytest.mark.parametrize(
    ("at", "begin", "hours"),
    [
        ("2026-11-26T07:59:59Z", "2026-11-25T08:00:00Z", 24),
        ("2026-11-26T08:00:00Z", "2026-11-26T08:00:00Z", 24),
        ("2026-03-08T12:00:00Z", "2026-03-08T08:00:00Z", 23),
        ("2026-11-01T12:00:00Z", "2026-11-01T07:00:00Z", 25),
    ],
)
def test_a_brands_day_is_that_of_the_pacific(at: str, begin: str, hours: int) -> None:
    from datetime import datetime

    from appliance.senders import day_of_brand

    def ms(text: str) -> int:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)

    assert day_of_brand(ms(at)) == (ms(begin), ms(begin) + hours * 3_600_000)
