"""The box at whose serial line these tests sit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.field.at_the_line import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)
