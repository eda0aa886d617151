"""HOT: how well each link does, and whether it may be tried: scores that fade, a state table, a few probes after a fall. Pure.

A score is 1 for a link that answers well and 0 for one that answers nothing well. Below SCORE_MIN the link is passed over
(`open`) as long as a group has another that is well; after a pause it is given a few segments (`half_open`), and when they
are answered well everything again (`closed`). Health never stops traffic that has no other way.
"""

from __future__ import annotations

from typing import Final, NamedTuple

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
FAILING, DUE, PASSED, FAILED = "failing", "due", "passed", "failed"

#: What is heard of a link -> what it becomes; a pair that is not here changes nothing.
STATES: Final[dict[tuple[str, str], str]] = {
    (CLOSED, FAILING): OPEN,
    (OPEN, DUE): HALF_OPEN,
    (HALF_OPEN, PASSED): CLOSED,
    (HALF_OPEN, FAILED): OPEN,
}

SCORE_MIN: Final = 0.5
SAMPLES_MIN: Final = 20.0  # fewer answers than this say nothing
HALF_LIFE_S: Final = 30.0  # what was heard so long ago counts half
PROBES: Final = 5  # segments that a half-open link is given
PROBE_S_MAX: Final = 15.0  # probes not answered for so long have failed
PAUSE_S_MIN: Final = 5.0  # before the first probe; doubles with every fall
PAUSE_S_MAX: Final = 300.0
SLOW_S: Final = 2.0  # a mean answer slower than this lowers the score, in proportion
RECEIPTS_MIN: Final = 100.0  # final receipts before their ratio says anything
RECEIPTS_RATIO_MIN: Final = 0.3  # of receipts that say `delivered`; fewer lower the score, in proportion
REFUSED_WEIGHT: Final = 0.25  # an operator that refuses a message for good may well be right
EACH_S: Final = 0.1  # between two looks


class Heard(NamedTuple):
    """Counters of one link since it was made; `in_flight` now."""

    answered: int = 0
    errors: int = 0  # answers that were not ESME_ROK, throttles and refusals among them
    throttled: int = 0
    refused: int = 0  # refused for good
    unanswered: int = 0  # under way when a bind was lost
    receipted: int = 0
    undelivered: int = 0  # of these, not delivered
    in_flight: int = 0
    up: bool = True


class LinkHealth:
    """One link's score and state."""

    def __init__(self) -> None:
        self.state = CLOSED
        self.since_s = 0.0
        self.refused = self.unanswered = self.undeliverable = 0  # counted here for `Heard`: odd rows
        self.falls = 0  # in a row, each with a longer pause
        self._before = Heard()
        self._at_s: float | None = None
        self.good = self.bad = self.delivered = self.undelivered = 0.0
        self.waited_s = self.answers = (
            0.0  # segments times seconds under way, and answers: their quotient is the mean time
        )
        self._probed = self._probe_good = self._probe_bad = 0
        self._probe_s = 0.0

    # --- what is known ------------------------------------------------------------------------------------

    @property
    def answer_s(self) -> float:
        """Mean time from submit to answer, seconds, by Little's law; 0 when nothing was answered lately."""
        return self.waited_s / self.answers if self.answers >= 1 else 0.0

    @property
    def score(self) -> float:
        """0 to 1; 1 while too little was heard."""
        total = self.good + self.bad
        score = self.good / total if total >= SAMPLES_MIN else 1.0
        if self.answers >= SAMPLES_MIN and self.answer_s > SLOW_S:
            score *= SLOW_S / self.answer_s
        receipts = self.delivered + self.undelivered
        if receipts >= RECEIPTS_MIN and self.delivered < receipts * RECEIPTS_RATIO_MIN:
            score *= self.delivered / (receipts * RECEIPTS_RATIO_MIN)
        return score

    @property
    def pause_s(self) -> float:
        return float(min(PAUSE_S_MAX, PAUSE_S_MIN * 2 ** min(max(0, self.falls - 1), 16)))

    def probes_left(self) -> int:
        """Segments that a half-open link may still be given."""
        return max(0, PROBES - self._probed)

    # --- what is heard ------------------------------------------------------------------------------------

    def probed(self, segments: int, now_s: float) -> None:
        """Segments staged on it while half open."""
        if segments and self._probed <= self._probe_good:  # those before have been answered: its time begins now
            self._probe_s = now_s
        self._probed += segments

    def observe(self, heard: Heard, now_s: float) -> str | None:
        """Takes in the counters; the new state when it changed."""
        if self._at_s is None:
            self._at_s, self._before = now_s, heard
            return None
        past_s = max(0.0, now_s - self._at_s)
        fade = 0.5 ** (past_s / HALF_LIFE_S)
        before, self._before, self._at_s = self._before, heard, now_s
        refused = heard.refused - before.refused
        wrong = heard.errors - before.errors
        good = heard.answered - before.answered - wrong + refused * (1 - REFUSED_WEIGHT)
        bad = wrong - refused * (1 - REFUSED_WEIGHT) + heard.unanswered - before.unanswered
        undelivered = heard.undelivered - before.undelivered
        self.good = self.good * fade + good
        self.bad = self.bad * fade + bad
        self.answers = self.answers * fade + heard.answered - before.answered
        self.waited_s = self.waited_s * fade + (heard.in_flight + before.in_flight) / 2 * past_s
        self.delivered = self.delivered * fade + heard.receipted - before.receipted - undelivered
        self.undelivered = self.undelivered * fade + undelivered
        if self.state == HALF_OPEN:
            self._probe_good += heard.answered - before.answered - wrong + refused
            self._probe_bad += wrong - refused + heard.unanswered - before.unanswered
        word = self._word(heard.up, now_s)
        return self._hear(word, now_s) if word else None

    def _word(self, up: bool, now_s: float) -> str:
        if self.state == CLOSED:
            return FAILING if self.score < SCORE_MIN else ""
        if self.state == OPEN:
            return DUE if up and now_s - self.since_s >= self.pause_s else ""
        if self._probe_bad or (self._probed > self._probe_good and now_s - self._probe_s > PROBE_S_MAX):
            return FAILED
        return PASSED if self._probe_good >= PROBES else ""

    def _hear(self, word: str, now_s: float) -> str | None:
        state = STATES.get((self.state, word))
        if state is None:
            return None
        self.state, self.since_s = state, now_s
        if state == OPEN:
            self.falls += 1
        elif state == HALF_OPEN:
            self._probed = self._probe_good = self._probe_bad = 0
        else:
            # What it did before the fall is paid for.
            self.falls = 0
            self.good = self.bad = self.delivered = self.undelivered = self.waited_s = self.answers = 0.0
        return state

    def shown(self) -> dict[str, object]:
        """For `state` and the console."""
        receipts = self.delivered + self.undelivered
        return {
            "state": self.state,
            "score": round(self.score, 3),
            "answer_ms": round(self.answer_s * 1000, 1),
            "bad_share": round(self.bad / (self.good + self.bad), 3) if self.good + self.bad >= 1 else 0.0,
            "delivered_share": round(self.delivered / receipts, 3) if receipts >= 1 else None,
            "probes_left": self.probes_left() if self.state == HALF_OPEN else None,
            "pause_s": self.pause_s if self.state == OPEN else None,
        }


class Health:
    """Every link's; links appear as they are asked for."""

    def __init__(self) -> None:
        self.links: dict[str, LinkHealth] = {}
        self._at_s = -EACH_S

    def of(self, name: str) -> LinkHealth:
        found = self.links.get(name)
        if found is None:
            found = self.links[name] = LinkHealth()
        return found

    def due(self, now_s: float) -> bool:
        """Whether it is time to look at the counters again."""
        if now_s - self._at_s < EACH_S:
            return False
        self._at_s = now_s
        return True


def picture() -> list[str]:
    """The state table as the page shows it, drawn from STATES."""
    heard = (FAILING, DUE, PASSED, FAILED)
    lines = ["| state | " + " | ".join(heard) + " |", "|---|" + "---|" * len(heard)]
    for state in (CLOSED, OPEN, HALF_OPEN):
        lines.append(f"| {state} | " + " | ".join(STATES.get((state, word), "") for word in heard) + " |")
    return [line.replace("|  |", "| |").replace("|  |", "| |") for line in lines]
