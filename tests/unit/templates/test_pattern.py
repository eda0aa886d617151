"""Patterns are read as ICU reads them; mistakes are told with their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import Error
from appliance.templates.pattern import Argument, Choice, Number, choices, parameters, parse


def test_a_pattern_as_a_tree() -> None:
    pattern = parse("Hi {name}, {n, plural, offset:1 =0 {none} one {# x} other {# {sum, number, currency}}}!")
    assert pattern[:3] == ("Hi ", Argument("name"), ", ")
    choice = pattern[3]
    assert isinstance(choice, Choice) and (choice.offset, list(choice.branches)) == (1, ["=0", "one", "other"])
    assert choice.branches["one"] == (Number(), " x")
    assert parameters(pattern) == {"name": "string", "n": "number", "sum": "money"}
    assert choices(pattern) == [choice]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("it's", "it's"),
        ("it''s", "it's"),
        ("'{x}'", "{x}"),
        ("'{''}'", "{'}"),
        ("a # b", "a # b"),
        ("'", "'"),
        ("", ""),
    ],
)
def test_apostrophes(text: str, said: str) -> None:
    assert "".join(map(str, parse(text))) == said


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{n", "comma or }"),
        ("{", "name of a parameter"),
        ("}", "too many"),
        ("{1n}", "name of a parameter"),
        ("{n, what}", "no type"),
        ("{n, number, long}", "no style"),
        ("{n, plural, one {x}}", "other"),
        ("{n, plural, other {x} other {y}}", "twice"),
        ("{n, plural, other x}", "is expected after other"),
        ("{n, plural, other {x}", "branch"),
        ("{n, plural, =a {x} other {y}}", "branch"),
        ("{g, select, =1 {x} other {y}}", "words"),
        ("'{x", "quotes to the end"),
        ("{a, select, other {" * 10 + "x" + "}}" * 10, "deep"),
        ("x" * 8_001, "at most 8,000"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, what: str) -> None:
    with pytest.raises(Error, match=what) as caught:
        parse(text)
    assert caught.value.code == "template_invalid"


def test_one_name_is_one_kind() -> None:
    with pytest.raises(Error, match="used as number and as string"):
        parameters(parse("{n, number} {n}"))


@given(st.text(alphabet="{}'#n, plurasectoh=01:.", max_size=60))
def test_any_text_is_a_pattern_or_a_mistake(text: str) -> None:
    try:
        parameters(parse(text))
    except Error as e:
        assert e.code == "template_invalid"
