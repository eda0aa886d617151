"""What the world's numbering plans say of one number: country, whether its range is in use, what it is used for.

By `phonenumbers`, some hundred microseconds a number: for people and look-ups, not for every message.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from phonenumbers import (
    NumberParseException,
    PhoneNumberType,
    is_valid_number,
    number_type,
    parse,
    region_code_for_number,
)

from .plan import NOT_A_COUNTRY
from .region import region_of

TYPES: Final[dict[int, str]] = {
    PhoneNumberType.FIXED_LINE: "fixed_line",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_line_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium_rate",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.PERSONAL_NUMBER: "personal_number",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.UAN: "company",
    PhoneNumberType.VOICEMAIL: "voicemail",
}


class Described(NamedTuple):
    """`country`: ISO 3166, empty where a code belongs to none. `valid`: its range is known to be in use.

    `type`: one of TYPES, empty when the plan does not tell.
    """

    country: str
    valid: bool
    type: str


def described(number: str, calling_code: int) -> Described:
    """Of a number as `normalise` gives it. What is possible but in no known range is not `valid`, and is sent all the same."""
    try:
        parsed = parse(number, None)
    except NumberParseException:
        return Described(region_of(number, calling_code), False, "")
    region = region_code_for_number(parsed)
    country = region_of(number, calling_code) if region in (None, NOT_A_COUNTRY) else region
    return Described(country or "", is_valid_number(parsed), TYPES.get(number_type(parsed), ""))
