"""The table of the slots, and the one property that matters: no order of events leaves a box without a good slot to start."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.entries import Entry, blessed, chosen, condemned, fresh, started
from firmware.slots import (
    BEGIN,
    BLESS,
    FILLED,
    GOOD,
    HEARD,
    REASONS,
    REINSTATE,
    STATES,
    TABLE,
    WITHDRAW,
    other,
    refusal,
    stands,
)

TRIES = 3


def test_the_table_is_closed() -> None:
    assert {s for s, _ in TABLE} | set(TABLE.values()) == set(STATES)
    assert {h for _, h in TABLE} == set(HEARD)


def test_what_a_name_says() -> None:
    cases = [
        (None, False, "empty"),
        (Entry("1.0"), False, "good"),
        (Entry("1.0", 3, 0), False, "written"),
        (Entry("1.0", 2, 1), False, "trying"),
        (Entry("1.0", 2, 1), True, "trying"),
        (Entry("1.0", 0, 3), True, "trying"),
        (Entry("1.0", 0, 3), False, "bad"),
    ]
    for found, running, state in cases:
        assert stands("a", found, running).state == state, (found, running)


class Box:
    """Two slots as the files say, moved by the pure functions only. A power cut is a start that proves nothing."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry | None] = {"a": Entry("1.0"), "b": None}
        self.works = {"1.0": True}
        self.running = "a"
        self.next = 1

    def slots(self):  # type: ignore[no-untyped-def]
        return {name: stands(name, e, name == self.running) for name, e in self.entries.items()}

    def may(self, name: str, heard: str) -> bool:
        why = refusal(self.slots(), self.running, name, heard)
        assert why == "" or why in REASONS
        return not why

    def boot(self) -> None:
        """The firmware starts until something runs; a release that does not work falls over at once."""
        for _ in range(2 * TRIES + 3):
            best = chosen([e for e in self.entries.values() if e])
            assert best is not None, "nothing to start"
            name = next(n for n, e in self.entries.items() if e == best)
            self.entries[name] = started(best)
            if self.works[best.version]:
                self.running = name
                return
        raise AssertionError("bricked: nothing that is started works")

    def install(self, works: bool, cut_at: int) -> None:
        """Cut off at 0: before anything; 1: the entry is gone; 2: written and not entered."""
        target = other(self.slots(), self.running)
        if not self.may(target, BEGIN):
            return
        if cut_at == 0:
            self.boot()
            return
        self.entries[target] = None
        if cut_at in (1, 2):
            self.boot()
            return
        self.next += 1
        release = f"{self.next}.0"
        self.works[release] = works
        assert (stands(target, None, False).state, FILLED) in TABLE
        self.entries[target] = fresh(release, TRIES)

    def act(self, heard: str) -> None:
        name = other(self.slots(), self.running) if heard == REINSTATE else self.running
        one = self.entries[name]
        if one is None or not self.may(name, heard):
            return
        changed = {BLESS: blessed, WITHDRAW: condemned, REINSTATE: lambda e: Entry(e.version, TRIES, 0)}[heard]
        self.entries[name] = changed(one)


EVENTS = st.one_of(
    st.tuples(st.just("install"), st.booleans(), st.integers(0, 4)),
    st.tuples(st.sampled_from(["boot", BLESS, WITHDRAW, REINSTATE])),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(EVENTS, max_size=25))
def test_no_order_of_events_leaves_no_good_slot(events: list[tuple]) -> None:  # type: ignore[type-arg]
    box = Box()
    for what, *more in events:
        if what == "install":
            box.install(*more)
        elif what == "boot":
            box.boot()
        else:
            box.act(what)
        slots = box.slots()
        good = [s for s in slots.values() if s.state == GOOD]
        assert good, (events, slots)
        assert any(box.works[s.version] for s in good), "the only good one does not start"
    box.boot()


def test_the_running_slot_is_never_written_to_and_the_last_good_one_never_given_up() -> None:
    box = Box()
    assert refusal(box.slots(), "a", "a", BEGIN) == "it runs"
    assert refusal(box.slots(), "a", "a", WITHDRAW) == "no way back"
    box.install(True, 4)
    box.boot()
    assert box.running == "b"
    assert refusal(box.slots(), "b", "b", BLESS) == ""
    box.act(WITHDRAW)
    box.boot()
    assert box.running == "a"
    assert refusal(box.slots(), "a", "b", REINSTATE) == ""
    assert refusal(box.slots(), "a", "b", BLESS) == "not now"


def test_nothing_is_installed_over_the_only_good_slot_while_the_new_release_is_on_trial() -> None:
    box = Box()
    box.install(True, 4)
    box.boot()
    assert refusal(box.slots(), "b", "a", BEGIN) == "no way back"
    box.act(BLESS)
    assert refusal(box.slots(), "b", "a", BEGIN) == ""
