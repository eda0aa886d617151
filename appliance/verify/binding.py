"""What a code belongs to: number, purpose, payee, amount and currency, in one canonical form; and the MACs over it. Pure.

Dynamic linking, Delegated Regulation (EU) 2018/389 article 5: a code is accepted for the payee and amount that the payer was
shown, and for nothing else. Only keyed MACs are kept, so that a stored row says neither code nor payee nor amount.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from appliance.errors import Error
from appliance.limits import PAYEE_CHARACTERS_MAX
from appliance.templates import CURRENCIES, decimals_of

AMOUNT: Final = r"^[0-9]{1,15}(\.[0-9]{1,8})?$"
CURRENCY: Final = "^[A-Z]{3}$"
_AMOUNT: Final = re.compile(AMOUNT, re.ASCII)


class Payment(NamedTuple):
    """Canonical: payee in NFC, amount without needless zeros. Three empty strings are no payment."""

    payee: str = ""
    amount: str = ""
    currency: str = ""


NONE: Final = Payment()


#: Between the payees of a batch: no payee has it in its name.
BATCH: Final = "\x1f"


def batch_of(payees: Sequence[str]) -> str:
    """The payees of a batch as one, in any order (article 5(3)(b)): all of them are part of what a code is bound to."""
    return BATCH.join(sorted(unicodedata.normalize("NFC", payee) for payee in payees))


def shown(payee: str) -> str:
    """A payee, or the payees of a batch, as the payer reads them: names as far as they fit, then how many more there are."""
    names = payee.split(BATCH)
    said = ", ".join(names)
    kept = len(names)
    while len(said) > PAYEE_CHARACTERS_MAX and kept > 1:
        kept -= 1
        said = f"{', '.join(names[:kept])} + {len(names) - kept}"
    return said


def canonical(amount: str) -> str:
    """`10`, `10.0`, `010.00` are one amount: `10`. What is no amount stays as it is, and so equals none. No rounding."""
    if not _AMOUNT.fullmatch(amount):
        return amount
    text = f"{Decimal(amount):f}"
    whole, point, rest = text.partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + (point + rest if rest else "")


def presented(payee: str | None, amount: str | None, currency: str | None) -> Payment:
    """What came with a check, to be compared: never refused, it equals what was bound or it does not."""
    return Payment(unicodedata.normalize("NFC", payee or ""), canonical(amount or ""), currency or "")


def payment_of(payee: str | None, amount: str | None, currency: str | None) -> Payment:
    """What a code is to be bound to: payee, amount and currency, or none of them. Raises Error `invalid` naming the field."""
    given = {"payee": payee, "amount": amount, "currency": currency}
    if all(value is None for value in given.values()):
        return NONE
    for name, value in given.items():
        if value is None:
            raise _invalid(name, "is missing", "a payment has `payee`, `amount` and `currency`")
    assert payee is not None and amount is not None and currency is not None
    made = presented(payee, amount, currency)
    for name in made.payee.split(BATCH):
        if not 0 < len(name) <= PAYEE_CHARACTERS_MAX or name != name.strip():
            raise _invalid("payee", f"is not 1 to {PAYEE_CHARACTERS_MAX} characters without blanks around them")
        if any(unicodedata.category(c)[0] in "CZ" and c != " " for c in name):
            raise _invalid("payee", "has a line break or another character that is not seen", "plain blanks only")
    if not _AMOUNT.fullmatch(amount):
        raise _invalid("amount", "is not a decimal string", 'such as "10.00", without sign and separators')
    if currency not in CURRENCIES:
        raise _invalid("currency", "is no currency of ISO 4217", "such as EUR")
    if len(made.amount.partition(".")[2]) > decimals_of(currency):
        raise _invalid("amount", "has more decimals than its currency", "it is not rounded")
    return made


def code_mac(key: bytes, verification: bytes, subject: bytes, purpose: str, payment: Payment, code: str) -> bytes:
    """32 octets: HMAC-SHA256 (RFC 2104) over everything that the code belongs to, each with its length.

    `subject` is the blind index of the number.
    """
    return _mac(key, b"code", verification, subject.hex(), purpose, *payment, code)


def payment_digest(key: bytes, verification: bytes, payment: Payment) -> bytes:
    """32 octets that say which payment was bound to somebody who has the key and the payment; empty for none.

    Keyed, because an amount could be guessed from a plain hash.
    """
    return _mac(key, b"payment", verification, *payment) if payment != NONE else b""


def keyed(key: bytes, what: bytes, value: str) -> bytes:
    """32 octets in place of a value that is to be counted and not to be known."""
    return _mac(key, what, b"", value)


def _mac(key: bytes, what: bytes, verification: bytes, *parts: str) -> bytes:
    octets = [b"casemate verification v1\0", what, b"\0", verification]
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        octets += (len(encoded).to_bytes(4, "big"), encoded)
    return hmac.digest(key, b"".join(octets), "sha256")


def _invalid(field: str, what: str, hint: str = "see /v1/openapi.json") -> Error:
    return Error("invalid", f"`{field}` {what}", hint, field=field)
