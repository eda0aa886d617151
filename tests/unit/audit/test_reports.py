"""Reports: every event of the tables exists, a row has its entries and no other's, and an empty one says so."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from appliance.audit.events import EVENTS
from appliance.audit.reports import COLUMNS, REPORTS, as_csv, rows

LOG = [
    ("console.login", "ok", {"role": "viewer"}),
    ("console.login", "refused", {"reason": 'wrong, "name"'}),
    ("apikey.created", "ok", {"name": "bank"}),
]


def read(what: str) -> list[dict[str, Any]]:
    made = {"at": "2026-11-22T18:30:07.123Z", "who": "console:anna", "on": "x:y"}
    return [
        {"index": index, "entry": {**made, "what": each, "outcome": outcome, "detail": detail}}
        for index, (each, outcome, detail) in enumerate(LOG)
        if each == what
    ]


@pytest.mark.parametrize("name", REPORTS)
def test_the_tables_name_events(name: str) -> None:
    events = [e.rstrip("!") for row in REPORTS[name][1] for e in row.events.split()]
    assert set(events) <= set(EVENTS)
    for row in REPORTS[name][1]:
        assert len(set(row.events.split())) == len(row.events.split()), row


def test_a_requirement_has_its_entries() -> None:
    lines = [
        dict(zip(COLUMNS, row, strict=True)) for row in csv.reader(io.StringIO(as_csv(COLUMNS, rows("pci-dss", read))))
    ][1:]
    by = {
        r.requirement: [x["entry"] for x in lines if x["requirement"] == r.requirement] for r in REPORTS["pci-dss"][1]
    }
    assert by["10.2.1.4"] == ["1"]  # only what was refused
    assert by["10.2.1.2"] == by["10.2.1.5"] == ["2"]
    assert by["10.7"] == [""]
    (refused,) = [x for x in lines if x["entry"] == "1"]
    assert refused["detail"] == '{"reason":"wrong, \\"name\\""}'
    assert {x["event"] for x in lines if not x["entry"]} == {"none in this time"}
