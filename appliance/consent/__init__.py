"""Consent: who asked to be left alone, in which programme, by what word or whose decision; and whether a message may go out."""

from .book import EVERY, SOURCES, Book, Decided, Review
from .forgetting import forget_number, reviews_of
from .keywords import REVIEW, Decision, Keywords, folded
from .listed import PURPOSE, Listed, Refused, bring_in, number_of, read, row_of, write_out
from .lists import ACTIONS, HELP, LISTS, START, STOP, STOP_ALL
from .policy import ALL_NAME, Consent
from .quiet import Quiet, Wait
from .suppressed import Suppressed
from .watch import ConsentWatch

__all__ = [
    "ACTIONS",
    "ALL_NAME",
    "EVERY",
    "HELP",
    "LISTS",
    "PURPOSE",
    "REVIEW",
    "SOURCES",
    "START",
    "STOP",
    "STOP_ALL",
    "Book",
    "Consent",
    "ConsentWatch",
    "Decided",
    "Decision",
    "Keywords",
    "Listed",
    "Quiet",
    "Refused",
    "Review",
    "Suppressed",
    "Wait",
    "bring_in",
    "folded",
    "forget_number",
    "number_of",
    "read",
    "reviews_of",
    "row_of",
    "write_out",
]  # fmt: skip
