"""A program of another gateway that ends while it starts is named, with its last words; nothing of it runs then."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.bench.gateway import Gateway
from appliance.errors import Error


class Falling(Gateway):
    """Its program ends at once."""

    name = "Falling"
    start_s_max = 60.0

    def _begin(self) -> None:
        self._program(["/bin/sh", "-c", "echo no such thing; exit 3"], "first.out")
        self._until(lambda: False, "ready")


def test_the_program_that_ended_is_named(tmp_path: Path) -> None:
    with pytest.raises(Error) as told:
        Falling(tmp_path / "of").start()
    assert told.value.message == "Falling does not start: first ended with 3"
    assert told.value.hint == "first.out ends: no such thing"
