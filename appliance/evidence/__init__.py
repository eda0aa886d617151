"""Evidence: by which rule each message was let through, what the rules refused, and all of it in one archive for an officer."""

from .archive import bind, checked, write
from .basis import basis_of, read_basis
from .book import EvidenceBook, Refusals
from .explaining import Facts, Ruling, explained
from .policy import Policy
from .watch import EvidenceWatch

__all__ = [
    "EvidenceBook",
    "EvidenceWatch",
    "Facts",
    "Policy",
    "Refusals",
    "Ruling",
    "basis_of",
    "bind",
    "checked",
    "explained",
    "read_basis",
    "write",
]  # fmt: skip
