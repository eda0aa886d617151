"""What a template of one-time codes must say: `verify.PURPOSE` names the code, and for a payment both payee and amount, whoever reads it. Pure.

Delegated Regulation (EU) 2018/389 article 5(1)(a): the payer is made aware of the amount and of the payee.
"""

from __future__ import annotations

from typing import Final

from appliance.errors import Error

from .pattern import MONEY, NUMBER, STRING

PREFIX: Final = "verify."
#: Purposes whose templates must be payments': `verify.payment`, `verify.payment-abroad`.
PAYMENT: Final = "verify.payment"
KINDS: Final = {"code": STRING, "minutes": NUMBER, "payee": STRING, "amount": MONEY}


def check_code(name: str, kinds: dict[str, str], shown: dict[str, frozenset[str]]) -> None:
    """`shown`: by locale, the parameters that stand in the text whatever they are. Raises Error `template_invalid`."""
    if not name.startswith(PREFIX):
        return
    for parameter, kind in kinds.items():
        if KINDS.get(parameter) != kind:
            raise Error(
                "template_invalid",
                f"the parameter {parameter} is none of a one-time code's, or of another type",
                "{code}, {minutes, number}, {payee}, {amount, number, currency}",
            )
    payment = name.startswith(PAYMENT) or "payee" in kinds or "amount" in kinds
    for tag, names in shown.items():
        for parameter in ("code", "payee", "amount") if payment else ("code",):
            if parameter not in names:
                raise Error(
                    "template_invalid",
                    f"{tag[:32]}: the text does not always name the {parameter}",
                    "a payment's text names {code}, {payee} and {amount, number, currency}, outside of any choice",
                    locale=tag[:32],
                )
