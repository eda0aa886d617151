"""Entries: the closed table of events, canonical JSON as another library writes it, and the guard against personal data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

import appliance.audit
from appliance.audit import EVENTS, entry
from appliance.audit.details import DETAIL, FIELDS, fields_of, stray
from appliance.audit.entry import canonical, check, impersonal
from appliance.errors import Error

AT_MS = 1_763_836_207_123


def made(**detail: Any) -> dict[str, Any]:
    one = entry(AT_MS, "console:anna", "message.redacted", "message:0193e4a1-7b3c-7def-8123-456789abcdef")
    return {**one, "detail": detail}


def refused(given: Any) -> Error:
    with pytest.raises(Error) as caught:
        canonical(given)
    return caught.value


def test_an_entry_in_canonical_form() -> None:
    assert canonical(made(reason="asked by the customer", segments=2, forced=True)) == (
        b'{"at":"2025-11-22T18:30:07.123Z","detail":{"forced":true,"reason":"asked by the customer","segments":2},'
        b'"on":"message:0193e4a1-7b3c-7def-8123-456789abcdef","outcome":"ok","what":"message.redacted","who":"console:anna"}'
    )


words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Nd"]), max_size=40)
details = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
    words | st.booleans() | st.integers(-9_999_999, 9_999_999),
    max_size=8,
)


@given(details)
def test_canonical_json_is_what_rfc8785_says(detail: dict[str, Any]) -> None:
    given_entry = made(**{f"d_{k}"[:30]: v for k, v in detail.items()})
    assert canonical(given_entry) == rfc8785.dumps(given_entry)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    )
)
def test_anything_else_is_refused(value: Any) -> None:
    assert refused(value).code == "invalid"
    for name in ("at", "who", "what", "on", "outcome"):
        if not isinstance(value, str):
            assert refused({**made(), name: value}).code == "invalid"
    if not isinstance(value, (str, bool, int)):
        assert refused({**made(), "detail": {"k": value}}).code == "invalid"


def test_events_and_outcomes_are_closed() -> None:
    with pytest.raises(AssertionError):
        entry(AT_MS, "console:anna", "message.teleported", "message:1")
    with pytest.raises(AssertionError):
        entry(AT_MS, "console:anna", "message.redacted", "message:1", "maybe")
    assert "table of events" in refused({**made(), "what": "message.teleported"}).message
    assert refused({**made(), "outcome": "maybe"}).code == "invalid"
    assert refused({**made(), "extra": 1}).code == "invalid"
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name in EVENTS)


@pytest.mark.parametrize("who", ["anna", "root:anna", "console:", "console: x", "console:\nx"])
def test_who_is_somebody(who: str) -> None:
    assert refused({**made(), "who": who}).code == "invalid"


@pytest.mark.parametrize(
    "value",
    [
        "+393331234567",
        "+39 333 1234567",
        "3331234567",
        "0039 333 123 4567",
        "call (02) 1234-5678 now",
        "+1",  # not a number yet: see below
        "tel:+49-171-2345678",
        "12345678",
        "02/12 34 56 78",
    ],
)
def test_a_telephone_number_never_gets_in(value: str) -> None:
    if value == "+1":
        canonical(made(note=value))
        return
    for broken in (
        {**made(), "detail": {"note": value}},
        {**made(), "who": f"api:{value}"},
        {**made(), "on": f"message:{value}"},
    ):
        error = refused(broken)
        assert error.code == "invalid"
        assert value not in str(error)
    assert not re.search(r"\d", impersonal(value))


@pytest.mark.parametrize(
    "value",
    [
        "0193e4a1-7b3c-7def-8123-456789abcdef",
        "12345678" * 8,  # a digest may look like that
        "127.0.0.1:8080",
        "192.168.100.200",
        "2026-11-22",
        "2026-11-22T18:30:07.123Z",
        "SoftHSM 2.6.1, slot 1234567",
    ],
)
def test_what_is_no_telephone_number_does(value: str) -> None:
    canonical(made(note=value))
    assert impersonal(value) == value


def test_large_whole_numbers_say_what_they_count() -> None:
    canonical(made(size_octets=123_456_789, created_ms=AT_MS, messages=9_999_999))
    assert refused({**made(), "detail": {"value": 393331234567}}).code == "invalid"
    assert refused({**made(), "detail": {"at_ms": 2**53}}).code == "invalid"


def test_the_largest_entry() -> None:
    octets = len(canonical(made(text="")))
    assert len(canonical(made(text="a" * (65_535 - octets)))) == 65_535
    assert refused({**made(), "detail": {"text": "a" * (65_536 - octets)}}).code == "too_large"
    assert refused({**made(), "detail": {f"k{i}": i for i in range(33)}}).code == "invalid"


@given(st.text(max_size=60))
def test_the_guard_never_fails_on_text(value: str) -> None:
    try:
        check(made(**{}) | {"detail": {"note": value}})
    except Error as e:
        assert e.code == "invalid"


def test_the_page_repeats_the_tables() -> None:
    page = (Path(appliance.audit.__file__).parent / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| (.+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert {name: means for name, means, _ in rows} == EVENTS
    assert {name: "" if said == "-" else said.replace("`", "") for name, _, said in rows} == DETAIL
    for field, (_, means) in FIELDS.items():
        assert re.search(rf"^\| `{field}` \| [a-z ]+ \| {re.escape(means)} \|$", page, re.MULTILINE), field


def test_every_event_has_a_schema_of_known_fields() -> None:
    assert DETAIL.keys() == EVENTS.keys()
    used = set().union(*(fields_of(what)[1] for what in DETAIL))
    assert used == FIELDS.keys()


def test_what_strays_from_the_schema_is_named() -> None:
    assert stray("link.trace_on", {"minutes": 5}) == ""
    assert stray("link.trace_on", {}) == "link.trace_on lacks minutes"
    assert stray("link.trace_on", {"minutes": "5"}) == "link.trace_on: minutes is not of type int"
    assert stray("link.trace_on", {"minutes": 5, "who": "x"}) == "link.trace_on has no field who"
    assert stray("made.up", {}) == "made.up has no row in the table of details"
    assert stray("numbers.back", {"italy": 3}) == ""  # `*`: named by the bank
    with pytest.raises(AssertionError, match="lacks minutes"):  # and so is every entry that any test makes
        entry(0, "cli:anna", "link.trace_on", "link:a")
