"""What most tests of the engine begin with: both clocks in hand, and an engine with one operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine_alone import Time, World


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
