"""HOT: how much a beat may hold while one-time codes are about, so that a code waits for short beats only. Pure.

A code waits for the beat under way and then for its own. How long a beat lasts is how much is in it and how long the disk takes
to sync. The first can be chosen: while codes are about a beat takes so much of all other classes as the last ones did in time.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.message import OTP, Batch

from .pace import UNLIMITED

ABOUT_S: Final = 1.0  # after the last code was seen: then beats are as large as they like again
AIM_S: Final = 0.010  # a beat may last so long
QUICK_TIMES: Final = 2.0  # or so many times a small one: where the disk takes most of that, less gains nothing
SEGMENTS_MIN: Final = 32
SEGMENTS_MAX: Final = 1_024
SEGMENTS_FIRST: Final = 128
FEWER_AT_MOST: Final = 0.5  # of the last beat's: one slow sync says little
MORE_PART: Final = 16  # it grows by a sixteenth a beat
QUICK_PART: Final = 0.125  # what the newest small beat counts in `quick_s`
QUICK_FORGOTTEN: Final = 0.99  # a beat, while none is small: a disk that was slow once is measured anew
RESERVED_PART: Final = 8  # an eighth of a window is for codes and alerts, while codes are about


def next_segments(segments: int, held: int, lasted_s: float, quick_s: float) -> int:
    """What the next beat may take, after one that might have taken `segments`, held `held`, and lasted so long.

    `quick_s`: what a small one lasts. A beat that was not full says nothing for a larger one, a small one nothing against it.
    """
    if held > SEGMENTS_MIN and lasted_s > (aim_s := max(AIM_S, QUICK_TIMES * quick_s)):
        return max(SEGMENTS_MIN, int(min(held, segments) * max(FEWER_AT_MOST, aim_s / lasted_s)))
    return min(SEGMENTS_MAX, segments + max(1, segments // MORE_PART)) if held >= segments else segments


class Brief:
    """Told of each beat; says what the next may hold. Times are monotonic seconds."""

    __slots__ = ("_codes_s", "quick_s", "segments")

    def __init__(self) -> None:
        self.segments = SEGMENTS_FIRST
        self.quick_s = 0.0
        self._codes_s = float("-inf")

    def seen(self, now_s: float) -> None:
        """A one-time code came, or waits to leave."""
        self._codes_s = now_s

    def most(self, now_s: float) -> int:
        """Segments of other classes that a beat may take now."""
        return self.segments if now_s - self._codes_s <= ABOUT_S else UNLIMITED

    def lasted(self, seconds: float, held: int) -> None:
        """A beat with `held` segments of other classes, while codes are about."""
        if held <= SEGMENTS_MIN:
            self.quick_s += (seconds - self.quick_s) * QUICK_PART
        else:
            self.quick_s *= QUICK_FORGOTTEN
        self.segments = next_segments(self.segments, held, seconds, self.quick_s)


def codes_first(batches: list[tuple[Batch, Any]]) -> int:
    """Puts batches with one-time codes before the others, both in their order; how many have any."""
    with_codes = [each for each in batches if OTP in each[0].classes]
    if with_codes and len(with_codes) < len(batches):
        batches[:] = with_codes + [each for each in batches if OTP not in each[0].classes]
    return len(with_codes)


def taken(batches: list[tuple[Batch, Any]], codes: int, most: int, held: int = 0) -> int:
    """How many of the batches a beat accepts: those with codes, and of the others as many as fit, at least one.

    `held`: messages of such others that it has accepted already.
    """
    messages = held
    for n, (batch, _) in enumerate(batches[codes:], codes):
        messages += len(batch.ids)
        if messages > most and (held or n > codes):
            return n
    return len(batches)
