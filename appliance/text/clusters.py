"""Where a text may be cut: between what a person takes for characters (grapheme clusters, UAX #29), never within one.

A base with its marks, an emoji of several code points, a flag, a Hangul syllable of jamo, CR LF: each is one. Runs for texts of several parts that are not GSM-7.
"""

from __future__ import annotations

import re
from typing import Final

import regex

#: Texts of these alone have one code point a cluster: Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic letters, kana, ideographs,
#: Hangul syllables, punctuation, plain emoji. A first look at C speed: what it does not know is looked at again below.
_SURELY_SINGLE: Final = re.compile(
    "[\0-\x0c\x0e-\xac\xae-\u02ff\u0370-\u0482\u048a-\u0590\u05d0-\u05ea\u0620-\u064a\u0660-\u066f\u0671-\u06d5"
    "\u06f0-\u070e\u1e00-\u200a\u2010-\u2027\u202f-\u205f\u20a0-\u20cf\u2100-\u2bff\u3000-\u3029\u3030-\u3098"
    "\u30a0-\ua66e\uac00-\ud7a3\uf900-\ufaff\U0001f300-\U0001f3fa\U0001f400-\U0001faff]*"
).fullmatch

#: Without any of these before or after it, no two code points are one cluster (UAX #29, rules GB3 to GB13). A line feed
#: joins only after a carriage return.
_JOINS: Final = regex.compile(
    r"[\r\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=L}\p{GCB=V}\p{GCB=T}\p{GCB=Regional_Indicator}]"
).search
_CLUSTERS: Final = regex.compile(r"\X").findall


def clusters(text: str) -> list[str] | None:
    """The grapheme clusters of `text` in order; None when each code point is one."""
    if _SURELY_SINGLE(text) or not _JOINS(text):
        return None
    found: list[str] = _CLUSTERS(text)
    return found
