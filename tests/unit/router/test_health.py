"""Scores, the state table, probes: a link that fails is passed over, tried again, and taken back."""

from __future__ import annotations

import random
from pathlib import Path

from appliance.router import CLOSED, HALF_OPEN, OPEN, Heard, LinkHealth
from appliance.router.health import (
    HALF_LIFE_S,
    PAUSE_S_MAX,
    PAUSE_S_MIN,
    PROBE_S_MAX,
    PROBES,
    SLOW_S,
    STATES,
    picture,
)


class Told:
    """A link's counters and a clock."""

    def __init__(self) -> None:
        self.health = LinkHealth()
        self.heard = Heard()
        self.now_s = 0.0
        self.health.observe(self.heard, 0.0)

    def goes(self, seconds: float = 0.1, good: int = 0, bad: int = 0, **more: int) -> str:
        h = self.heard
        self.now_s += seconds
        self.heard = h._replace(
            answered=h.answered + good + bad,
            errors=h.errors + bad,
            **{k: v if k in ("in_flight", "up") else getattr(h, k) + v for k, v in more.items()},
        )
        self.health.observe(self.heard, self.now_s)
        return self.health.state


def fallen() -> Told:
    told = Told()
    assert told.goes(bad=30) == OPEN
    return told


def test_a_few_errors_among_many_answers_are_nothing() -> None:
    told = Told()
    for _ in range(100):
        assert told.goes(good=9, bad=1) == CLOSED
    assert 0.85 < told.health.score < 0.95


def test_too_little_was_heard_to_say_anything() -> None:
    assert Told().goes(bad=19) == CLOSED


def test_errors_fade() -> None:
    told = Told()
    told.goes(good=21, bad=19)
    low = told.health.score
    told.goes(HALF_LIFE_S * 3, good=40)
    assert told.health.score > low + 0.3


def test_what_an_operator_refuses_for_good_counts_little() -> None:
    told = Told()
    assert told.goes(bad=1_000, refused=1_000) == CLOSED
    assert told.health.score == 0.75


def test_segments_lost_with_a_bind_count_as_errors() -> None:
    assert Told().goes(unanswered=50) == OPEN


def test_slow_answers_lower_the_score() -> None:
    told = Told()
    for _ in range(100):
        told.goes(0.1, good=1, in_flight=100)
    assert told.health.answer_s > SLOW_S * 2
    assert told.health.state == OPEN


def test_receipts_that_never_say_delivered_lower_the_score() -> None:
    told = Told()
    assert told.goes(good=500, receipted=99, undelivered=99) == CLOSED
    assert told.goes(receipted=100, undelivered=100) == OPEN


def test_half_open_is_a_few_probes_then_everything() -> None:
    told = fallen()
    assert told.goes(PAUSE_S_MIN - 0.2) == OPEN
    assert told.goes(0.2) == HALF_OPEN
    assert told.health.probes_left() == PROBES
    told.health.probed(PROBES, told.now_s)
    assert told.health.probes_left() == 0
    assert told.goes(good=PROBES - 1) == HALF_OPEN
    assert told.goes(good=1) == CLOSED
    assert told.health.score == 1.0


def test_a_probe_that_fails_closes_the_way_for_twice_as_long() -> None:
    told = fallen()
    pauses = []
    for _ in range(10):
        told.goes(PAUSE_S_MAX)
        assert told.health.state == HALF_OPEN
        told.health.probed(1, told.now_s)
        assert told.goes(bad=1) == OPEN
        pauses.append(told.health.pause_s)
    assert pauses[:3] == [10, 20, 40]
    assert pauses[-1] == PAUSE_S_MAX


def test_probes_that_are_not_answered_have_failed() -> None:
    told = fallen()
    told.goes(PAUSE_S_MIN)
    told.health.probed(2, told.now_s)
    assert told.goes(PROBE_S_MAX - 1) == HALF_OPEN
    assert told.goes(1.5) == OPEN


def test_a_trickle_of_probes_that_are_answered_well_opens_the_way() -> None:
    """Messages that come seldom: a probe a quarter of a minute, each answered. That nothing more came is not its fault."""
    told = fallen()
    told.goes(PAUSE_S_MIN)
    for _ in range(PROBES):
        assert told.health.state == HALF_OPEN
        told.health.probed(1, told.now_s)
        told.goes(0.2, good=1)
        told.goes(PROBE_S_MAX - 0.5)
    assert told.health.state == CLOSED


def test_a_later_probe_has_its_own_time() -> None:
    told = fallen()
    told.goes(PAUSE_S_MIN)
    told.health.probed(1, told.now_s)
    told.goes(1, good=1)
    told.goes(PROBE_S_MAX)
    told.health.probed(1, told.now_s)
    assert told.goes(PROBE_S_MAX - 1) == HALF_OPEN
    assert told.goes(1.5) == OPEN


def test_a_link_that_is_down_is_not_probed() -> None:
    told = fallen()
    assert told.goes(PAUSE_S_MAX, up=False) == OPEN
    assert told.goes(0.1, up=True) == HALF_OPEN


def test_chance_leads_only_along_the_table() -> None:
    """Any counters in any order: only states and changes that the table names, and numbers that make sense."""
    for seed in range(30):
        chance = random.Random(seed)
        told = Told()
        before = told.health.state
        for _ in range(400):
            told.goes(
                chance.choice((0.1, 1.0, 20.0, 400.0)),
                good=chance.choice((0, 0, 5, 100)),
                bad=chance.choice((0, 0, 3, 100)),
                in_flight=chance.randrange(50),
                up=int(chance.random() < 0.9),
                receipted=(n := chance.randrange(5)),
                undelivered=chance.randint(0, n),
            )
            if told.health.state == HALF_OPEN:
                told.health.probed(chance.randrange(3), told.now_s)
            after = told.health.state
            assert after == before or after in {to for (at, _), to in STATES.items() if at == before}
            assert 0 <= told.health.score <= 1
            assert 0 <= told.health.probes_left() <= PROBES
            before = after
        assert set(told.health.shown()) >= {"state", "score"}


def test_the_page_draws_the_table() -> None:
    text = (Path(__file__).resolve().parents[3] / "appliance/router/README.md").read_text(encoding="utf-8")
    assert "\n".join(picture()) in text
