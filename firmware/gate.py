"""Whether a release that was just started is well: what it is asked, and when the answer is final. Pure: facts and times in, a word out.

The gate runs once a start, before `boot-complete.target`. BLESS takes the counter off the entry; FAIL restarts the machine, and
the boot loader, whose counter went down before this start, ends up at the release before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Check -> (what it means, whether a box may do without it: one without links, or whose links were all down before, is not a bad release).
CHECKS: Final[dict[str, tuple[str, bool]]] = {
    "keys": ("the keys process holds the HSM's keys", False),
    "audit": ("the audit log records and signs", False),
    "engine": ("the engine is ready and its store takes writes", False),
    "api": ("the gateway says that it is ready", False),
    "schema": ("every store opens with this release's schema", False),
    "link": ("an operator link is bound", True),
    "loopback": ("a message to the box itself was accepted, sealed, queued and read back", False),
}
WAIT: Final = "wait"
BLESS: Final = "bless"
FAIL: Final = "fail"
STEADY_S: Final = 60.0  # so long everything has to stay well: a process that dies after a minute is not well
WITHIN_S: Final = 600.0  # by then it has to be


def wanted(links_before: int) -> frozenset[str]:
    """The checks that count: links only when the release before had one bound at its end, so that an operator's outage blames nobody."""
    return frozenset(name for name, (_, spared) in CHECKS.items() if not spared or links_before > 0)


def decided(facts: Mapping[str, bool], needed: frozenset[str], up_s: float, well_s: float, sealed: bool = False) -> str:
    """`up_s` since the gate began, or since people opened the token; `well_s` since when all of `needed` has been true without a break.
    `sealed`: the token waits for its people, and their way to the box says nothing about a release."""
    if sealed:
        return WAIT
    well = all(facts.get(name, False) for name in needed)
    if well and well_s >= STEADY_S:
        return BLESS
    if up_s >= WITHIN_S and not well:
        return FAIL
    if up_s >= WITHIN_S + STEADY_S:
        return FAIL  # it was well now and then, never long enough
    return WAIT


def missing(facts: Mapping[str, bool], needed: frozenset[str]) -> list[str]:
    """What is not well, in the order of CHECKS."""
    return [name for name in CHECKS if name in needed and not facts.get(name, False)]
