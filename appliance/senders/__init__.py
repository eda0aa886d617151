"""Senders and where they are registered: requested, confirmed, expired, by country; and which countries ask for it."""

from .book import Act, SenderBook
from .register import Register
from .registration import STATES, Details, Registration, check_details, checked_country, checked_sender, day_ms
from .rules import RULES, Rule, rule_of
from .watch import SenderWatch

__all__ = [
    "RULES", "STATES", "Act", "Details", "Register", "Registration", "Rule", "SenderBook", "SenderWatch",
    "check_details", "checked_country", "checked_sender", "day_ms", "rule_of",
]  # fmt: skip
