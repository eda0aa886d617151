"""One form for a telephone number: `+`, calling code, national number (ITU-T E.164). No error ever repeats the number.

HOT: runs once per message; a number that is already in that form costs one look-up and one match.
"""

from __future__ import annotations

from typing import Final

from appliance import limits
from appliance.errors import Error

from .plan import PLANS, plan_for, without_national_prefix

_SEPARATORS: Final = str.maketrans("", "", " -.()")
TRUNK_DIGITS_MAX: Final = 3  # the longest national prefix that people write after a calling code: Mexico's old 044
_HOW: Final = "write it as + calling code number, like +39 347 123 4567"


def normalise(text: str) -> tuple[str, int]:
    """`("+393471234567", 39)` for "+39 347 123 4567", "0039 347-1234567", "+44 (0) 20 7946 0000" and the like.

    Spaces, dashes, dots and parentheses are dropped, `00` counts as `+`. Raises Error `number_invalid` for anything else:
    letters, digits that are not ASCII, no international form, a calling code nobody has, a number its plan cannot have.
    """
    if text[:1] == "+":
        plan = PLANS.get(text[1:4])
        if plan is not None and plan.plain.match(text):
            return text, plan.code
    return _written_otherwise(text)


def calling_code_of(number: str) -> int:
    """The calling code of `+` and digits, 0 when nobody has it. Does not look at the rest of the number."""
    plan = plan_for(number[1:4]) if number[:1] == "+" else None
    return 0 if plan is None else plan.code


def _written_otherwise(text: str) -> tuple[str, int]:
    if len(text) > limits.NUMBER_CHARACTERS_MAX:
        raise Error("number_invalid", "the number is too long", _HOW)
    number = text.translate(_SEPARATORS)
    if number.startswith("00"):
        number = f"+{number[2:]}"
    digits = number[1:]
    if not number.startswith("+"):
        raise _not_international(number)
    if not (digits.isascii() and digits.isdigit()):
        raise _not_digits(digits)
    plan = plan_for(digits[:3])
    if plan is None:
        raise Error("number_invalid", "nobody has the calling code that the number starts with", _HOW)
    if not plan.plain.match(number):
        written, number = number, without_national_prefix(number)
        # A carrier's selection code (China has five digits) is no trunk prefix: what follows it may be anybody's number.
        if len(written) - len(number) > TRUNK_DIGITS_MAX or not plan.fits.match(number):
            raise Error(
                "number_invalid",
                f"no number with calling code +{plan.code} looks like this",
                "check how many digits it has",
                calling_code=plan.code,
            )
    return number, plan.code


def _not_international(number: str) -> Error:
    if not number:
        return Error("number_invalid", "the number is empty", _HOW)
    if number.isascii() and number.isdigit():
        return Error("number_invalid", "the number has no calling code", _HOW)
    return _not_digits(number)


def _not_digits(rest: str) -> Error:
    if not rest:
        return Error("number_invalid", "the number has no digits", _HOW)
    if any(c.isdigit() and not c.isascii() for c in rest):
        return Error("number_invalid", "the number has digits other than 0 to 9", "write it with the digits 0 to 9")
    if any(c.isalpha() for c in rest):
        return Error("number_invalid", "the number has letters", _HOW)
    return Error(
        "number_invalid", "the number has characters other than digits, spaces, dashes, dots, parentheses", _HOW
    )
