"""HOT: which parked receipt is whose, told by what it says beside an id that nobody knows. Pure; exactly one or nobody, never a guess.

A receipt fits a segment by the user_message_reference that the link sent; without one by sender and the beginning of the
text; in a form that has no ids, or where it says neither, by sender and the minute of acceptance. Number and link are the same already. Every segment
that still has no receipt is asked, also those that are under way or were answered: what two could mean, none gets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from appliance import limits
from appliance.message import INDETERMINATE, SENT
from appliance.store import Candidate, Claim

from .waiting import reference_of

TEXT_CHARACTERS_MIN: Final = 8  # a shorter beginning fits too many texts, unless it is the whole text
TEXT_CHARACTERS_MAX: Final = 20  # of a receipt's text (SMPP 3.4 Appendix B) that count
ACCEPTED_MS: Final = 60_000  # both clocks tell minutes

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


def fits(
    claims: list[Claim],
    candidates: list[Candidate],
    senders: dict[int, frozenset[str]],
    texts: dict[tuple[int, int], str],
    digest: Callable[[str], bytes],
    referenced: bool,
    others: list[tuple[int, int]] = [],  # noqa: B006 - never changed
) -> list[Fit]:
    """The pairs that belong together and to nobody else.

    `senders`: by position in `candidates`, every form its sender may have on the link. `texts`: by (day, key), the plain
    text of a segment. `digest`: keyed, as in `Claim.text_index`. `referenced`: the link sends references.
    `others`: from when until when operators may have taken copies of messages to the number that were sent again since: what was taken in
    such a time is nobody's.
    """
    told = [_of(claim, candidates, senders, texts, digest, referenced) for claim in claims]
    for n, (claim, (_, how)) in enumerate(zip(claims, told, strict=True)):
        at_ms = claim.accepted_ms or 0
        if how == "time" and any(since - ACCEPTED_MS <= at_ms <= until + ACCEPTED_MS for since, until in others):
            told[n] = [], how
    meant: dict[tuple[int, int], int] = {}
    for places, _ in told:
        for place in places:
            where = (candidates[place].day, candidates[place].key)
            meant[where] = meant.get(where, 0) + 1
    out = []
    for claim, (places, how) in zip(claims, told, strict=True):
        if len(places) != 1:
            continue
        candidate = candidates[places[0]]
        open_ = candidate.status == INDETERMINATE or (claim.nameless and candidate.status == SENT)
        if open_ and meant[candidate.day, candidate.key] == 1:
            out.append(Fit(claim, candidate, how))
    return out


def _taken_then(candidate: Candidate, accepted_ms: int) -> bool:
    """Whether a segment may be one that its operator says to have taken at a time: not before it left, nor long after its bind was lost.

    Those that were answered are asked, too: an operator whose ids differ between answers and receipts is not known for it at once.
    """
    until_ms = candidate.lost_ms if candidate.lost_ms is not None else accepted_ms
    return candidate.submitted_ms - ACCEPTED_MS <= accepted_ms <= until_ms + ACCEPTED_MS


def _of(
    claim: Claim,
    candidates: list[Candidate],
    senders: dict[int, frozenset[str]],
    texts: dict[tuple[int, int], str],
    digest: Callable[[str], bytes],
    referenced: bool,
) -> tuple[list[int], str]:
    """Positions of the segments that a receipt fits, and by what."""
    timely = [
        n
        for n, c in enumerate(candidates)
        if c.submitted_ms - limits.CLOCK_BACK_S_MAX * 1_000
        <= claim.at_ms
        <= c.expires_ms + limits.PARKED_RECEIPT_S * 1_000
    ]
    if referenced and claim.reference is not None:
        fit = [n for n in timely if reference_of(candidates[n].message_id, candidates[n].key & 255) == claim.reference]
        return fit, "reference"
    if claim.sender is None:
        return [], ""
    timely = [n for n in timely if claim.sender in senders[n]]
    if claim.nameless:
        accepted_ms = claim.accepted_ms or 0
        return [n for n in timely if abs(candidates[n].submitted_ms - accepted_ms) <= ACCEPTED_MS], "time"
    if claim.accepted_ms is not None:
        return [n for n in timely if _taken_then(candidates[n], claim.accepted_ms)], "time"
    if not claim.text_length or claim.text_index is None:
        return [], ""
    out = []
    for n in timely:
        text = texts.get((candidates[n].day, candidates[n].key), "")
        whole = len(text) == claim.text_length
        if not whole and (claim.text_length < TEXT_CHARACTERS_MIN or len(text) < claim.text_length):
            continue
        if digest(text[: claim.text_length]) == claim.text_index:
            out.append(n)
    return out, "text"
