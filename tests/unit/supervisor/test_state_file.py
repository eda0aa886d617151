"""A disk that does not take the state file is no reason to look after nobody any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from appliance.supervisor.watchman import Watchman


class Full:
    """A state file on a disk that is full, until it is not."""

    def __init__(self) -> None:
        self.full = True
        self.written: list[Any] = []

    def write(self, rows: list[Any]) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.written.append(rows)


def test_it_is_said_once_and_written_again() -> None:
    said: list[str] = []
    state = Full()
    watchman: Any = SimpleNamespace(posts=[], _state=state, _unwritten=False, say=lambda who, what: said.append(what))
    Watchman._write(watchman)
    Watchman._write(watchman)
    assert watchman._unwritten and len(said) == 1 and "No space left" in said[0]
    state.full = False
    Watchman._write(watchman)
    assert state.written == [[]] and not watchman._unwritten
