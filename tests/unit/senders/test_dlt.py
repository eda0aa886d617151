"""India's templates: what makes a text one of them, each tag of TRAI's, the nearest one and where a text leaves it; no text makes it slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.senders.dlt import TAGGED_CHARACTERS, Template, Templates


def made(template: str, text: str, variable: int = 30) -> bool:
    return Templates({"1": template}, variable).match(text) == "1"


@pytest.mark.parametrize(
    ("tag", "right", "wrong"),
    [
        ("var", ["", "x" * 30, "Rs 1,200.50 ok"], ["x" * 31]),
        ("numeric", ["", "0123456789", "1" * TAGGED_CHARACTERS], ["1" * 41, "12a", "1,2", "1 2", "١٢"]),
        ("alphanumeric", ["", "XX-1234 of Asha", "x" * 40], ["x" * 41]),
        ("url", ["https://bank.example/x?y=1", "bank.example"], ["https://bank.example and more", "x" * 41]),
        ("urlott", ["https://play.example/a"], ["a b"]),
        ("cbn", ["+91 22-1234567", "1800123456"], ["call us", "+91x"]),
        ("email", ["help@bank.example"], ["help @bank.example"]),
        ("date", ["26-11-2026", "x" * 30], ["x" * 31]),
    ],
)
def test_a_tag_takes_its_kind(tag: str, right: list[str], wrong: list[str]) -> None:
    for value in right:
        assert made(f"Ref {{#{tag}#}}. -BANK", f"Ref {value}. -BANK"), value
    for value in wrong:
        assert not made(f"Ref {{#{tag}#}}. -BANK", f"Ref {value}. -BANK"), value


@pytest.mark.parametrize(
    ("template", "text", "right"),
    [
        ("Only this.", "Only this.", True),
        ("Only this.", "Only this. More", False),
        ("{#var#}", "x" * 30, True),
        ("{#var#} {#var#}", "a b c", True),
        ("{#var#}{#var#}", "x" * 60, True),
        ("{#var#}{#var#}", "x" * 61, False),
        ("a{#var#}b{#var#}b", "axbyb", True),
        ("a{#var#}b{#var#}b", "ab", False),
        ("a{#var#}b{#var#}b", "abb", True),
        ("ab{#var#}ba", "aba", False),
        ("a{#numeric#} b{#var#}", "a12 b b 12 b", True),
        ("x {#numeric#} {#var#} y", "x 1 2 z y", True),
        ("x {#var#} {#numeric#} y", "x 1 z 2 y", True),
        ("x {#var#} {#numeric#} y", "x 1 2 z y", False),
        ("two\nlines {#var#}", "two\r\nlines here", True),
        ("two lines", "two  lines", False),
        ("Capital", "capital", False),
    ],
)
def test_all_that_is_fixed_counts(template: str, text: str, right: bool) -> None:
    assert made(template, text) is right


def test_the_length_of_a_variable_is_as_set() -> None:
    assert not made("a {#var#}", "a " + "x" * 31) and made("a {#var#}", "a " + "x" * 40, 40)


@given(st.lists(st.text("ab ", max_size=4), min_size=1, max_size=5), st.text("ab ", max_size=14))
def test_it_agrees_with_a_pattern(fixed: list[str], text: str) -> None:
    template = "{#var#}".join(fixed)
    gap = ".{0,3}"
    merged = re.sub(r"(?:\{#var#\})+", lambda m: f"\0{len(m[0]) // 7}\0", template)
    pattern = re.sub("\0(\\d+)\0", lambda m: gap * int(m[1]), re.escape(merged).replace("\\\0", "\0"))
    assert (Template(template, 3).miss(text) is None) == (re.fullmatch(pattern, text, re.S) is not None)


TEMPLATES = {
    "11": "Dear {#var#}, Rs {#alphanumeric#} was debited from a/c {#var#}. -BANK",
    "12": "{#numeric#} is your OTP. Do not share it. -BANK",
    "13": "Your statement is ready.",
}


@pytest.mark.parametrize(
    ("text", "number", "where"),
    [
        ("Dear Asha, Rs 5 was debited from a/c X. -Bank", "11", "leaves it at `. -BANK`"),
        ("Dear Asha, Rs 5 was credited to a/c X. -BANK", "11", "leaves it at ` was debited from a/c `"),
        ("Dear " + "A" * 31 + ", Rs 5 was debited from a/c X. -BANK", "11", "variable 1 takes up to 30 characters of the kind `var`"),
        ("AB12 is your OTP. Do not share it. -BANK", "12", "variable 1 takes up to 40 characters of the kind `numeric`"),
        ("your otp is 123456, do not share it", "12", "leaves it at ` is your OTP. Do not share it. -BANK`"),
        ("Your statement is ready. See the app.", "13", "leaves it at `Your statement is ready.`"),
        ("", "11", "leaves it at `Dear `"),
    ],
)  # fmt: skip
def test_the_nearest_is_named_with_where_the_text_leaves_it(text: str, number: str, where: str) -> None:
    templates = Templates(TEMPLATES)
    assert templates.match(text) == ""
    found, said = templates.nearest(text)
    assert found == number and where in said and "Asha" not in said and "123456" not in said


def test_no_text_makes_it_slow() -> None:
    """What backtracking would take longer than anybody lives for."""
    templates = Templates({str(n): "a" + "{#var#}a" * 20 + f"b{n}" for n in range(5)})
    assert templates.match("a" * 1_600) == "" and templates.nearest("a" * 1_600)[0] == "0"
