"""What the door counts; the gateway's `/metrics` and `casemate status` show it. Nothing of a message is ever in it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from appliance.smpp import status_name


class Numbers:
    """Counts of one door since it started."""

    def __init__(self) -> None:
        self.connections = 0  # open now
        self.binds: Counter[str] = Counter()  # kind -> standing now
        self.bound = 0  # binds accepted, ever
        self.accepted = 0  # messages durable
        self.parts = 0  # parts of long messages durable
        self.expired_parts = 0  # parts whose message never became whole
        self.delivered = 0  # deliver_sm answered with ESME_ROK
        self.replaced = 0  # messages that were given another text before they left
        self.refused: Counter[int] = Counter()  # status -> requests answered with it

    def state(self) -> dict[str, Any]:
        """As `state` on the door's socket tells it."""
        return {
            "connections": self.connections,
            "binds": {kind: count for kind, count in self.binds.items() if count},
            "bound": self.bound,
            "accepted": self.accepted,
            "parts": self.parts,
            "expired_parts": self.expired_parts,
            "delivered": self.delivered,
            "replaced": self.replaced,
            "refused": {status_name(status): count for status, count in self.refused.items()},
        }
