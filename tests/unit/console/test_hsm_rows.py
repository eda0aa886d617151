"""The health card with two HSMs: which serves, which stands by, which is out of step; nothing more with one."""

from __future__ import annotations

from typing import Any

from appliance.cli.status import hsm_state
from appliance.console.condition import hsm_rows


def row(name: str, up: bool = True, serves: bool = False, in_step: bool = True, why: str = "") -> dict[str, Any]:
    return {"hsm": name, "up": up, "serves": serves, "in_step": in_step, "why": why}


def test_one_hsm_has_no_rows_of_its_own() -> None:
    assert hsm_rows([row("first", serves=True)]) == []
    assert hsm_rows([]) == []


def test_each_of_two_says_how_it_is() -> None:
    away = row("first", up=False, in_step=False, why="hsm_unavailable: the HSM worker died")
    rows = hsm_rows([away, row("second", serves=True)])
    assert [(r["name"], r["well"], r["state"]) for r in rows] == [
        ("HSM, first", False, "not answering"),
        ("HSM, second", True, "serves"),
    ]
    assert "died" in rows[0]["why"]
    strange = row("second", in_step=False, why="key_missing: another MAC key")
    rows = hsm_rows([row("first", serves=True), strange])
    assert [r["state"] for r in rows] == ["serves", "not in step"]
    assert hsm_rows([row("first", serves=True), row("second")])[1]["state"] == "stands by"


def test_status_says_the_same() -> None:
    assert hsm_state(row("first", serves=True)) == "serves"
    assert hsm_state(row("second")) == "stands by"
    assert hsm_state(row("second", up=False, in_step=False, why="gone")) == "AWAY: gone"
    assert hsm_state(row("second", in_step=False)).startswith("NOT IN STEP")
