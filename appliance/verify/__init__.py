"""Verifications: one-time codes, bound to payee and amount where there is a payment; drawn in the HSM, kept as keyed MACs, used once."""

from .binding import (
    AMOUNT,
    CURRENCY,
    NONE,
    Payment,
    canonical,
    code_mac,
    payment_digest,
    payment_of,
    presented,
)
from .book import UNSENT, Book, Checked, Renewed, Verification, check_resend, not_found
from .codes import Drawing, code_of
from .sealed import Kept, aad, packed, unpacked
from .states import REASONS, STATES
from .watch import VerifyWatch, limits_of
from .wording import TEXTS, Said, Wording, built_in

__all__ = [
    "AMOUNT",
    "CURRENCY",
    "NONE",
    "REASONS",
    "STATES",
    "TEXTS",
    "UNSENT",
    "Book",
    "Checked",
    "Drawing",
    "Kept",
    "Payment",
    "Renewed",
    "Said",
    "Verification",
    "VerifyWatch",
    "Wording",
    "aad",
    "built_in",
    "canonical",
    "check_resend",
    "code_mac",
    "code_of",
    "limits_of",
    "not_found",
    "packed",
    "payment_digest",
    "payment_of",
    "presented",
    "unpacked",
]
