"""Weaker settings are not obeyed: what was agreed to goes on until two people have decided those very values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.audit.guarding import ACT, Guard
from appliance.cli import key_acts
from appliance.keys import approvals
from appliance.settings import Settings, parse

KEY = "officer.bank.example+2f2c6d1e+BGW6Sz5aYzj2qxDBjWfWHtO9kWMt9lm5z0OHfrUbmnQU"
OTHER = "second.bank.example+2f2c6d1e+BGW6Sz5aYzj2qxDBjWfWHtO9kWMt9lm5z0OHfrUbmnQU"
SIEM = {"target": "siem.bank.example:6514", "tls_ca": "/etc/ca.pem"}


def settings(home: Path, audit: dict[str, Any] | None = None, siem: dict[str, Any] | None = None) -> Settings:
    return parse({"audit": audit or {}, "siem": siem or {}}, home, "test")


def begun(before: Settings, now: Settings) -> Guard:
    first, second = Guard(before), Guard(now)
    first.begin(None)
    assert not first.changes, "the first settings of a box are believed"
    second.begin(first.agreed())
    return second


WEAKER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "siem.target": ({"siem": SIEM}, {}),
    "audit.witnesses": ({"audit": {"witnesses": [KEY, OTHER]}}, {"audit": {"witnesses": [OTHER]}}),
    "audit.witness_urls": ({"audit": {"witness_urls": ["https://w.example/x"]}}, {"audit": {}}),
    "audit.keep_days": ({"audit": {"keep_days": 0}}, {"audit": {"keep_days": 400}}),
    "audit.export_approval": ({"audit": {"export_approval": True}}, {"audit": {}}),
}


@pytest.mark.parametrize("name", WEAKER)
def test_what_weakens_is_not_in_force(tmp_path: Path, name: str) -> None:
    before, now = (settings(tmp_path, **given) for given in WEAKER[name])
    guard = begun(before, now)
    assert guard.names() == name
    assert set(_listed(before[name])) <= set(_listed(guard.settings[name])), "what was goes on"
    assert guard.number() > 0
    again = Guard(now)
    again.begin(guard.agreed())
    assert again.number() == guard.number(), "also at the start after"
    agreed = again.accept()
    assert not again.changes and again.number() == 0
    third = Guard(now)
    third.begin(agreed)
    assert not third.changes
    assert third.settings[name] == now[name]


@pytest.mark.parametrize("name", WEAKER)
def test_what_strengthens_needs_nobody(tmp_path: Path, name: str) -> None:
    now, before = (settings(tmp_path, **given) for given in WEAKER[name])
    guard = begun(before, now)
    assert not guard.changes
    assert guard.settings[name] == now[name]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_a_siem_that_goes_on_keeps_what_its_connection_needs(tmp_path: Path) -> None:
    other = {"target": "elsewhere.example:6514", "tls_ca": "/tmp/other.pem"}
    guard = begun(settings(tmp_path, siem=SIEM), settings(tmp_path, siem=other))
    assert (guard.settings["siem.target"], guard.settings["siem.tls_ca"]) == ("siem.bank.example:6514", "/etc/ca.pem")
    assert guard.wanted["siem.target"] == "elsewhere.example:6514"


def test_a_witness_that_came_is_in_force_beside_one_that_should_not_go(tmp_path: Path) -> None:
    guard = begun(settings(tmp_path, audit={"witnesses": [KEY]}), settings(tmp_path, audit={"witnesses": [OTHER]}))
    assert guard.settings["audit.witnesses"] == [KEY, OTHER]


def test_an_approval_is_for_one_change_only(tmp_path: Path) -> None:
    before = settings(tmp_path, siem=SIEM)
    none = begun(before, settings(tmp_path))
    other = begun(before, settings(tmp_path, siem={"target": "elsewhere.example:6514"}))
    assert len({none.number(), other.number(), 0}) == 3
    assert all(0 < guard.number() < 2**31 for guard in (none, other))


def test_two_people_can_ask_for_it_by_a_command() -> None:
    assert ACT in key_acts.ACTS and ACT in approvals.ELSEWHERE
    elsewhere = {
        "erase-subject",
        "back-up",
        "replace-custodians",
        "add-hsm",
    }  # within their own commands and ceremonies
    assert {*key_acts.ACTS, *elsewhere} == approvals.ACTS.keys()
