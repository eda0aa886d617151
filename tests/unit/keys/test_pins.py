"""The PIN of two HSMs changed together: the first gets its old one back when the second does not take the new one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.keys import gate, pins
from hsm import HsmError, Pair, Place


class Played:
    """A pool that says whether it has a PIN of its own, and what it was brought."""

    def __init__(self, place: Place, own: bool = False) -> None:
        self.place, self.own, self.pin = place, own, "old PIN"

    def has_pin(self) -> bool:
        return self.own

    def bring(self, pin: str) -> None:
        self.pin = pin


class Both(Pair):
    def __init__(self, first: Played, second: Played) -> None:
        self.pools = {"first": first, "second": second}  # type: ignore[dict-item]


class Bench:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, own: bool, opened_by: str = "person") -> None:
        self.first, self.second = Played(Place(folder / "1")), Played(Place(folder / "2"), own)
        self.has = {self.first.place: "old PIN", self.second.place: "old PIN"}
        self.said: list[tuple[str, str]] = []
        self.stubborn: Place | None = None
        note = lambda what, on, outcome="ok", **_: self.said.append((what, outcome))  # noqa: E731
        both: Any = Both(self.first, self.second)
        self.gate = gate.Gate(Place(folder), both, note, lambda: None, opened_by, False)
        self.pins = pins.Pins(self.gate)
        monkeypatch.setattr(pins, "change_typed", self._typed)
        monkeypatch.setattr(pins, "change_filed", self._filed)

    async def _typed(self, place: Place, old: str, new: str) -> None:
        if self.has[place] != old:
            raise HsmError("pin_invalid", "no")
        if place == self.stubborn:
            raise HsmError("invalid", "the token does not take this PIN")
        self.has[place] = new

    async def _filed(self, place: Place) -> None:
        self.has[place] = "made"

    def change(self, old: str = "old PIN", new: str = "new PIN") -> list[str]:
        return asyncio.run(self.pins.change("cli:ann", old, new))


def test_both_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, monkeypatch, own=False)
    assert bench.change() == ["first", "second"]
    assert set(bench.has.values()) == {"new PIN"} and bench.first.pin == bench.second.pin == "new PIN"
    assert bench.said == [("hsm.pin_change_begun", "ok"), ("hsm.pin_changed", "ok")]


def test_a_second_that_does_not_take_it_gives_the_first_its_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, monkeypatch, own=False)
    bench.stubborn = bench.second.place
    with pytest.raises(HsmError, match="does not take"):
        bench.change()
    assert set(bench.has.values()) == {"old PIN"} and bench.first.pin == "old PIN"
    assert bench.said[-1] == ("hsm.pin_changed", "refused") and bench.gate.tries.count() == 0


def test_a_second_with_a_file_of_its_own_gets_another_random_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, monkeypatch, own=True)
    assert bench.change() == ["first", "second"]
    assert list(bench.has.values()) == ["new PIN", "made"]


def test_a_wrong_old_one_is_counted_and_three_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, monkeypatch, own=False)
    for _ in range(3):
        with pytest.raises(HsmError):
            bench.change("wrong")
    with pytest.raises(Error, match="no more are tried"):
        bench.change()


def test_the_custodians_pin_is_changed_by_their_ceremony(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Error, match="custodians' shares seal the PIN"):
        Bench(tmp_path, monkeypatch, own=False, opened_by="custodians").change()
