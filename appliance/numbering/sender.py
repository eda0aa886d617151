"""What a sender is: a name of up to 11 characters, a short code, or a number in E.164 form."""

from __future__ import annotations

from typing import Final

from appliance import limits
from appliance.errors import Error

from .number import normalise

SENDER_KINDS: Final = ("alphanumeric", "short_code", "number")

#: The printable characters of the GSM default alphabet (3GPP TS 23.038 section 6.2.1): those an address field can carry.
PRINTABLE: Final = frozenset(
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def sender_kind(text: str) -> str:
    """One of SENDER_KINDS. A number needs its plus and no separators: handsets show a sender as it was given.

    Raises Error `sender_invalid`.
    """
    if text[:1] == "+":
        try:
            number, _ = normalise(text)
        except Error as e:
            raise Error("sender_invalid", f"as a sender, {e.message}", e.hint) from None
        if number != text:
            raise Error(
                "sender_invalid", "a number as sender is + and digits without anything between", "like +393471234567"
            )
        return "number"
    if text.isascii() and text.isdigit():
        if limits.SHORT_CODE_DIGITS_MIN <= len(text) <= limits.SHORT_CODE_DIGITS_MAX:
            return "short_code"
        raise Error(
            "sender_invalid",
            f"a short code has {limits.SHORT_CODE_DIGITS_MIN} to {limits.SHORT_CODE_DIGITS_MAX} digits",
            "a full number starts with +",
        )
    if not 0 < len(text) <= limits.SENDER_ALPHANUMERIC_MAX:
        raise Error("sender_invalid", f"a sender's name has 1 to {limits.SENDER_ALPHANUMERIC_MAX} characters")
    if not PRINTABLE.issuperset(text) or text != text.strip():
        raise Error(
            "sender_invalid",
            "a sender's name has only characters of the GSM default alphabet and no blank at either end",
            "letters, digits and the space between words are safe on every network",
        )
    return "alphanumeric"
