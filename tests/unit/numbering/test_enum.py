"""ENUM as pure text: names of numbers, what records say, and records that nobody should have written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.numbering import Naptr, Verdict, domain_of, verdict
from appliance.numbering.enum import code_of

NUMBER = "+393331234567"


def u(regexp: str, order: int = 100, preference: int = 10, service: str = "E2U+pstn:tel", flags: str = "u") -> Naptr:
    return Naptr(order, preference, flags, service, regexp, "")


def onward(name: str, order: int = 100) -> Naptr:
    return Naptr(order, 10, "", "E2U+pstn", "", name)


def test_a_number_is_its_digits_backwards() -> None:
    assert domain_of("+442079460148", "e164.arpa") == "8.4.1.0.6.4.9.7.0.2.4.4.e164.arpa"  # RFC 6116 section 3.2


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("tel:+393331234567;npdi;rn=+39-123-45", "3912345"),
        ("tel:+393331234567;rn=39222;npdi", "39222"),
        ("TEL:+393331234567;NPDI;RN=D01", "D01"),
        ("tel:+393331234567;npdi", ""),
        ("tel:+393331234567", None),
        ("tel:+393331234567;npdi;rn=", ""),
        ("sip:+393331234567;npdi;rn=+39123@gw.example;user=phone", "39123@gw.example"),
        ("sip:+393331234567@carrier.example;spn=42", "42"),
        ("sip:+393331234567@ims.mnc001.mcc222.3gppnetwork.org;user=phone", "222001"),
        ("mailto:+393331234567@mms.mnc01.mcc222.gprs", "222001"),
        ("http://mnc001.mcc222.example", None),
        ("tel:+39;rn=<script>", None),
        ("", None),
    ],
)
def test_what_a_uri_says_of_the_operator(uri: str, code: str | None) -> None:
    assert code_of(uri) == (None if code == "39123@gw.example" else code)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], Verdict()),
        ([u("!^.*$!tel:+393331234567;npdi;rn=+39123!")], Verdict("39123")),
        ([u("!^(.*)$!tel:\\1;npdi;rn=39123!")], Verdict("39123")),
        ([u("!^\\+39(3.*)$!tel:+39\\1;npdi!")], Verdict("")),
        ([u("/^.*$/tel:+39;rn=7/")], Verdict("7")),
        ([u("!^.*$!sip:x@y.example!i", 1), u("!^.*$!tel:+39;rn=2!", 2), u("!^.*$!tel:+39;rn=1!", 1)], Verdict("1")),
        ([u("!^.*$!tel:+39;rn=2!", 10, 2), u("!^.*$!tel:+39;rn=1!", 10, 1)], Verdict("1")),
        ([u("!^.*$!tel:+39;rn=1!", service="SIP+D2U")], Verdict()),
        ([u("!^.*$!tel:+39;rn=1!", service="E2U")], Verdict()),
        ([u("!^.*$!tel:+39;rn=1!", flags="s")], Verdict()),
        ([u("!^.*$!tel:+39;rn=1!", flags="U", service="e2u+PSTN:tel+sip")], Verdict("1")),
        ([onward("a.example"), u("!^.*$!tel:+39;rn=1!", 200)], Verdict("1")),
        ([onward("b.example", 2), onward("a.example", 1)], Verdict(None, "a.example")),
        ([Naptr(1, 1, "", "E2U+pstn", "!x!y!", "a.example")], Verdict(None, "", 1)),
        ([u("!^.*$!"), u(""), u("!a!b"), u("!(!tel:x!"), u("!^.*$!tel:\\7;rn=1!"), u("!^44$!tel:+39;rn=1!")], Verdict(None, "", 6)),
        ([u("!^.*$!no scheme!"), u("!^.*$!tel:+39;rn=1\n!"), u("!^.*$!tel:+39;rn=1!xx"), u("1^.*$1tel:1")], Verdict(None, "", 4)),
        ([u("!" + "a" * 300 + "!b!"), u("!^.*$!tel:+39;rn=9!", 200)], Verdict("9", "", 1)),
    ],
)  # fmt: skip
def test_what_records_say(records: list[Naptr], said: Verdict) -> None:
    assert verdict(records, NUMBER) == said


def test_a_pattern_made_to_cost_is_given_up() -> None:
    assert verdict([u(r"!^(\+?([0-9]+)*)*x$!tel:+39;rn=1!")], "+" + "1" * 15).broken == 1


@given(st.lists(st.builds(u, st.text(max_size=80), st.integers(0, 3)), max_size=4))
def test_any_records_are_read_without_a_mistake(records: list[Naptr]) -> None:
    assert verdict(records, NUMBER).broken <= len(records)
