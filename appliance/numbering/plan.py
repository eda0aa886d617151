"""The world's numbering plans as one pattern per calling code, made from the metadata that `phonenumbers` carries.

A plan is built when its calling code is first asked for (some milliseconds) and kept.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, NumberParseException, PhoneMetadata, parse

E164_DIGITS_MAX: Final = 15  # ITU-T E.164 section 6.2.1; some plans in the metadata would allow more
NOT_A_COUNTRY: Final = "001"  # how phonenumbers names the region of satellite and freephone codes


class Plan(NamedTuple):
    """What numbers of one calling code look like, plus included.

    A number fits when, in any region that shares the code, both its length and the region's general description allow it.
    That is `is_possible_number` and the general pattern, but not a list of the ranges in use: those change every month,
    and a box that is updated twice a year must not refuse a customer whose range was opened last week.
    """

    code: int
    fits: re.Pattern[str]
    plain: re.Pattern[str]  # fits, and does not even begin like a national prefix: nothing needs a second thought


def _calling_codes() -> dict[str, int]:
    """Three digits that a number starts with -> its calling code; none is the beginning of another."""
    first_digits: dict[str, int] = {}
    for code in COUNTRY_CODE_TO_REGION_CODE:
        width = 3 - len(str(code))
        for rest in range(10**width):
            first_digits[f"{code}{rest:0{width}}" if width else str(code)] = code
    return first_digits


_CODES: Final = _calling_codes()
#: Three digits -> plan, for the codes asked for so far. Look here first, then call `plan_for`.
PLANS: Final[dict[str, Plan]] = {}


def plan_for(three_digits: str) -> Plan | None:
    """The plan for the digits after the plus, or None when nobody has that calling code."""
    if three_digits not in PLANS:
        code = _CODES.get(three_digits)
        if code is None:
            return None
        plan = _plan(code)
        PLANS.update((digits, plan) for digits, of in _CODES.items() if of == code)
    return PLANS[three_digits]


def _plan(code: int) -> Plan:
    regions: list[str] = []
    prefix: str | None = None
    for region in COUNTRY_CODE_TO_REGION_CODE[code]:
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        if metadata is None or metadata.general_desc is None:
            continue
        if not regions:  # the main region comes first, and parsing follows its prefix alone
            prefix = metadata.national_prefix_for_parsing
        description = metadata.general_desc
        lengths = "|".join(rf"\d{{{n}}}" for n in description.possible_length)
        regions.append(rf"(?=(?:{lengths})\Z)(?:{description.national_number_pattern})\Z")
    body = f"(?:{'|'.join(regions)})"
    # The look-behind asks for at least one digit of prefix: Argentina's pattern is content with none.
    no_prefix = rf"(?!(?:{prefix})(?<!\+{code}))" if prefix else ""
    start = rf"(?!\+\d{{{E164_DIGITS_MAX + 1}}})\+{code}"
    return Plan(code, re.compile(f"{start}{body}", re.ASCII), re.compile(f"{start}{no_prefix}{body}", re.ASCII))


def without_national_prefix(number: str) -> str:
    """`number` (`+` and digits) after phonenumbers took out a national prefix or put in what the plan wants there.

    "+4402079460000" -> "+442079460000". Unchanged when phonenumbers makes nothing of it.
    """
    try:
        parsed = parse(number, None)
    except NumberParseException:
        return number
    zeros = "0" * (parsed.number_of_leading_zeros or 1) if parsed.italian_leading_zero else ""
    return f"+{parsed.country_code}{zeros}{parsed.national_number}"


def country_of(calling_code: int) -> str:
    """ISO 3166 code of a calling code's main country ("IT" for 39, "US" for 1), "" when it has none."""
    regions = COUNTRY_CODE_TO_REGION_CODE.get(calling_code)
    return "" if not regions or regions[0] == NOT_A_COUNTRY else regions[0]
