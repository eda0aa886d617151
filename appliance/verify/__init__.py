"""Verifications: one-time codes, bound to payee and amount where there is a payment; drawn in the HSM, kept as keyed MACs, used once."""

from .binding import (
    AMOUNT,
    CURRENCY,
    NONE,
    Payment,
    batch_of,
    canonical,
    code_mac,
    keyed,
    payment_digest,
    payment_of,
    presented,
)
from .book import UNSENT, Book, Checked, Renewed, Verification, check_resend, not_found
from .codes import Drawing, code_of
from .dispute import ENTRIES_MAX, digest, files, record
from .elements import element
from .exemption_rules import (
    KINDS,
    RISKS,
    Asked,
    Counters,
    Rate,
    articles,
    best,
    cents_of,
    quarter_before,
    quarter_of,
)
from .flows import ended_of_runs, told_to_runs
from .forgetting import forget_subject, verifications_of
from .handing import Handing, Left, Letter, letter_aad, letter_packed, letter_unpacked
from .number_check import UNKNOWN, Told, check_of, check_told
from .number_check import detail as check_detail
from .payers import Payers
from .prefixes import BLOCK_HOURS_MAX, Block, Conversion, by_person
from .pumping import WHY, Guard, check_admitted, check_prefix, prefix_of
from .rates import Pace, paces
from .resealing import reseal
from .sealed import Kept, KeptWay, aad, packed, unpacked
from .states import REASONS, STATES
from .watch import VerifyWatch, guard_of, limits_of
from .wording import TEXTS, Said, Wording, built_in

__all__ = [
    "AMOUNT",
    "BLOCK_HOURS_MAX",
    "CURRENCY",
    "ENTRIES_MAX",
    "KINDS",
    "NONE",
    "REASONS",
    "RISKS",
    "STATES",
    "TEXTS",
    "UNKNOWN",
    "UNSENT",
    "WHY",
    "Asked",
    "Block",
    "Book",
    "Checked",
    "Conversion",
    "Counters",
    "Drawing",
    "Guard",
    "Handing",
    "Kept",
    "KeptWay",
    "Left",
    "Letter",
    "Pace",
    "Payers",
    "Payment",
    "Rate",
    "Renewed",
    "Said",
    "Told",
    "Verification",
    "VerifyWatch",
    "Wording",
    "aad",
    "articles",
    "batch_of",
    "best",
    "built_in",
    "by_person",
    "canonical",
    "cents_of",
    "check_admitted",
    "check_detail",
    "check_of",
    "check_prefix",
    "check_resend",
    "check_told",
    "code_mac",
    "code_of",
    "digest",
    "element",
    "ended_of_runs",
    "files",
    "forget_subject",
    "guard_of",
    "keyed",
    "letter_aad",
    "letter_packed",
    "letter_unpacked",
    "limits_of",
    "not_found",
    "paces",
    "packed",
    "payment_digest",
    "payment_of",
    "prefix_of",
    "presented",
    "quarter_before",
    "quarter_of",
    "record",
    "reseal",
    "told_to_runs",
    "unpacked",
    "verifications_of",
]
