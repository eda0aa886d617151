"""The gate without a token: its table as drawn, wrong PINs counted before they are tried, what waits and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.keys import gate
from appliance.keys.gate import Gate, Tries
from appliance.limits import UNSEAL_TRIES_MAX
from hsm import HsmError, Place

README = Path(__file__).parents[3] / "appliance" / "keys" / "README.md"


class Pool:
    """Says whether it was started, and with what."""

    def __init__(self) -> None:
        self.pin: str | None = None
        self.why: HsmError | None = None

    def start(self, pin: str = "") -> None:
        self.pin = pin

    def wait_for(self, why: HsmError) -> None:
        self.why = why


def gate_of(folder: Path, opened_by: str = "pin", awaits: bool = False) -> tuple[Gate, Pool]:
    def note(what: str, on: str, outcome: str = "ok", **detail: Any) -> None: ...

    pool = Pool()
    return Gate(Place(folder), pool, note, lambda: None, opened_by, awaits), pool  # type: ignore[arg-type]


def test_readme_draws_the_table() -> None:
    heard = list(dict.fromkeys(h for _, h in gate.TABLE))
    states = (gate.EMPTY, gate.SEALED, gate.OPEN)
    rows = [f"| heard when | {' | '.join(heard)} |", "|---" * (len(heard) + 1) + "|"]
    rows += [f"| **{s}** | {' | '.join(gate.TABLE.get((s, h), '-') for h in heard)} |" for s in states]
    assert "\n".join(rows) in README.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("opened_by", "awaits", "exist", "mark", "state"),
    [
        ("pin", False, False, False, gate.OPEN),
        ("pin", True, False, False, gate.EMPTY),
        ("pin", True, True, False, gate.OPEN),
        ("pin", False, True, True, gate.SEALED),
        ("person", False, True, False, gate.SEALED),
        ("custodians", True, True, False, gate.SEALED),
        ("custodians", True, False, False, gate.EMPTY),
    ],
)
def test_what_a_start_does(tmp_path: Path, opened_by: str, awaits: bool, exist: bool, mark: bool, state: str) -> None:
    if mark:
        (tmp_path / "sealed").touch()
    made, pool = gate_of(tmp_path, opened_by, awaits)
    made.start(exist)
    assert (made.state, pool.pin is not None) == (state, state == gate.OPEN)
    assert (pool.why is None) == (state == gate.OPEN)
    assert pool.why is None or pool.why.code == "sealed"


def test_opening_forgets_that_it_was_sealed_by_a_person(tmp_path: Path) -> None:
    (tmp_path / "sealed").touch()
    made, pool = gate_of(tmp_path)
    made.start(True)
    made.open("of a file, which the pool reads itself", gate.UNSEAL)
    assert (made.state, pool.pin, (tmp_path / "sealed").exists()) == (gate.OPEN, "", False)
    with pytest.raises(Error, match="is open"):
        made.need(gate.SEALED)


def test_tries_are_counted_on_disk_and_end(tmp_path: Path) -> None:
    for n in range(UNSEAL_TRIES_MAX):
        tries = Tries(tmp_path / "tries")  # a new process each time
        assert tries.count() == n
        tries.begin(False)
    with pytest.raises(Error) as caught:
        Tries(tmp_path / "tries").begin(False)
    assert caught.value.code == "pin_invalid"
    tries.begin(True)
    assert tries.count() == UNSEAL_TRIES_MAX + 1
    tries.take_back()
    assert tries.count() == UNSEAL_TRIES_MAX
    tries.clear()
    assert tries.count() == 0
    (tmp_path / "tries").write_text("nonsense")
    assert tries.count() == UNSEAL_TRIES_MAX, "a count that cannot be read allows nothing"
