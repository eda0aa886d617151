"""Intake: what every face that takes messages shares. Rows to sealed columns, many requests to one batch, rates, the day's keys."""

from .accepted import Accepted, Rejected
from .funnel import CONFLICT, Funnel
from .intake import CLASS, Intake, check_kept, empty_batch, no_route, quiet_hours, scheduled_ms
from .peers import LOOK_S_MAX, Caller, Peers
from .portability import Portability
from .rate import Rates
from .refusals import Pauses, Refusals
from .row import Row
from .sealing import Key, Ring, Sealing, Seals
from .spread import Spread, carried, least_urgent

__all__ = [
    "CLASS",
    "CONFLICT",
    "LOOK_S_MAX",
    "Accepted",
    "Caller",
    "Funnel",
    "Intake",
    "Key",
    "Pauses",
    "Peers",
    "Portability",
    "Rates",
    "Refusals",
    "Rejected",
    "Ring",
    "Row",
    "Sealing",
    "Seals",
    "Spread",
    "carried",
    "check_kept",
    "empty_batch",
    "least_urgent",
    "no_route",
    "quiet_hours",
    "scheduled_ms",
]  # fmt: skip
