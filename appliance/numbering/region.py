"""HOT: which country a number belongs to where several share a calling code; one look-up a message after the first.

Only the codes 1 and 7 are told apart, whose countries are as large as they are different: by the area code for 1, by the
first digit for 7 (Kazakhstan). Elsewhere the main country counts: Jersey as the United Kingdom, Vatican City as Italy.
"""

from __future__ import annotations

from typing import Final

from phonenumbers import NumberParseException, parse, region_code_for_number

from .plan import country_of

#: Calling code -> digits after it that decide, and a national number's end that is valid everywhere below it.
SHARED: Final[dict[int, tuple[int, str]]] = {1: (3, "2345678"), 7: (1, "012345678")}
_known: Final[dict[str, str]] = {}  # at most 1,010 entries


def region_of(number: str, calling_code: int) -> str:
    """ISO 3166 code of an E.164 number's country: "US" or "CA" for +1, "RU" or "KZ" for +7, else the calling code's main one."""
    shared = SHARED.get(calling_code)
    if shared is None:
        return country_of(calling_code)
    digits, end = shared
    head = number[: 2 + digits]
    found = _known.get(head)
    if found is None:
        found = _known[head] = _region(head + end) or country_of(calling_code)
    return found


def _region(number: str) -> str:
    try:
        return region_code_for_number(parse(number, None)) or ""
    except NumberParseException:
        return ""
