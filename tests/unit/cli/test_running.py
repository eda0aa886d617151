"""What `casemate run` does before and around the work of a process."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from appliance.cli import running
from appliance.limits import GC_YOUNG_MAX


def test_it_waits_until_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    waits, turn = os.pipe()
    monkeypatch.setenv("CASEMATE_TURN", str(waits))
    done = threading.Event()
    waiting = threading.Thread(target=lambda: (running._await_turn(), done.set()))
    waiting.start()
    assert not done.is_set()
    os.close(turn)
    waiting.join(60)
    assert done.is_set() and "CASEMATE_TURN" not in os.environ


@pytest.mark.parametrize("turn", ["", "none", "987654"])
def test_nobody_need_give_it_a_turn(turn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_TURN", turn)
    running._await_turn()


def test_new_objects_are_looked_through_by_the_thousand() -> None:
    before = gc.get_threshold()
    try:
        running._collect_rarely()
        assert gc.get_threshold() == (GC_YOUNG_MAX, *before[1:]) and gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_the_watchdog_hears_nothing_of_a_process_that_still_starts() -> None:
    """A sign of life before it is ready would start the watchdog's clock, and a slow machine's start would be ended again and again."""
    assert running._life(up=False, ready=False) == ""
    assert running._life(up=True, ready=False).split() == ["WATCHDOG=1", "READY=1"]
    assert running._life(up=True, ready=True).split() == ["WATCHDOG=1"]
    assert running._life(up=False, ready=True).split() == ["WATCHDOG=1"], "not ready is not dead"
