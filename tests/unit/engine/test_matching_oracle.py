"""Whose a receipt is, against worlds in which it is known: drawn, recorded as the engine would, and told again by trying everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engine.matching import LATE_MS, Fit, Known, fits
from appliance.engine.steps import STEADY, Steps, stepped
from appliance.message import DELIVERED, FAILED, INDETERMINATE, SENT, UNDELIVERED
from appliance.store import SUBMITTED, Candidate, Claim

S, MINUTE = 1_000, 60_000
T0 = 1_800_000_000_000 // MINUTE * MINUTE
SKEW = 2 * MINUTE  # by which the clocks may differ
TEXTS = ("yourstatementisready", "yourstatementisreadynow")
SENDERS = ("bank", "alerts")


@dataclass
class Copy:
    """One leaving of a segment. Times are true ones."""

    left: int
    ended: int | None  # when it was answered, or its bind lost; None: it is under way
    lost: bool
    taken: int | None  # when the operator took it, if it did
    fate: int = DELIVERED


@dataclass
class Segment:
    number: int
    copies: list[Copy] = field(default_factory=list)
    text: str = TEXTS[0]
    sender: str = SENDERS[0]
    how: str = ""  # it ended: closed, asked; "" it waits

    @property
    def last(self) -> Copy:
        return self.copies[-1]


@dataclass
class World:
    """What is true of one number and one link."""

    segments: list[Segment]
    skew: int
    sign: str  # reference, text, time or nameless
    step: tuple[int, int] | None  # the wall clock is set: when, by how much
    heard: list[tuple[int, int, int]]  # (segment, copy, truly came) of each receipt whose id nobody knows

    def wall(self, true_ms: int) -> int:
        return true_ms + (self.step[1] if self.step is not None and true_ms >= self.step[0] else 0)

    def steps(self) -> Steps:
        if self.step is None:
            return STEADY
        return stepped(STEADY, self.step[1], self.step[0] + self.step[1])

    def candidate(self, segment: Segment) -> Candidate:
        """As the store tells it."""
        last = segment.last
        doubts = [self.wall(c.ended) for c in segment.copies if c.lost and c.ended is not None]
        status = SUBMITTED if last.ended is None else INDETERMINATE if last.lost else SENT
        if segment.how:
            status = FAILED
        return Candidate(
            1, segment.number << 8 | 1, status, 1, 0, bytes([segment.number]) * 16, 2, 0, segment.sender, 39, b"", b"", 1,
            self.wall(last.left), self.wall(last.left) + 7_200_000, None, 1 if status == INDETERMINATE else -1,
            doubts[-1] if status == INDETERMINATE else None, True, self.wall(segment.copies[0].left),
            self.wall(last.ended) if last.ended is not None and not last.lost else None,
            max(doubts, default=None), len(segment.copies) - 1,
        )  # fmt: skip

    def claim(self, n: int) -> Claim:
        at, copy, came = self.heard[n]
        segment = self.segments[at]
        taken = segment.copies[copy].taken
        assert taken is not None
        said = (taken + self.skew) // MINUTE * MINUTE
        text, by_time = segment.text[:17], self.sign in ("time", "nameless")
        reference = int.from_bytes(bytes([segment.number]) * 2, "big") if self.sign == "reference" else None
        return Claim(
            1, f"?{n}" if self.sign == "nameless" else f"X{n}", segment.copies[copy].fate, self.wall(came), None,
            segment.sender, reference, len(text) if self.sign == "text" else 0, text.encode() if self.sign == "text" else None,
            said if by_time else None,
        )  # fmt: skip

    def fits(self) -> list[Fit]:
        known = Known(
            [frozenset((each.sender,)) for each in self.segments],
            [each.text for each in self.segments],
            lambda text: text.encode(),
            self.sign == "reference",
            self.steps(),
        )
        return fits([self.claim(n) for n in range(len(self.heard))], [self.candidate(s) for s in self.segments], known)

    # --- the oracle ---------------------------------------------------------------------------------------

    def may_be(self, n: int, segment: Segment, copy: Copy) -> bool:
        """Whether a receipt may be of a copy, for all that can be known: asked of true times, without a look at the rule."""
        own = self.segments[self.heard[n][0]]
        claim = self.claim(n)
        if copy.ended is not None and not copy.lost and copy.taken is None:
            return False  # refused
        if self.heard[n][2] < copy.left:
            return False
        if self.sign == "reference":
            return segment is own
        if self.sign == "text":
            return segment.text[:17] == own.text[:17]
        until = copy.ended + (LATE_MS if copy.lost else 0) if copy.ended is not None else self.heard[n][2]
        said = claim.accepted_ms or 0
        return copy.left - SKEW < said + MINUTE and said <= min(until, self.heard[n][2]) + SKEW

    def certain(self, n: int, segment: Segment) -> bool:
        """No way to give every receipt a copy of its own gives this one to another segment."""
        copies = [(s, c) for s in self.segments for c in s.copies]
        ways = [[at for at, (s, c) in enumerate(copies) if self.may_be(m, s, c)] for m in range(len(self.heard))]
        return all(copies[way[n]][0] is segment for way in product(*ways) if len(set(way)) == len(way))


@st.composite
def worlds(draw: Any, stepping: bool) -> World:
    world = World(
        [], draw(st.integers(-SKEW, SKEW)), draw(st.sampled_from(["reference", "text", "time", "nameless"])), None, []
    )
    if stepping:
        at = T0 + draw(st.integers(0, 8)) * MINUTE
        world.step = (at, draw(st.sampled_from([-60, -6, -4, 4, 6, 60])) * MINUTE)
    for number in range(1, draw(st.integers(1, 3)) + 1):
        segment = Segment(number, text=draw(st.sampled_from(TEXTS)), sender=SENDERS[draw(st.integers(0, 5)) // 5])
        at = T0 + draw(st.sampled_from([0, 0, 1, 2, 4, 6, 8])) * MINUTE + draw(st.integers(0, 59)) * S
        for copy in range(draw(st.sampled_from([1, 1, 1, 2]))):
            lost = copy == 0 or draw(st.booleans())
            under_way = draw(st.integers(0, 5)) == 0
            ended = at + draw(st.integers(0, 120)) * S
            lost = lost and draw(st.integers(0, 3)) > 0
            late = draw(st.integers(0, 8)) * MINUTE if lost else 0
            taken: int | None = draw(st.integers(at, ended)) + late
            if draw(st.integers(0, 3)) == 0:
                taken = None
            fate = draw(st.sampled_from([DELIVERED, DELIVERED, UNDELIVERED]))
            segment.copies.append(Copy(at, None if under_way else ended, lost and not under_way, taken, fate))
            if under_way or not lost:
                break
            at = ended + draw(st.integers(1, 60)) * S
        if segment.last.ended is not None and draw(st.integers(0, 2)) == 0:
            segment.how = "closed" if segment.last.lost else "asked"
        world.segments.append(segment)
    for at, segment in enumerate(world.segments):
        for n, each in enumerate(segment.copies):
            if each.taken is not None and draw(st.integers(0, 2)):
                world.heard.append((at, n, each.taken + draw(st.integers(0, 600)) * S))
    return world


@settings(max_examples=80, deadline=None)
@given(worlds(stepping=False))
def test_what_is_told_is_true_and_could_not_be_otherwise(world: World) -> None:
    for fit in world.fits():
        n = int(fit.claim.operator_id[1:])
        segment = world.segments[fit.candidate.key // 256 - 1]
        assert world.segments[world.heard[n][0]] is segment, "told wrong"
        assert world.certain(n, segment), "a guess"
        assert fit.claim.status == DELIVERED or len(segment.copies) == 1


@settings(max_examples=50, deadline=None)
@given(worlds(stepping=True))
def test_a_clock_that_was_set_makes_nothing_told_wrong(world: World) -> None:
    for fit in world.fits():
        n = int(fit.claim.operator_id[1:])
        assert world.segments[world.heard[n][0]] is world.segments[fit.candidate.key // 256 - 1]


@pytest.mark.parametrize("sign", ["reference", "text", "time", "nameless"])
@settings(max_examples=3, deadline=None)
@given(lasted=st.integers(0, 300), at=st.integers(0, 300), fate=st.sampled_from([DELIVERED, UNDELIVERED]))
def test_one_alone_is_found(sign: str, lasted: int, at: int, fate: int) -> None:
    """Where there is one segment and one receipt and clocks agree, the rule is not so careful that it says nothing."""
    left, ended = T0 + 17 * S, T0 + (17 + max(lasted, at)) * S
    one = Segment(1, [Copy(left, ended, True, left + at * S, fate)])
    (fit,) = World([one], 0, sign, None, [(0, 0, ended + S)]).fits()
    assert fit.how == {"nameless": "time"}.get(sign, sign)


def lost(number: int, left_s: int, taken_s: int | None = None, ended_s: int | None = None, **more: Any) -> Segment:
    ended = T0 + (left_s + 10 if ended_s is None else ended_s) * S
    return Segment(number, [Copy(T0 + left_s * S, ended, True, None if taken_s is None else T0 + taken_s * S)], **more)


def sent(number: int, left_s: int) -> Segment:
    return Segment(number, [Copy(T0 + left_s * S, T0 + (left_s + 1) * S, False, T0 + left_s * S)])


def again(number: int, left_s: int) -> Segment:
    segment = lost(number, left_s, left_s + 1)
    segment.copies.append(Copy(T0 + (left_s + 300) * S, T0 + (left_s + 301) * S, False, T0 + (left_s + 300) * S))
    return segment


#: Receipts of the first segment that would be given to the second one, were it not for what the name says: the table of the README.
TEMPTING: dict[str, World] = {
    "clocks two minutes apart": World([sent(1, 0), lost(2, 150)], SKEW, "time", None, [(0, 0, T0 + 200 * S)]),
    "taken long after its bind was lost": World(
        [lost(1, 0, 1_200), lost(2, 1_190)], 0, "time", None, [(0, 0, T0 + 1_300 * S)]
    ),
    "closed by a person": World([lost(1, 0, 1, how="closed"), lost(2, 20)], 0, "time", None, [(0, 0, T0 + 60 * S)]),
    "the same, told by text": World([lost(1, 0, 1, how="closed"), lost(2, 20)], 0, "text", None, [(0, 0, T0 + 60 * S)]),
    "told when asked": World(
        [Segment(1, sent(1, 0).copies, how="asked"), lost(2, 20)], 0, "nameless", None, [(0, 0, T0 + 60 * S)]
    ),
    "its first copy": World([again(1, 0), lost(2, 5)], 0, "time", None, [(0, 0, T0 + 400 * S)]),
    "the clock set back in between": World(
        [sent(1, 100), lost(2, 400)], 0, "time", (T0 + 200 * S, -300 * S), [(0, 0, T0 + 500 * S)]
    ),
}


@pytest.mark.parametrize("name", TEMPTING)
def test_another_that_may_be_meant_keeps_a_receipt_from_being_told(name: str) -> None:
    world = TEMPTING[name]
    assert world.fits() == []
    told = [world.claim(0)], [world.candidate(world.segments[1])]
    known = Known([frozenset(SENDERS)], [TEXTS[0]], lambda text: text.encode(), world.sign == "reference")
    assert [fit.candidate for fit in fits(*told, known)] == told[1], "it would have been"
