"""When a release that was just started is blessed, and when it is given up."""

from __future__ import annotations

import pytest

from firmware.gate import BLESS, CHECKS, FAIL, STEADY_S, WAIT, WITHIN_S, decided, missing, wanted

ALL = dict.fromkeys(CHECKS, True)


@pytest.mark.parametrize(
    ("facts", "up_s", "well_s", "word"),
    [
        (ALL, STEADY_S, STEADY_S, BLESS),
        (ALL, STEADY_S, STEADY_S - 1, WAIT),
        (ALL | {"engine": False}, 30, 0, WAIT),
        (ALL | {"engine": False}, WITHIN_S, 0, FAIL),
        ({}, WITHIN_S, 0, FAIL),
        (ALL, WITHIN_S, 10, WAIT),  # well at last: it gets the time to prove it
        (ALL, WITHIN_S + STEADY_S, 10, FAIL),  # well now and then, never long enough
        (ALL, WITHIN_S + STEADY_S, STEADY_S, BLESS),
    ],
)
def test_decisions(facts: dict[str, bool], up_s: float, well_s: float, word: str) -> None:
    assert decided(facts, wanted(1), up_s, well_s) == word


@pytest.mark.parametrize("one", sorted(CHECKS))
def test_each_check_counts(one: str) -> None:
    facts = ALL | {one: False}
    assert decided(facts, wanted(1), WITHIN_S, 0) == FAIL
    assert missing(facts, wanted(1)) == [one]


def test_links_count_only_where_there_were_some_before() -> None:
    assert wanted(1) - wanted(0) == {"link"}
    assert decided(ALL | {"link": False}, wanted(0), STEADY_S, STEADY_S) == BLESS


def test_nothing_is_decided_while_people_are_on_their_way_to_open_the_token() -> None:
    assert decided({}, wanted(0), WITHIN_S * 100, 0, sealed=True) == WAIT
