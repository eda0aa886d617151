"""What becomes of a code by what an operator says of its number: risk before ignorance, each by its row."""

from __future__ import annotations

import pytest

from appliance.errors import Error
from appliance.settings import NumberCheck
from appliance.verify import Told, check_detail, check_of, check_told

LOGIN = NumberCheck(("login",), 72, 0, "refuse", "send")
ALL = NumberCheck(("*",), 24, 90, "send", "refuse")
STRICT = NumberCheck(("payment",), 240, 365, "refuse", "refuse")


def refusal(check: NumberCheck, told: Told) -> tuple[str, str]:
    try:
        check_told(check, told)
    except Error as e:
        return e.code, e.detail.get("rule", "")
    return "", ""


def test_a_purpose_has_its_row_or_the_one_for_all() -> None:
    rows = (ALL, LOGIN, STRICT)
    assert [check_of(rows, p) for p in ("login", "payment", "anything")] == [LOGIN, STRICT, ALL]
    assert check_of((LOGIN,), "payment") is None and check_of((), "login") is None


@pytest.mark.parametrize(
    ("told", "login", "all_", "strict"),
    [
        (Told("unchanged", "long"), "", "", ""),
        (Told("changed", "long"), "number_at_risk", "", "number_at_risk"),
        (Told("unchanged", "short"), "number_at_risk", "", "number_at_risk"),
        (Told("unknown", "long", "timeout"), "", "number_unchecked", "number_unchecked"),
        (Told("unchanged", "unknown", "failed"), "", "number_unchecked", "number_unchecked"),
        (Told("unknown", "short", "failed"), "number_at_risk", "", "number_at_risk"),
        (Told("changed", "unknown", "failed"), "number_at_risk", "", "number_at_risk"),
        (Told("unchanged"), "", "", ""),
    ],
)
def test_what_each_row_makes_of_an_answer(told: Told, login: str, all_: str, strict: str) -> None:
    assert [refusal(row, told)[0] for row in (LOGIN, ALL, STRICT)] == [login, all_, strict]


def test_the_error_says_which_risk_it_is() -> None:
    assert refusal(STRICT, Told("changed", "short")) == ("number_at_risk", "sim_changed")
    assert refusal(STRICT, Told("unchanged", "short")) == ("number_at_risk", "tenure_short")


def test_the_log_is_told_what_was_asked_and_answered() -> None:
    assert check_detail(LOGIN, Told("unchanged", "", "", "api.tim.example")) == {
        "asked_of": "api.tim.example", "sim": "unchanged", "sim_hours": 72,
    }  # fmt: skip
    assert check_detail(STRICT, Told("unknown", "long", "timeout", "api.tim.example")) == {
        "asked_of": "api.tim.example", "sim": "unknown", "sim_hours": 240, "tenure": "long", "tenure_days": 365, "unknown_why": "timeout",
    }  # fmt: skip
