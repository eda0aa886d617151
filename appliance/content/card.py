"""Payment card numbers (PANs) in a text, whatever they are dressed up as; PCI DSS 4.0.1 requirement 3.4 is why.

A number counts when its digits (of any script, with the usual things between them) have the length and first digits of
a card brand and pass the check of ISO/IEC 7812-1 annex B (Luhn), and when it is not part of a valid IBAN.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Final

DIGITS_MIN, DIGITS_MAX = 13, 19  # ISO/IEC 7812-1 allows 8 to 19; no card in use has fewer than 13

#: First digits (from, to) and lengths of the brands in use, from their published ranges.
BRANDS: Final[tuple[tuple[str, int, int, frozenset[int]], ...]] = (
    ("visa", 4, 4, frozenset((13, 16, 19))),
    ("mastercard", 51, 55, frozenset((16,))),
    ("mastercard", 2221, 2720, frozenset((16,))),
    ("american express", 34, 34, frozenset((15,))),
    ("american express", 37, 37, frozenset((15,))),
    ("diners club", 300, 305, frozenset((14, 16))),
    ("diners club", 309, 309, frozenset((14, 16))),
    ("diners club", 36, 36, frozenset((14,))),
    ("diners club", 38, 39, frozenset((14, 16))),
    ("discover", 6011, 6011, frozenset((16, 19))),
    ("discover", 644, 649, frozenset((16, 19))),
    ("discover, rupay", 65, 65, frozenset((16, 19))),
    ("jcb", 3528, 3589, frozenset((16, 19))),
    ("unionpay", 62, 62, frozenset((16, 17, 18, 19))),
    ("mir", 2200, 2204, frozenset((16, 19))),
    ("rupay", 60, 60, frozenset((16,))),
    ("rupay", 81, 82, frozenset((16,))),
    ("rupay", 508, 508, frozenset((16,))),
    ("troy", 9792, 9792, frozenset((16,))),
    ("maestro", 5018, 5018, frozenset(range(13, 20))),
    ("maestro", 5020, 5020, frozenset(range(13, 20))),
    ("maestro", 5038, 5038, frozenset(range(13, 20))),
    ("maestro", 5893, 5893, frozenset(range(13, 20))),
    ("maestro", 6304, 6304, frozenset(range(13, 20))),
    ("maestro", 6759, 6763, frozenset(range(13, 20))),
    ("dankort", 5019, 5019, frozenset((16,))),
    ("verve", 506099, 506198, frozenset((16, 18, 19))),
)

#: What people and evaders put between digits. Runs of one kind may stand between two digits of one number.
_SEPARATORS: Final = {
    "blank": r"\s\u00a0\u2000-\u200f\u202f\u2060\u205f\u3000\ufeff\u00ad",
    "dash": r"\-\u2010-\u2015\u2212\ufe58\ufe63\uff0d_~",
    "dot": r".\u00b7\u2022\u2027\u22c5\u30fb\uff0e\u3002*",
    "slash": r"/|\\\uff0f\u2044",
    "comma": r",;:'\u2019\uff0c\u060c",
    "bracket": r"()\[\]{}<>\uff08\uff09",
    "keycap": r"\ufe0f\u20e3",
}
_KIND: Final = {name: re.compile(f"[{chars}]") for name, chars in _SEPARATORS.items()}
_DIGIT: Final = r"[\d\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u24ea]"
_SEPARATOR: Final = f"[{''.join(_SEPARATORS.values())}]"
_BETWEEN: Final = f"{_SEPARATOR}{{0,4}}"
SHORT_BELOW: Final = 15  # cards of 13 and 14 digits are written in groups of 4 and 6, as Diners Club's 4-6-4
SHORT_GROUP_MAX: Final = 6
#: Possessive, so that a text made to backtrack costs nothing: each digit is taken once.
_RUN: Final = re.compile(f"{_DIGIT}(?:{_BETWEEN}{_DIGIT})*+")
_GROUP: Final = re.compile(f"{_DIGIT}+")


def _roughly(octet: int) -> bytes:
    """What an octet of UTF-8 is for a first look: a digit, nothing (what may stand between digits, an octet that goes on), or a break.

    No digit and nothing that may stand between two lies from U+00C0 to U+05FF (Latin, Greek, Cyrillic, Armenian, Hebrew
    letters; a test says so); what begins otherwise may be either and counts as a digit.
    """
    if octet < 0x80:
        return b"0" if chr(octet).isdigit() else b"" if re.match(_SEPARATOR, chr(octet)) else b"x"
    return b"" if octet <= 0xBF else b"x" if 0xC3 <= octet <= 0xD7 else b"0"


_ROUGH: Final = b"".join(_roughly(octet) or b"x" for octet in range(256))
_NOTHING: Final = bytes(octet for octet in range(256) if not _roughly(octet))
_MANY: Final = b"0" * DIGITS_MIN
_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")


def maybe_card(text: str) -> bool:
    """Whether there may be one in it: as many digits, with nothing but separators between them."""
    return _MANY in text.encode("utf-8", "surrogatepass").translate(_ROUGH, _NOTHING)


def card_numbers(text: str) -> list[tuple[int, int]]:
    """(begin, end) of each card number in `text`, in order, none overlapping another."""
    found: list[tuple[int, int]] = []
    if not maybe_card(text):
        return found  # nearly every text
    accounts: list[tuple[int, int]] | None = None
    for run in _RUN.finditer(text):
        if run.end() - run.start() < DIGITS_MIN:
            continue
        for begin, end in _within(text, run.start(), run.end()):
            if accounts is None:
                accounts = ibans(text)
            if not any(a < end and begin < b for a, b in accounts):
                found.append((begin, end))
    return found


def _within(text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """Card numbers in one run of digits and separators. A number begins and ends where a group of digits does."""
    groups = [(m.start(), m.end()) for m in _GROUP.finditer(text, start, stop)]
    digits = ["".join(str(unicodedata.digit(c)) for c in text[a:b]) for a, b in groups]
    gaps = [_kind(text[a[1] : b[0]]) for a, b in pairwise(groups)]
    found: list[tuple[int, int]] = []
    first = 0
    while first < len(groups):
        last = _longest(digits, gaps, first)
        begin, end = groups[first][0], groups[max(last, first)][1]
        if last >= 0 and not _other(text, begin, end, sum(map(len, digits[first : last + 1]))):
            found.append((begin, end))
            first = last
        first += 1
    return found


def _longest(digits: list[str], gaps: list[str], first: int) -> int:
    """The last group of the longest card number that begins with group `first`; -1 without one."""
    number, kind, best = "", "", -1
    for last in range(first, len(digits)):
        if last > first:
            gap = gaps[last - 1]
            if kind and gap and gap != kind:
                break  # 4.532,15 and 21/11 18:30 are several numbers, not one in disguise
            kind = gap or kind
        number += digits[last]
        if len(number) > DIGITS_MAX:
            break
        # An account written 44465/96252552 passes the check digit one time in ten; short cards are never grouped so.
        grouped = (
            len(number) >= SHORT_BELOW or last == first or max(map(len, digits[first : last + 1])) <= SHORT_GROUP_MAX
        )
        if len(number) >= DIGITS_MIN and grouped and is_card(number):
            best = last
    return best


def _kind(gap: str) -> str:
    """The one kind of separator of a gap, "" for a line's end; a mixture is a kind of its own, blanks beside a dash are a dash."""
    if "\n" in gap and gap.isspace():
        return ""
    kinds = {name for name, chars in _KIND.items() if chars.search(gap)}
    if len(kinds) > 1:
        kinds -= {"blank", "keycap"}
    return "+".join(sorted(kinds))


def _other(text: str, begin: int, end: int, count: int) -> bool:
    """Whether digits are plainly something else: a telephone number with its plus, or the middle of a longer token."""
    before, after = text[begin - 1 : begin], text[end : end + 1]
    if before == "+" and count <= 15:  # E.164
        return True
    return bool(after) and (after.isalpha() or after.isdigit()) and after.isascii()


def is_card(number: str) -> bool:
    """Whether ASCII digits have the length, first digits and check digit of a card."""
    return any(
        len(number) in lengths and low <= int(number[: len(str(low))]) <= high for _, low, high, lengths in BRANDS
    ) and luhn(number)


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    odd = sum(map(int, number[-1::-2]))
    even = sum((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[int(d)] for d in number[-2::-2])
    return (odd + even) % 10 == 0 and len(set(number)) > 1


def ibans(text: str) -> list[tuple[int, int]]:
    """(begin, end) of each valid international bank account number (ISO 13616: ISO 7064 MOD 97-10)."""
    out: list[tuple[int, int]] = []
    for m in _IBAN.finditer(text):
        ends = [n for n in range(m.end(), m.start() + 14, -1) if text[n - 1].isalnum()]
        end = next((n for n in ends if _mod97(text[m.start() : n])), 0)
        if end:
            out.append((m.start(), end))
    return out


def _mod97(written: str) -> bool:
    compact = "".join(c for c in written if c.isalnum()).upper()
    if not (15 <= len(compact) <= 34 and compact.isascii()):
        return False
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1
