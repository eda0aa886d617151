"""A part that many look at is made once for each look at the engine."""

from __future__ import annotations

import threading

import pytest
from markupsafe import Markup

from appliance.console.shared import KEPT_MAX, Shared


def test_it_is_made_once_for_each_stamp_and_key() -> None:
    shared, made = Shared(), list[str]()

    def make(text: str) -> str:
        made.append(text)
        return text

    for stamp in (1, 1, 2, 2):
        for key in ("it", "de"):
            part = shared.part(key, stamp, lambda key=key, stamp=stamp: make(f"<b>{key} {stamp}</b>"))
            assert part == Markup(f"<b>{key} {stamp}</b>") and isinstance(part, Markup)
    assert len(made) == 4
    for _ in range(3):
        shared.part("it", None, lambda: make("alone"))
    assert made[4:] == ["alone"] * 3, "without a look that is of now each is made anew"


def test_those_who_come_while_it_is_made_wait_for_it() -> None:
    shared, gate, made = Shared(), threading.Event(), list[int]()

    def make() -> str:
        made.append(1)
        gate.wait(60)
        return "x"

    found: list[Markup] = []
    threads = [threading.Thread(target=lambda: found.append(shared.part("k", 1, make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(60)
    assert found == ["x"] * 8 and made == [1]


def test_who_waited_takes_what_was_made_meanwhile_whatever_look_it_was_of() -> None:
    """Else each look of a slow box would wait for all before it, until no thread is left for another page."""
    shared, gate, inside, found = Shared(), threading.Event(), threading.Event(), list[Markup]()

    def slow() -> str:
        inside.set()
        gate.wait(60)
        return "slow"

    def asked(stamp: int) -> None:
        found.append(shared.part("k", stamp, lambda: f"made for {stamp}"))

    first = threading.Thread(target=lambda: found.append(shared.part("k", 0, slow)))
    first.start()
    inside.wait(60)
    before = shared._making["k"]
    later = [threading.Thread(target=asked, args=(stamp,)) for stamp in range(1, 9)]
    for thread in later:
        thread.start()
    assert before.locked()
    gate.set()
    for thread in (first, *later):
        thread.join(60)
    assert found[0] == "slow" and len(found) == 9
    assert shared.part("k", 99, lambda: "anew") == "anew"


def test_what_fails_is_not_kept_and_keys_are_bounded() -> None:
    shared = Shared()
    with pytest.raises(ZeroDivisionError):
        shared.part("k", 1, lambda: str(1 / 0))
    assert shared.part("k", 1, lambda: "well") == "well"
    for n in range(2 * KEPT_MAX):
        shared.part(n, 1, lambda: "x")
    assert len(shared._kept) <= KEPT_MAX and len(shared._making) <= KEPT_MAX + 1
