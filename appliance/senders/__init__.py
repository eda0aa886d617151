"""Senders and where they are registered: requested, confirmed, expired, by country; and which countries ask for it."""

from .book import Act, SenderBook
from .campaign import Campaign, campaigns_of, day_of_brand
from .dlt_ids import DltIds
from .register import Register
from .registration import STATES, Details, Registration, check_details, checked_country, checked_sender, day_ms
from .rules import RULES, Rule, rule_of
from .watch import SenderWatch

__all__ = [
    "RULES",
    "STATES",
    "Act",
    "Campaign",
    "Details",
    "DltIds",
    "Register",
    "Registration",
    "Rule",
    "SenderBook",
    "SenderWatch",
    "campaigns_of",
    "check_details",
    "checked_country",
    "checked_sender",
    "day_ms",
    "day_of_brand",
    "rule_of",
]  # fmt: skip
