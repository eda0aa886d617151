"""How long a sign-in waits after failures: pure decisions, with the time passed in.

Three subjects are counted. The pair of person and address waits soon and long: that is one guesser at one desk. The person
alone (guesses from many addresses) and the address alone (guesses at many people) wait only after many failures and never
for long, and neither holds up a *familiar* pair, that is a person at an address they signed in from before: nobody locks
out others by guessing wrong. At the SMPP door the person is an account's system_id.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

FORGET_MS: Final = 24 * 3_600_000  # failures count no longer
FAMILIAR_MS: Final = 30 * 24 * 3_600_000
SUBJECTS_MAX: Final = 20_000  # rows; the oldest go first


@dataclass(frozen=True)
class Rule:
    """`free` failures cost nothing; each further one doubles the pause from `first_s` up to `longest_s`."""

    free: int
    first_s: int
    longest_s: int


RULES: Final[dict[str, Rule]] = {
    "pair": Rule(free=3, first_s=2, longest_s=900),
    "person": Rule(free=20, first_s=2, longest_s=60),
    "address": Rule(free=30, first_s=2, longest_s=300),
}


@dataclass(frozen=True)
class Count:
    """What is known of one subject."""

    failures: int = 0
    last_ms: int = 0
    until_ms: int = 0


def address_of(remote: str) -> str:
    """The address as it is counted: IPv4 whole, IPv6 by its /64 since one machine owns all of it."""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def subjects(name: str, address: str, place: str = "") -> dict[str, str]:
    """The three subjects of one attempt: kind -> key. What happens at one `place` counts for nothing at another."""
    folded = name.strip().casefold()[:64]
    pair, person = f"{place}pair|{folded}|{address}", f"{place}person|{folded}"
    return {"pair": pair, "person": person, "address": f"{place}address|{address}"}


def wait_ms(counts: dict[str, Count], familiar: bool, at_ms: int) -> int:
    """Milliseconds until the next attempt is looked at; 0: now."""
    kinds = ("pair",) if familiar else RULES
    return max(0, *(counts[kind].until_ms - at_ms for kind in kinds if kind in counts), 0)


def failed(kind: str, count: Count, at_ms: int) -> Count:
    """The count after one more failure."""
    failures = 1 if at_ms - count.last_ms > FORGET_MS else count.failures + 1
    rule = RULES[kind]
    over = failures - rule.free
    pause_s = 0 if over <= 0 else min(rule.longest_s, rule.first_s << min(over - 1, 20))
    return Count(failures, at_ms, at_ms + pause_s * 1000)
