"""What is wrong with a definition is said with its line and its reason; what is right can be run to its end, whatever happens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.flows import check, exits, published
from appliance.flows.lines import Syntax, read

END = {"type": "end", "outcome": "done"}
RIGHT: dict[str, Any] = {
    "name": "ask",
    "start": "send",
    "params": {"who": "string", "sum": "money"},
    "states": {
        "send": {"type": "send", "texts": {"en": "Hello {who}"}, "next": "wait"},
        "wait": {"type": "wait", "for": "reply", "timeout_s": 60, "timeout": "end", "on": {"yes": "end", "other": "again"}},
        "again": {"type": "send", "texts": {"en": "Again?"}, "most": 2, "beyond": "end", "next": "wait"},
        "end": END,
    },
}  # fmt: skip


def changed(**states: Any) -> dict[str, Any]:
    """RIGHT with other states, None for one that is taken out."""
    kept = {name: state for name, state in (RIGHT["states"] | states).items() if state is not None}
    return RIGHT | {"states": kept}


def problems(definition: Any, **templates: Any) -> list[str]:
    text = definition if isinstance(definition, str) else json.dumps(definition, indent=1)
    _, found = check(text, templates.get)
    return [f"{p.line} {p.where}: {p.why}" for p in found]


WAIT, SEND = RIGHT["states"]["wait"], RIGHT["states"]["send"]
WRONG = {
    "unknown state": (changed(send=SEND | {"next": "nowhere"}), "there is no state `nowhere`"),
    "unknown start": (RIGHT | {"start": "nowhere"}, "there is no state `nowhere`"),
    "unreachable": (changed(alone={"type": "set", "next": "end"}), "cannot be reached"),
    "no end": (changed(wait=WAIT | {"timeout": "again", "on": {"yes": "again"}}, again={"type": "set", "next": "send"}, end=None), "there is no end"),
    "no end from here": (
        changed(trap={"type": "wait", "for": "time", "timeout_s": 5, "timeout": "trap", "most": 2, "beyond": "trap"}, wait=WAIT | {"on": {"yes": "trap"}}),
        "no end can be reached",
    ),
    "unbounded loop": (changed(again={"type": "send", "texts": {"en": "Again?"}, "next": "wait"}), "loop that nothing bounds"),
    "loop over beyond": (changed(again=RIGHT["states"]["again"] | {"beyond": "wait"}), "loop that nothing bounds"),
    "no time-out": (changed(wait={"type": "wait", "for": "reply", "on": {"yes": "end", "other": "again"}}), "without a time-out"),
    "unknown template": (changed(send={"type": "send", "template": "none", "next": "wait"}), "there is no template `none`"),
    "text and template": (changed(send=SEND | {"template": "x"}), "`template` or `texts`"),
    "unknown parameter": (changed(send=SEND | {"texts": {"en": "Hello {nobody}"}}), "the text needs `nobody`"),
    "parameter of another kind": (changed(send=SEND | {"texts": {"en": "{who, number}"}}), "the text needs `who` as number"),
    "pattern": (changed(send=SEND | {"texts": {"en": "Hello {who"}}), "en"),
    "own locale": (changed(send=SEND | {"texts": {"it": "Ciao"}}), "own locale `en`"),
    "unknown channel": (changed(send=SEND | {"ways": [{"channel": "pigeon"}]}), "there is no channel `pigeon`"),
    "unknown answer": (changed(wait=WAIT | {"on": {"maybe": "end", "other": "again"}}), "nothing is heard as `maybe`"),
    "receipt of nothing": (
        changed(wait={"type": "wait", "for": "receipt", "of": "end", "timeout_s": 5, "timeout": "again", "on": {"delivered": "end"}}),
        "names no send state",
    ),
    "most alone": (changed(again={"type": "send", "texts": {"en": "?"}, "next": "end", "most": 2}), "belong together"),
    "branch on nothing": (changed(wait={"type": "branch", "cases": [{"var": "x", "equals": "1", "next": "end"}], "otherwise": "again"}), "`x` is no parameter"),
    "two conditions": (
        changed(wait={"type": "branch", "cases": [{"var": "who", "equals": "1", "present": True, "next": "end"}], "otherwise": "again"}),
        "exactly one of",
    ),
    "a string is compared": (
        changed(wait={"type": "branch", "cases": [{"var": "who", "below": "5", "next": "end"}], "otherwise": "again"}),
        "only numbers and money",
    ),
    "payment without payee": (
        changed(wait={"type": "verify", "purpose": "p", "payment": True, "approved": "end", "failed": "again", "expired": "end"}),
        "the parameter `payee`",
    ),
    "webhook unmarked": (changed(wait={"type": "webhook", "event": "e", "next": "again"}), "at-least-once"),
    "webhook elsewhere": (
        changed(wait={"type": "webhook", "event": "e", "next": "again", "delivery": "at-least-once", "url": "ftp://x"}),
        "no address of https",
    ),
    "unknown type": (changed(wait={"type": "dance", "next": "again"}), "dance"),
    "unknown field": (changed(wait=WAIT | {"colour": "red"}), "colour"),
    "test of nothing": (RIGHT | {"tests": [{"name": "t", "happens": [{}], "expect": {}}]}, "exactly one of"),
    "test of a state that is not": (RIGHT | {"tests": [{"name": "t", "expect": {"state": "x"}}]}, "there is no state `x`"),
    "default of nothing": (RIGHT | {"defaults": {"x": "1"}}, "is no parameter"),
}  # fmt: skip


def test_the_right_one_is_right() -> None:
    assert problems(RIGHT) == []
    assert problems(changed(send={"type": "send", "template": "hello", "next": "wait"}), hello={"who": "string"}) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_reason(name: str) -> None:
    definition, why = WRONG[name]
    found = problems(definition)
    assert any(why in line for line in found), found


def test_the_line_is_that_of_the_mistake() -> None:
    text = json.dumps(changed(wait=WAIT | {"timeout": "nowhere"}), indent=1)
    (found,) = problems(text)
    line = int(found.split()[0])
    assert '"nowhere"' in text.splitlines()[line - 1] and found.endswith(
        "states.wait.timeout: there is no state `nowhere` (timeout)"
    )


def test_a_syntax_error_and_a_member_twice_have_a_line() -> None:
    assert problems('{\n "name": }')[0].startswith("2 ")
    assert problems('{\n "name": "a",\n "name": "b"}') == [
        "3 : no JSON: x".replace("no JSON: x", 'the member "name" is there twice')
    ]
    assert "too deep" in problems("[" * 100_000)[0]
    with pytest.raises(Syntax):
        read('{"a": NaN}')


def test_all_mistakes_are_told_at_once_by_line() -> None:
    found = problems(changed(send=SEND | {"next": "a"}, wait=WAIT | {"timeout": "b"}))
    assert [line.split("`")[1] for line in found] == ["a", "b"]


def test_the_published_schema_knows_each_type_of_state() -> None:
    said = published()
    assert said["$schema"].endswith("2020-12/schema")
    kinds = {
        part["properties"]["type"]["enum"][0] for part in said["$defs"].values() if "type" in part.get("properties", {})
    }
    assert kinds == {"send", "wait", "branch", "verify", "webhook", "set", "end"}


def test_exits_are_all_names_of_states_that_a_state_leads_to() -> None:
    flow, _ = check(json.dumps(RIGHT))
    assert flow is not None
    assert exits(flow.states["wait"]) == {"yes": "end", "other": "again", "timeout": "end"}
    assert exits(flow.states["end"]) == {}
