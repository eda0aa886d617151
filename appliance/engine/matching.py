"""HOT: which parked receipt is whose, told by what it says beside an id that nobody knows. Pure; exactly one or nobody, never a guess.

A receipt is of one of the copies that left over its link to its number: this is all that is taken for granted. So it is given to a
segment when no other can be meant, and then only if it fits well: the table in the room's README, under *Whose a receipt is*, says
what each sign needs. What is not known of another segment, its text after an erasure, its sender, when it was taken while the clock was
set, counts as if it fitted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from appliance import limits
from appliance.message import DELIVERED, INDETERMINATE, SENT
from appliance.store import SUBMITTED, Candidate, Claim

from .steps import STEADY, Steps
from .waiting import reference_of

TEXT_CHARACTERS_MIN: Final = 8  # a shorter beginning fits too many texts, unless it is the whole text
TEXT_CHARACTERS_MAX: Final = 20  # of a receipt's text (SMPP 3.4 Appendix B) that count
ACCEPTED_MS: Final = 60_000  # both clocks tell minutes
APART_MS: Final = 180_000  # the same and two minutes by which the clocks may differ: of those that may be meant, too
#: So long after its bind was lost an operator may still take what lay in its buffers: it hung, and goes on.
LATE_MS: Final = 3_600_000

ESCAPE: Final = "\x1b"  # and one more: one character of the GSM extension table (3GPP TS 23.038)


class Fit(NamedTuple):
    """A receipt and the only segment it can be of."""

    claim: Claim
    candidate: Candidate
    how: str  # reference, text or time


def plain(text: str) -> str:
    """The ASCII letters and digits of a text in lower case: what is left of it whatever alphabet an operator echoes it in."""
    if ESCAPE in text:
        first, *others = text.split(ESCAPE)
        text = first + "".join(other[1:] for other in others)
    return "".join(c for c in text if c.isascii() and c.isalnum()).lower()


def beginning(text: str) -> str:
    """What of a receipt's text is kept, as a keyed digest, for comparing."""
    return plain(text[:TEXT_CHARACTERS_MAX])


def number_of(heard: str) -> str:
    """A number as heard on a link, with its plus."""
    digits = heard.strip().removeprefix("+")
    return "+" + digits.removeprefix("00")


def sender_of(heard: str) -> str:
    """A sender in a form in which what was sent and what is heard are equal."""
    return number_of(heard)[1:].lower()


class Known(NamedTuple):
    """What is known of the segments that may be meant, beside their rows."""

    #: By position, every form that its sender may have on the link; None: nobody can say.
    senders: list[frozenset[str] | None]
    #: By position, the plain text of the segment; None: it cannot be read.
    texts: list[str | None]
    digest: Callable[[str], bytes]  # keyed, as in `Claim.text_index`
    referenced: bool  # the link sends references
    steps: Steps = STEADY  # how the wall clock was set
    whole: bool = True  # every day can be read; else what is in the others may be meant, too


def fits(claims: list[Claim], candidates: list[Candidate], known: Known) -> list[Fit]:
    """The pairs that belong together and to nobody else."""
    told = [(claim, *_meant(claim, candidates, known)) for claim in claims]
    meant = Counter(place for _, places, _ in told for place in places)
    out: dict[int, Fit] = {}
    for claim, places, how in told:
        if len(places) != 1 or places[0] in out:
            continue
        (place,) = places
        if meant[place] <= 1 + candidates[place].again and _sure(claim, place, candidates[place], how, known):
            out[place] = Fit(claim, candidates[place], how)
    return list(out.values())


def _meant(claim: Claim, candidates: list[Candidate], known: Known) -> tuple[list[int], str]:
    """Positions of the segments that a receipt may be of, and by what it tells."""
    timely = [n for n, c in enumerate(candidates) if _timely(claim, c, known.steps)]
    if known.referenced and claim.reference is not None:
        fit = [n for n in timely if reference_of(candidates[n].message_id, candidates[n].key & 255) == claim.reference]
        return fit, "reference"
    if claim.sender is None or not known.whole:
        return [], ""
    if claim.nameless or claim.accepted_ms is not None:
        return [n for n in timely if _taken_then(candidates[n], claim.accepted_ms or 0, known.steps)], "time"
    if not claim.text_length or claim.text_index is None:
        return [], ""
    return [n for n in timely if _begins(known.texts[n], claim, known.digest)], "text"


def _sure(claim: Claim, place: int, candidate: Candidate, how: str, known: Known) -> bool:
    """Whether a receipt settles the only segment that it may be of."""
    open_ = candidate.status == INDETERMINATE or (claim.nameless and candidate.status == SENT)
    if not open_ or not candidate.here:
        return False
    if candidate.again and claim.status != DELIVERED:
        return False  # one copy of it failed: the other may be with its customer
    if how == "reference":
        return True
    senders = known.senders[place]
    if senders is None or claim.sender not in senders:
        return False
    if how == "text":
        text = known.texts[place]
        length = claim.text_length or 0
        return text is not None and (length == len(text) or length >= TEXT_CHARACTERS_MIN)
    first_ms = _left(candidate)
    last_ms = candidate.lost_ms if candidate.status == INDETERMINATE else candidate.answered_ms
    return last_ms is not None and first_ms - ACCEPTED_MS <= (claim.accepted_ms or 0) <= last_ms + ACCEPTED_MS


def _timely(claim: Claim, candidate: Candidate, steps: Steps) -> bool:
    """Not a receipt that came long before its segment left, or long after its validity."""
    early_ms = _left(candidate) - limits.CLOCK_BACK_S_MAX * 1_000 - steps.by_ms
    return early_ms <= claim.at_ms <= candidate.expires_ms + limits.PARKED_RECEIPT_S * 1_000 + steps.by_ms


def _left(candidate: Candidate) -> int:
    """When the first copy may have left."""
    return min(candidate.accepted_ms, candidate.submitted_ms) if candidate.again else candidate.submitted_ms


def _taken_then(candidate: Candidate, accepted_ms: int, steps: Steps) -> bool:
    """Whether one of its copies may be what an operator says to have taken at a time."""
    apart_ms = APART_MS + steps.by_ms
    if accepted_ms < _left(candidate) - apart_ms:
        return False
    if candidate.status == SUBMITTED:
        return True  # it is under way
    last_ms = candidate.answered_ms
    if candidate.doubted_ms is not None:
        last_ms = max(last_ms or 0, candidate.doubted_ms + LATE_MS)
    return last_ms is None or accepted_ms <= last_ms + apart_ms


def _begins(text: str | None, claim: Claim, digest: Callable[[str], bytes]) -> bool:
    """Whether a segment's text may begin as a receipt says."""
    length = claim.text_length or 0
    return text is None or (len(text) >= length and digest(text[:length]) == claim.text_index)
