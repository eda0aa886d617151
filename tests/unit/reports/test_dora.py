"""The forms of DORA against the published text of the annexes of Implementing Regulation (EU) 2025/302, field by field, and how values are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.reports import dora
from appliance.reports.annexes import ANSWERS, FIELDS

#: A row a field: number, name in Annex I; of Annex II: asked for in the initial notification, the intermediate, the final report, type, answers.
PUBLISHED = Path(__file__).parents[2] / "vectors" / "dora" / "annexes.tsv"
#: How Annex II begins to name a type -> the kind.
KINDS = {
    "Alphanumeric": "text",
    "Unique 20 alphanumeric": "LEI (ISO 17442-1)",
    "ISO 8601": "time in UTC (ISO 8601)",
    "Numerical integer": "whole number",
    "Expressed as percentage": "percentage, one decimal at most",
    "Monetary": "amount of money",
    "DD:HH:MM": "DD:HH:MM",
    "Boolean": "Yes or No",
    "Choice populated by using ISO 4217": "currency (ISO 4217)",
    "Choice (multiple) populated by using ISO 3166": "countries (ISO 3166 alpha-2)",
    "Choice (multi": "any of the answers",
    "Choice:": "one of the answers",
}
#: Where the box says it otherwise, and why.
MENDED = {
    "if other' type": "if 'other' type",  # a quotation mark is missing
    "human error miscommunication": "human error: miscommunication",  # as its neighbours
    "Process failure: inadequate ICT": "process failure: inadequate ICT",
    "the FE belongs": "the financial entity belongs",
}
#: Annex II calls it mandatory; its description, only where field 4.2 names a category that is divided.
DIVIDED = "4.3"


def plain(text: str) -> str:
    text = text.replace("\u2018", "'").replace("\u2019", "'").rstrip(".")
    for there, here in MENDED.items():
        text = text.replace(there, here)
    return text


ROWS = [line.split("\t") for line in PUBLISHED.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_field_is_as_published(row: list[str]) -> None:
    number, name, *asked, kind, answers = row
    field = FIELDS[number]
    assert field.name == plain(name)
    assert field.kind == next(ours for theirs, ours in KINDS.items() if kind.startswith(theirs))
    for stage, said in zip(dora.STAGES, asked, strict=True):
        assert (number in dora.fields_of(stage)) == said.startswith("Yes"), stage
    if number != DIVIDED:
        assert field.when == plain(asked[-1].removeprefix("Yes").removeprefix(", "))
    assert list(ANSWERS.get(number, ())) == [plain(each) for each in answers.split(" | ") if each]


def test_all_are_there_in_order_and_a_form_has_those_of_its_stage() -> None:
    assert list(FIELDS) == [row[0] for row in ROWS] and len(ROWS) == 76
    assert [len(dora.form(stage, {})) for stage in dora.STAGES] == [25, 60, 76]
    assert dora.form("final", {})[0][2] == "final report" in ANSWERS["1.1"]


def test_values_are_written_as_annex_ii_wants_them() -> None:
    assert dora.time_text(1_769_860_800_999) == "2026-01-31T12:00:00Z"
    minute = 60_000
    assert [dora.duration(ms) for ms in (59_999, 61 * minute, 50 * 60 * minute)] == ["00:00:00", "00:01:01", "02:02:00"]
    assert [dora.percentage(*each) for each in ((1, 40), (1, 3), (2, 3), (1, 2000), (0, 7), (7, 7), (0, 0))] == [
        *("2.5", "33.3", "66.7", "0.1", "0.0", "100.0", "")
    ]
    told = {"3.4": dora.Told("7", "of these"), "3.9": dora.Told(note="the box knows: 8")}
    rows = {number: (value, who) for number, _, value, _, who in dora.form("intermediate", told)}
    assert rows["3.4"] == ("7", "filled in by the box: check it; of these")
    assert rows["3.9"] == ("", "the bank's; the box knows: 8")
