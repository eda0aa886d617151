"""What a hostile run proves or disproves, from what the API accepted, what the operator wrote down, and what became of each. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from appliance.message import FINAL, INDETERMINATE, STATUSES

from .numbered import CLASSES, Sent

ENDED: Final = frozenset(STATUSES[s] for s in (*FINAL, INDETERMINATE))
#: Statuses that an operator's refusal of a submit cannot give: the operator took the message.
DELIVERED: Final = "delivered"
SHOWN_MAX: Final = 5  # examples of one fault
RETRY_MS: Final = 900  # between two tries of one message, or it is a hot loop
GROWTH_MIB_MAX: Final = 2.0  # a minute, over a whole run


class Attempt(NamedTuple):
    """One submit as the operator heard it."""

    status: int
    connection: int
    digest: bytes
    at_ms: int


class Verdict(NamedTuple):
    """Counts, and the faults in words: none is a pass."""

    counts: dict[str, int]
    faults: list[str]


def judge(
    sent: Mapping[bytes, Sent],
    statuses: Mapping[str, str],
    journal: Iterable[bytes],
    attempts: Iterable[Attempt],
    was_indeterminate: Callable[[str], bool],
) -> Verdict:
    """`statuses` by id; `journal` the digests of what was accepted, in order; `was_indeterminate` looks at a message's events."""
    faults: list[str] = []
    lost = [each.id for each in sent.values() if statuses.get(each.id) not in ENDED]
    taken: dict[bytes, int] = {}
    alien = 0
    for digest in journal:
        if digest in sent:
            taken[digest] = taken.get(digest, 0) + 1
        else:
            alien += 1
    untold = [s.id for d, s in sent.items() if statuses.get(s.id) == DELIVERED and d not in taken]
    twice = [sent[d].id for d, n in taken.items() if n > 1]
    unexplained = [each for each in twice if not was_indeterminate(each)]
    out_of_order = _out_of_order(sent, attempts := list(attempts))
    disorder = [each for each in out_of_order if not was_indeterminate(each)]
    hot, most = _hot(sent, attempts)
    # A refusal that the operator's drop took with it was never heard: trying again is then the policy of the class.
    hot = [each for each in hot if not was_indeterminate(each)]
    told = (
        ("lost: neither final nor indeterminate", lost),
        ("delivered, but the operator never took it", untold),
        ("taken twice and not on record as indeterminate", unexplained),
        ("out of order in its class and not on record as indeterminate", disorder),
        (f"tried again within {RETRY_MS} ms", hot),
    )
    for what, found in told:
        if found:
            faults.append(f"{len(found):,} {what}: {', '.join(found[:SHOWN_MAX])}")
    counts = {
        "messages accepted": len(sent),
        "submits heard by the operator": len(attempts),
        "segments it took": sum(taken.values()),
        "taken twice, explained": len(twice) - len(unexplained),
        "out of order, explained": len(out_of_order) - len(disorder),
        "indeterminate in the end": sum(1 for s in sent.values() if statuses.get(s.id) == STATUSES[INDETERMINATE]),
        "delivered": sum(1 for s in sent.values() if statuses.get(s.id) == DELIVERED),
        "most tries of one message": most,
        "taken, of calls without an answer": alien,
    }
    return Verdict(counts, faults)


def _out_of_order(sent: Mapping[bytes, Sent], attempts: Iterable[Attempt]) -> list[str]:
    """Messages whose first try came after that of a later one of their lane and class."""
    newest: dict[tuple[int, int], int] = {}
    seen: set[bytes] = set()
    out = []
    for attempt in attempts:
        found = sent.get(attempt.digest)
        if found is None or attempt.digest in seen:
            continue
        seen.add(attempt.digest)
        key = (found.lane, found.class_)
        if found.number < newest.get(key, 0):
            out.append(found.id)
        else:
            newest[key] = found.number
    return out


def _hot(sent: Mapping[bytes, Sent], attempts: Iterable[Attempt]) -> tuple[list[str], int]:
    """Messages that were tried again at once after a refusal, and the most tries that one had."""
    last: dict[bytes, Attempt] = {}
    tries: dict[bytes, int] = {}
    hot = []
    for attempt in attempts:
        before = last.get(attempt.digest)
        if before is not None and before.status and attempt.at_ms - before.at_ms < RETRY_MS and attempt.digest in sent:
            hot.append(sent[attempt.digest].id)
        last[attempt.digest] = attempt
        tries[attempt.digest] = tries.get(attempt.digest, 0) + 1
    return hot, max(tries.values(), default=0)


def growth_mib(rss: list[tuple[float, int]]) -> float:
    """MiB a minute, by least squares over (second, octets); 0 for less than a minute, in which nothing can be said."""
    if len(rss) < 2 or rss[-1][0] - rss[0][0] < 60:
        return 0.0
    slope, _ = statistics.linear_regression([at for at, _ in rss], [octets / 2**20 for _, octets in rss])
    return slope * 60


def page(told: dict[str, Any]) -> str:
    """The table for a person."""
    lines = [
        f"{told['seconds']:.0f} s against a hostile operator, {told['per_second']:,.0f} messages accepted a second",
        "",
    ]
    lines += [f"  {name:<42}{count:>12,}" for name, count in told["counts"].items()]
    lines += ["", "what the operator did"]
    lines += [f"  {name:<42}{count:>12,}" for name, count in told["operator"].items() if count]
    memory = told["engine_rss_mib"]
    lines += [
        "",
        f"engine memory {memory['start']:.1f} MiB at the start, {memory['end']:.1f} at the end, {memory['growth']:+.2f} a minute",
    ]
    lines += [
        "",
        *(
            [f"FAULT {each}" for each in told["faults"]]
            or ["no fault: order kept, nothing lost, nothing twice without a reason"]
        ),
    ]
    return "\n".join(lines)


__all__ = ["CLASSES", "Attempt", "Verdict", "growth_mib", "judge", "page"]
