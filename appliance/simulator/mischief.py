"""HOT: what a hostile operator does beyond refusing: storms, silences, answers mixed up, made up and held back. No clock."""

from __future__ import annotations

from random import Random
from typing import Final

from appliance.smpp import Pdu, encode, pack_submit_resp, spec

from .options import Options

#: Commands that the specification does not know; a peer answers ESME_RINVCMDID or nothing, and goes on.
_UNKNOWN_COMMANDS: Final = (0x00000300, 0x00010200, 0x000000FE, 0x80000999)
_ALIEN_SEQUENCES: Final = (0, 0x7FFFFFFF, 0x7FFFFFF0, 0xFFFFFFFF)


class Mischief:
    """Drawn from the options and a seed of its own, so that it changes no fate."""

    def __init__(self, options: Options, began_s: float) -> None:
        self._random = Random(options.seed + 1)
        self._began_s = began_s
        self._free_s = 0.0  # when the next answer of a slow operator may leave
        self._storms, self._storm_until_s, self._next_storm_s = 0, 0.0, 0.0  # the next: 0 before the first submit
        self.follow(options)

    def follow(self, options: Options) -> None:
        if not options.storm_s:  # the next storms are the first again
            self._storms, self._storm_until_s, self._next_storm_s = 0, 0.0, 0.0
        self._options = options
        rates = (options.disorder_rate, options.duplicate_rate, options.alien_rate, options.garbage_rate)
        self.mixes = any(rates)

    def storm(self, now_s: float) -> int:
        """The status that this submit gets, ESME_ROK outside storms: one storm throttles, the next says that queues are full.

        A storm whose time has come waits for a submit, so that none passes unfelt while the links are down.
        """
        o = self._options
        if not o.storm_s:
            return spec.ESME_ROK
        if not self._next_storm_s:  # a run begins in peace
            self._next_storm_s = now_s + max(0.0, o.storm_every_s - o.storm_s)
        if now_s >= self._next_storm_s:
            self._storms += 1
            self._storm_until_s, self._next_storm_s = now_s + o.storm_s, now_s + o.storm_every_s
        if now_s >= self._storm_until_s:
            return spec.ESME_ROK
        return spec.ESME_RTHROTTLED if self._storms % 2 else spec.ESME_RMSGQFUL

    def silent(self, now_s: float) -> bool:
        """Whether nothing is delivered now, though submits and enquire_link are answered."""
        o = self._options
        return o.silent_s > 0 and _within(now_s - self._began_s, o.silent_every_s, o.silent_s)

    def held_s(self, now_s: float) -> float:
        """How much later an answer leaves because the operator answers only so many a second."""
        rate = self._options.answers_per_s
        if not rate:
            return 0.0
        self._free_s = max(self._free_s, now_s) + 1 / rate
        return self._free_s - now_s

    def refuses_bind(self) -> bool:
        rate = self._options.bind_refusal_rate
        return bool(rate) and self._random.random() < rate

    def mixed(self, answers: list[bytes]) -> tuple[list[bytes], dict[str, int]]:
        """The answers to submits as they leave: in any order, twice, among answers to nobody and commands unknown.

        Also how many of each kind were made up.
        """
        o, draw = self._options, self._random.random
        out: list[bytes] = []
        made: dict[str, int] = {}
        for answer in answers:
            out.append(answer)
            if draw() < o.duplicate_rate:
                out.append(answer)
                made["duplicates"] = made.get("duplicates", 0) + 1
            if draw() < o.alien_rate:
                out.append(pack_submit_resp(self._random.choice(_ALIEN_SEQUENCES), 0, "alien"))
                made["aliens"] = made.get("aliens", 0) + 1
            if draw() < o.garbage_rate:
                out.append(self._garbage())
                made["garbage"] = made.get("garbage", 0) + 1
        if len(out) > 1 and draw() < o.disorder_rate:
            self._random.shuffle(out)
        return out, made

    def _garbage(self) -> bytes:
        """A whole PDU that makes no sense: an unknown command, a generic_nack of nothing, an alert without an end."""
        chance = self._random
        kind = chance.randrange(3)
        if kind == 0:
            return encode(Pdu(spec.GENERIC_NACK, spec.ESME_RINVCMDID, 0))
        body = chance.randbytes(chance.randrange(40))
        command = chance.choice(_UNKNOWN_COMMANDS) if kind == 1 else spec.ALERT_NOTIFICATION
        return b"".join(n.to_bytes(4, "big") for n in (16 + len(body), command, 0, 0x7FFFFF00)) + body


def _within(since_s: float, every_s: float, length_s: float) -> bool:
    """Whether the last `length_s` of a period of `every_s` are running: a run begins in peace."""
    return since_s % every_s >= every_s - length_s
