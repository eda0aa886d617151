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
from .prefixes import Block, Conversion
from .pumping import WHY, Guard, check_admitted, check_prefix, prefix_of
from .rates import Pace, paces
from .sealed import Kept, aad, packed, unpacked
from .states import REASONS, STATES
from .watch import VerifyWatch, guard_of, limits_of
from .wording import TEXTS, Said, Wording, built_in

__all__ = [
    "AMOUNT",
    "CURRENCY",
    "NONE",
    "REASONS",
    "STATES",
    "TEXTS",
    "UNSENT",
    "WHY",
    "Block",
    "Book",
    "Checked",
    "Conversion",
    "Drawing",
    "Guard",
    "Kept",
    "Pace",
    "Payment",
    "Renewed",
    "Said",
    "Verification",
    "VerifyWatch",
    "Wording",
    "aad",
    "built_in",
    "canonical",
    "check_admitted",
    "check_prefix",
    "check_resend",
    "code_mac",
    "code_of",
    "guard_of",
    "limits_of",
    "not_found",
    "paces",
    "packed",
    "payment_digest",
    "payment_of",
    "prefix_of",
    "presented",
    "unpacked",
]
