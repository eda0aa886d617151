"""HOT: what happens to each submit, drawn from the options and a seed. Reads no clock, opens no socket."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from appliance.smpp import spec

from .options import Delay, Options

#: What a receipt says of a segment that did not get there: mostly that the operator gave up, at times the others.
_FAILURES: Final = (
    (spec.STATE_UNDELIVERABLE, "UNDELIV", "001"),
    (spec.STATE_UNDELIVERABLE, "UNDELIV", "011"),
    (spec.STATE_EXPIRED, "EXPIRED", "027"),
    (spec.STATE_REJECTED, "REJECTD", "099"),
)
_DELIVERED: Final = (spec.STATE_DELIVERED, "DELIVRD", "000")


class Fate(msgspec.Struct, gc=False):
    """One submit's: `status` to answer with; when it is ESME_ROK the rest holds too. Times are seconds from now."""

    status: int
    answer_s: float
    answered: bool
    dropped: bool
    receipt_first: bool
    receipt_s: float
    state: int
    word: str
    error: str
    nacked: bool = False


class Chance:
    """Draws fates. The same seed, options and order of submits give the same fates."""

    def __init__(self, options: Options) -> None:
        self._random = Random(options.seed)
        self._second = -1
        self._in_second = 0
        self.follow(options)

    def follow(self, options: Options) -> None:
        """Other rates from now on."""
        self._options = options
        self._latency = Delay(options.latency_ms)
        self._receipt_delay = Delay(options.receipt_delay_ms)
        rates = [options.throttle_rate, options.refuse_rate, options.fail_rate, options.no_answer_rate]
        more = (options.drop_rate, options.receipt_before_answer_rate, options.throttle_above)
        rates += [options.queue_full_rate, options.nack_rate]
        self.plain = self._latency.zero and not any(rates) and not any(more)

    def receipt_s(self) -> float:
        """The one thing that is drawn for a plain submit: the time to its receipt."""
        return self._receipt_delay.draw(self._random)

    def fate(self, now_s: float) -> Fate:
        draw = self._random.random
        if self.plain:
            return Fate(0, 0.0, True, False, False, self._receipt_delay.draw(self._random), *_DELIVERED)
        o = self._options
        answer_s = self._latency.draw(self._random)
        status = spec.ESME_ROK
        if self._too_fast(now_s) or draw() < o.throttle_rate:
            status = spec.ESME_RTHROTTLED
        elif draw() < o.refuse_rate:
            status = spec.ESME_RINVDSTADR
        elif o.queue_full_rate and draw() < o.queue_full_rate:
            status = spec.ESME_RMSGQFUL
        nacked = not status and bool(o.nack_rate) and draw() < o.nack_rate
        if nacked:
            status = spec.ESME_RSYSERR
        state = self._random.choice(_FAILURES) if draw() < o.fail_rate else _DELIVERED
        return Fate(
            status,
            answer_s,
            draw() >= o.no_answer_rate,
            draw() < o.drop_rate,
            draw() < o.receipt_before_answer_rate,
            answer_s + self._receipt_delay.draw(self._random),
            *state,
            nacked,
        )

    def _too_fast(self, now_s: float) -> bool:
        if not self._options.throttle_above:
            return False
        if int(now_s) != self._second:
            self._second, self._in_second = int(now_s), 0
        self._in_second += 1
        return self._in_second > self._options.throttle_above

    def draw(self) -> float:
        """From 0 up to 1."""
        return self._random.random()

    def choice(self, words: tuple[str, ...]) -> str:
        return self._random.choice(words)

    def uuid(self) -> str:
        """A random UUID in text."""
        n = self._random.getrandbits(128) & ~(0xF000 << 64 | 0xC000 << 48) | 0x4000 << 64 | 0x8000 << 48
        h = f"{n:032x}"
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"

    def customer(self) -> str:
        """A number that a message from a customer comes from: of a range for mobile telephones in Italy."""
        return f"+39347{self._random.randrange(10**7):07d}"

    def reference(self) -> int:
        return self._random.randrange(256)
