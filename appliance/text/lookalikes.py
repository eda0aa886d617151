"""Characters that look like one of GSM-7 and mean the same: a text that has only such ones beside it can go as GSM-7.

Only punctuation and spaces. Never a letter, a digit or a sign of an amount: what a customer could read differently stays.
"""

from __future__ import annotations

from typing import Final

from .gsm import ALPHABET, EXTENSION

#: Character -> what stands for it, with the reason beside.
LOOK_ALIKES: Final[dict[str, str]] = {
    # typographic quotes and apostrophes, as word processors put them
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u2033": '"',
    # dashes: a hyphen joins or parts words the same; the minus sign is one before an amount, and so is the hyphen
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
    # spaces of other widths, and those that do not break a line
    "\u00a0": " ", "\u2000": " ", "\u2001": " ", "\u2002": " ", "\u2003": " ", "\u2004": " ", "\u2005": " ", "\u2006": " ",
    "\u2007": " ", "\u2008": " ", "\u2009": " ", "\u200a": " ", "\u202f": " ", "\u205f": " ", "\u3000": " ",
    "\t": " ",
    # three dots in one character
    "\u2026": "...",
    # line ends that only some programs know
    "\u0085": "\n", "\u2028": "\n", "\u2029": "\n",
    # marks that nobody sees: byte order mark, word joiner, soft hyphen, zero-width space
    "\ufeff": "", "\u2060": "", "\u00ad": "", "\u200b": "",
}  # fmt: skip

_CARRIED: Final = (frozenset(ALPHABET) | frozenset(EXTENSION.values())) - {"\x1b"}
_PUT: Final = str.maketrans(LOOK_ALIKES)

assert not _CARRIED & set(LOOK_ALIKES)
assert all(_CARRIED.issuperset(put) for put in LOOK_ALIKES.values())


def transliterated(text: str) -> str:
    """The text in GSM-7, when look-alikes are all that keeps it out of it; else `text` as it is.

    Empty where nothing but invisible marks was written: the text itself then, which is refused or sent as before.
    """
    if text.isascii() and "\t" not in text:
        return text
    put = text.translate(_PUT)
    return put if put and put != text and _CARRIED.issuperset(put) else text
