"""What a seed draws: the box's settings, how its operators behave, what goes wrong and when. Nothing else is left to chance elsewhere.

Each kind of trouble is in some seeds only, so that what hides behind another is found too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

HOUR_S: Final = 3_600.0
DAY_MS: Final = 86_400_000
RECEIPTS_FROM: Final = 500_000  # the first seed that draws receipts of every kind
POLICIES: Final = ("resend", "hold", "report")
FAILING_FROM: Final = 3_000_000  # the first that draws long commits that fail under load


@dataclass
class Plan:
    """One run."""

    seed: int
    base_ms: int = 0  # the wall clock at the beginning
    active_s: float = 12.0  # so long there is trouble and new messages; then everything heals
    links: list[dict[str, Any]] = field(default_factory=list)
    operators: list[dict[str, Any]] = field(default_factory=list)
    policies: tuple[str, ...] = ("resend", "hold", "hold", "hold")
    batches: int = 8
    batch_most: int = 8
    gateways: int = 2
    crashes: list[tuple[float, str]] = field(default_factory=list)  # (after so long, "power" | "kill" | "term")
    strikes: list[tuple[float, str, int]] = field(default_factory=list)  # the same at the n-th disk step from then on
    disk: list[tuple[float, float, str]] = field(default_factory=list)  # from, for how long: full, sync, slow
    network: list[tuple[float, str, int, float]] = field(default_factory=list)  # when, what, which operator, how long
    others: list[tuple[float, float, str]] = field(default_factory=list)  # keys, auditor, courier, door: away
    clock: list[tuple[float, int]] = field(default_factory=list)  # when, by how many ms the wall clock is set
    acts: int = 0
    stops: int = 0
    queue_messages: int = 100_000
    queue_page: int = 10_000
    job_s: tuple[float, float] = (0.0002, 0.006)
    torn: float = 0.1
    short_lives: float = 0.0  # share of messages whose validity ends soon
    scheduled: float = 0.0
    long: float = 0.2
    wal_pages: int = 4_000  # of a store's log between two checkpoints
    pending_batches: int = 256
    letters: int = 0  # texts of customers, some in parts
    drains: list[tuple[float, int, float]] = field(default_factory=list)  # when, which link, for how long
    own_clock: bool = False  # operators' clocks are right, whatever the box's is set to
    alike: bool = False  # texts begin alike
    customers: int = 8

    def told(self) -> list[str]:
        """The plan as lines for people."""
        return [f"{name} = {value!r}" for name, value in vars(self).items()]


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    chance = Random(seed)
    plan = Plan(seed)
    day = 20_000 + chance.randrange(700)
    plan.base_ms = day * DAY_MS + chance.randrange(DAY_MS - 600_000)
    if chance.random() < 0.15:
        plan.base_ms = (day + 1) * DAY_MS - chance.randrange(1_000, 30_000)  # midnight comes
    plan.active_s = chance.choice((4.0, 8.0, 8.0, 15.0))
    plan.policies = tuple(chance.choice(POLICIES) for _ in range(4))
    plan.batches = chance.choice((4, 8, 16))
    plan.batch_most = chance.choice((1, 5, 12))
    plan.gateways = chance.choice((1, 2, 3))
    plan.long = chance.choice((0.0, 0.2, 0.5))
    for n in range(chance.choice((1, 1, 2))):
        plan.links.append(_link(chance, n))
        plan.operators.append(_operator(chance, n, plan.links[-1]))
    if chance.random() < 0.3:
        plan.queue_messages, plan.queue_page = chance.choice(((20, 10), (6, 3)))
    if chance.random() < 0.3:
        plan.job_s = chance.choice(((0.02, 0.3), (0.0, 0.05)))
    plan.torn = chance.choice((0.0, 0.1, 0.6))
    if chance.random() < 0.3:
        plan.short_lives = 0.4
    if chance.random() < 0.3:
        plan.scheduled = 0.4
    _trouble(chance, plan)
    if chance.random() < 0.35:
        plan.acts = chance.randrange(2, 15)
    if chance.random() < 0.25:
        plan.stops = chance.randrange(1, 4)
    _more(Random(seed * 7 + 9), plan)
    if seed >= RECEIPTS_FROM:
        _receipts(Random(seed * 7 + 10), plan)
    if seed >= FAILING_FROM:
        _failing(Random(seed * 7 + 11), plan)
    return plan


def _failing(chance: Random, plan: Plan) -> None:
    """Commits that take long, under load, and fail: what is decided meanwhile must become part of what is tried again."""
    if chance.random() < 0.5:
        return
    plan.job_s = chance.choice(((0.02, 0.3), (0.05, 0.15)))
    plan.gateways, plan.batches = 3, 16
    for _ in range(chance.choice((2, 4, 8))):
        what = chance.choice(("sync", "sync", "sync", "full"))
        plan.disk.append((chance.uniform(0.3, plan.active_s), chance.uniform(0.05, 0.6), what))


def _more(chance: Random, plan: Plan) -> None:
    """What came later, from a stream of its own: what the others draw stays as it was."""
    if chance.random() < 0.6:
        plan.wal_pages = chance.choice((4, 20, 100))
    if chance.random() < 0.1:
        plan.pending_batches = 1
    if chance.random() < 0.3:
        plan.letters = chance.randrange(1, 8)
    if chance.random() < 0.15:
        plan.drains.append(
            (chance.uniform(0.2, plan.active_s), chance.randrange(len(plan.links)), chance.uniform(0.5, 4))
        )
    for link, operator in zip(plan.links, plan.operators, strict=True):
        if chance.random() < 0.15:
            link["more_hosts"] = [f"{link['name']}b.example:2775"]
        if chance.random() < 0.1:
            link["long_message"] = "payload"
        if chance.random() < 0.1:
            link["query_sm"] = True
        if chance.random() < 0.15:
            operator["id_form"] = chance.choice(("hex", "uuid", "text"))


def _receipts(chance: Random, plan: Plan) -> None:
    """Receipts of every kind, and what makes it hard to say whose one is. Only from a number on: named seeds stay what they were."""
    plan.own_clock = chance.random() < 0.5
    plan.alike = chance.random() < 0.4
    plan.customers = chance.choice((3, 3, 8))
    for link, operator in zip(plan.links, plan.operators, strict=True):
        if chance.random() < 0.6:
            operator["receipt_format"] = chance.choice(("text", "short", "sloppy", "payload", "csv"))
            operator["receipt_reference"] = "no"
        if operator["receipt_format"] == "csv":
            link["receipt_format"] = "csv"
        if chance.random() < 0.5:
            operator["fail_rate"] = 0.5


def _link(chance: Random, n: int) -> dict[str, Any]:
    link: dict[str, Any] = {
        "name": f"op{n}",
        "host": f"op{n}.example",
        "system_id": "bank",
        "window": chance.choice((1, 3, 10, 100)),
        "binds": chance.choice((1, 1, 2)),
        "bind": chance.choice(("transceiver", "transceiver", "pair")),
        "response_s": chance.choice((1.0, 3.0)),
        "enquire_s": chance.choice((1.0, 5.0)),
        "reconnect_s_min": 0.1,
        "reconnect_s_max": 2.0,
        "already_bound_s": 1.0,
        "throttle_policy": chance.choice(("pause", "pause", "delay", "stop")),
        "throttle_pause_s_max": 3.0,
        "throttle_recover_s": 2.0,
        "receipts_s": chance.choice((0.0, 8.0)),
        "user_message_reference": chance.random() < 0.5,
        "long_message": chance.choice(("udh", "udh", "sar")),
    }
    if chance.random() < 0.35:
        link["pace"] = chance.choice((5.0, 20.0, 100.0))
    if chance.random() < 0.2:
        link[f"pace_{chance.choice(('otp', 'alert', 'transaction', 'bulk'))}"] = chance.choice((3.0, 20.0))
    if chance.random() < 0.15:
        link["pace_sender"] = chance.choice((3.0, 20.0))
    return link


def _operator(chance: Random, n: int, link: dict[str, Any]) -> dict[str, Any]:
    def some(share: float, *values: Any) -> Any:
        return chance.choice(values) if chance.random() < share else 0

    told: dict[str, Any] = {
        "seed": chance.randrange(1 << 30),
        "latency_ms": chance.choice(("0", "2..40", "lognormal:20..400")),
        "receipt_delay_ms": chance.choice(("0..20", "50..300", "200..4000")),
        "receipt_format": chance.choice(("both", "text", "tlv")),
        "receipt_reference": "yes" if link["user_message_reference"] and chance.random() < 0.7 else "no",
        "receipt_window": chance.choice((1, 5, 1_000)),
        "bound_after_drop_s": float(some(0.2, 0.5, 1.5)),
        "binds_most": some(0.1, 4),
        "drop_after": some(0.15, 7, 40),
        "unbind_after": some(0.15, 9, 30),
        "throttle_above": some(0.15, 10, 40),
        "answers_per_s": some(0.1, 20, 100),
    }
    for name, share, values in (
        ("throttle_rate", 0.25, (0.05, 0.3)),
        ("queue_full_rate", 0.15, (0.05, 0.2)),
        ("refuse_rate", 0.2, (0.02, 0.2)),
        ("nack_rate", 0.1, (0.02, 0.1)),
        ("fail_rate", 0.3, (0.1, 0.5)),
        ("no_answer_rate", 0.25, (0.01, 0.1)),
        ("drop_rate", 0.2, (0.01, 0.1)),
        ("bind_refusal_rate", 0.15, (0.2, 0.6)),
        ("disorder_rate", 0.3, (0.3, 1.0)),
        ("duplicate_rate", 0.2, (0.05, 0.5)),
        ("alien_rate", 0.15, (0.05, 0.3)),
        ("garbage_rate", 0.15, (0.02, 0.2)),
        ("receipt_before_answer_rate", 0.3, (0.2, 1.0)),
        ("receipt_twice_rate", 0.3, (0.1, 1.0)),
        ("intermediate_rate", 0.2, (0.1, 1.0)),
    ):
        told[name] = float(some(share, *values))
    if chance.random() < 0.15:
        told |= {"storm_every_s": 4.0, "storm_s": chance.choice((0.5, 2.0))}
    if chance.random() < 0.15:
        told |= {"silent_every_s": 6.0, "silent_s": chance.choice((1.0, 4.0))}
    return told


def _trouble(chance: Random, plan: Plan) -> None:
    span = plan.active_s
    if chance.random() < 0.6:
        for _ in range(chance.choice((1, 1, 2, 3))):
            plan.crashes.append((chance.uniform(0.3, span), chance.choice(("power", "power", "kill", "term"))))
    if chance.random() < 0.5:
        for _ in range(chance.choice((1, 1, 2))):
            strike = (chance.uniform(0.0, span), chance.choice(("power", "power", "kill")), chance.randrange(1, 400))
            plan.strikes.append(strike)
    if chance.random() < 0.3:
        for _ in range(chance.choice((1, 2))):
            what = chance.choice(("full", "full", "sync", "slow"))
            plan.disk.append((chance.uniform(0.5, span), chance.uniform(0.3, 4.0), what))
    if chance.random() < 0.5:
        for _ in range(chance.choice((1, 2, 4))):
            what = chance.choice(("cut", "cut", "lost", "dark", "closed", "slow"))
            which = chance.randrange(len(plan.operators))
            plan.network.append((chance.uniform(0.2, span), what, which, chance.uniform(0.5, 5.0)))
    if chance.random() < 0.25:
        for _ in range(chance.choice((1, 2))):
            who = chance.choice(("keys", "auditor", "courier", "door"))
            plan.others.append((chance.uniform(0.0, span), chance.uniform(0.5, 5.0), who))
    if chance.random() < 0.15:
        for _ in range(chance.choice((1, 2))):
            by = chance.choice((-5_000, 5_000, -600_000, 600_000, 3_600_000, -3_600_000, 90_000_000))
            plan.clock.append((chance.uniform(0.5, span), by))
