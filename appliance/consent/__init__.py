"""Consent: who asked to be left alone, in which programme, by what word or whose decision; and whether a message may go out."""

from .book import EVERY, SOURCES, Book, Decided, Review
from .keywords import REVIEW, Decision, Keywords, folded
from .lists import ACTIONS, HELP, LISTS, START, STOP, STOP_ALL
from .policy import ALL_NAME, Consent
from .suppressed import Suppressed
from .watch import ConsentWatch

__all__ = [
    "ACTIONS", "ALL_NAME", "EVERY", "HELP", "LISTS", "REVIEW", "SOURCES", "START", "STOP", "STOP_ALL", "Book", "Consent",
    "ConsentWatch", "Decided", "Decision", "Keywords", "Review", "Suppressed", "folded",
]  # fmt: skip
