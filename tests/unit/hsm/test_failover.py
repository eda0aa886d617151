"""Which of two HSMs serves: the first unless it fails, back after it kept well, longer each time it comes and goes."""

from __future__ import annotations

from hsm import failover
from hsm.bounds import FLAPS_S, RETURN_S_MAX
from hsm.failover import BOTH_FAIL, FAILS, FIRST, FIRST_WELL, KEPT_WELL, NONE, SECOND, SECOND_WELL, Failover


def test_the_first_serves_as_soon_as_it_is_well() -> None:
    f = Failover(10.0)
    assert f.look(False, False, 0.0) is None
    assert f.look(True, True, 1.0) == FIRST_WELL
    assert f.serves == FIRST
    assert f.look(True, True, 2.0) is None


def test_the_second_serves_when_it_is_the_only_one_at_the_start() -> None:
    f = Failover(10.0)
    assert f.look(False, True, 0.0) == SECOND_WELL
    assert f.serves == SECOND
    assert f.look(True, True, 1.0) is None, "the first has to keep well before"
    assert f.look(True, True, 11.0) == KEPT_WELL


def test_it_fails_over_at_once_and_returns_late() -> None:
    f = Failover(10.0)
    f.look(True, True, 0.0)
    assert f.look(False, True, 1.0) == FAILS
    assert (f.serves, f.count) == (SECOND, 1)
    f.look(True, True, 2.0)
    f.look(False, True, 8.0)  # not without a break
    f.look(True, True, 9.0)
    assert f.look(True, True, 18.9) is None
    assert f.look(True, True, 19.0) == KEPT_WELL
    assert f.serves == FIRST


def test_both_gone_and_whoever_comes_first() -> None:
    f = Failover(10.0)
    f.look(True, True, 0.0)
    assert f.look(False, False, 1.0) == BOTH_FAIL
    assert f.serves == NONE
    assert f.look(False, True, 2.0) == SECOND_WELL
    assert f.look(False, False, 3.0) == BOTH_FAIL
    assert f.look(True, False, 4.0) == FIRST_WELL


def test_whoever_serves_after_the_other_took_over_from_it_also_by_way_of_none() -> None:
    """The first fails in the moment in which the second is not well either: still a fail-over, and one that makes the return wait."""
    f = Failover(10.0)
    f.look(True, True, 0.0)
    f.look(False, False, 1.0)
    assert (f.last, f.count) == (FIRST, 0), "nobody took over"
    assert f.look(False, True, 2.0) == SECOND_WELL
    assert (f.serves, f.last, f.count) == (SECOND, SECOND, 1)
    f.look(False, False, 3.0)
    assert f.look(False, True, 4.0) == SECOND_WELL
    assert f.count == 1, "the same goes on"
    f.look(False, False, 5.0)
    assert f.look(True, False, 6.0) == FIRST_WELL
    assert (f.last, f.count) == (FIRST, 2)
    assert f.patience_s(6.0) == 20.0


def test_the_second_fails_while_it_serves() -> None:
    f = Failover(10.0)
    f.look(False, True, 0.0)
    f.look(True, True, 1.0)
    assert f.look(True, False, 2.0) == FAILS
    assert f.serves == FIRST


def test_one_that_comes_and_goes_is_left_alone_for_longer_and_longer() -> None:
    f, now = Failover(10.0), 0.0
    f.look(True, True, now)
    waited = []
    for _ in range(12):
        f.look(False, True, now)
        f.look(True, True, now)
        begun = now
        while f.look(True, True, now) != KEPT_WELL:
            now += 1.0
        waited.append(now - begun)
    assert waited[:4] == [10.0, 20.0, 40.0, 80.0]
    assert max(waited) == RETURN_S_MAX
    assert f.patience_s(now + FLAPS_S + 1.0) == 10.0, "an hour later all is forgotten"


def test_every_state_has_a_way_on() -> None:
    assert {s for s, _ in failover.TABLE} == set(failover.TABLE.values()) == {FIRST, SECOND, NONE}
