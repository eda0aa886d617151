"""What a customer's reply says: yes, no, or a word of the workflow's own; only the word alone counts, in whichever language. Pure.

"No problem, that was me" is no NO: a sentence is for the workflow's `other`, which asks again or hands over to a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from appliance.consent import folded

from .words import YES_NO

YES, NO = "yes", "no"
_LONGEST: Final = 60  # characters of a reply that can be one of the words

Words = Mapping[str, Mapping[str, list[str]]]


def heard_as(text: str, locale: str, own: Words) -> str:
    """`yes`, `no`, one of the workflow's own words, or nothing. The customer's own language counts first, then all others.

    A word that is yes in one language and no in another says nothing outside of them.
    """
    if len(text) > _LONGEST:
        return ""
    word = folded(text)
    if not word:
        return ""
    for tag in _up(locale):
        for answer, by_locale in own.items():
            if word in _folded(tuple(by_locale.get(tag, ()))):
                return answer
        if tag in _TAGS:
            said = _yes_no(tag).get(word)
            if said:
                return said
    found = {a for a, by_locale in own.items() for words in by_locale.values() if word in _folded(tuple(words))}
    found |= _anywhere().get(word, set())
    return found.pop() if len(found) == 1 else ""


_TAGS: Final = {tag.lower(): tag for tag in YES_NO} | {
    "pt": "pt-PT",
    "zh": "zh-Hans",
    "zh-cn": "zh-Hans",
    "zh-tw": "zh-Hant",
    "zh-hk": "zh-Hant",
    "no": "nb",
    "tl": "fil",
    "iw": "he",
    "in": "id",
}


def _up(locale: str) -> list[str]:
    """The locale and what it is a kind of: `it-CH`, `it`."""
    out, tag = [], locale.lower().replace("_", "-")
    while tag:
        out.append(tag)
        tag, _, _ = tag.rpartition("-")
    return out


@cache
def _folded(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(filter(None, map(folded, words)))


@cache
def _yes_no(tag: str) -> dict[str, str]:
    yes, no = YES_NO[_TAGS[tag]]
    return dict.fromkeys(_folded(tuple(no.split())), NO) | dict.fromkeys(_folded(tuple(yes.split())), YES)


@cache
def _anywhere() -> dict[str, set[str]]:
    out: dict[str, set[str]] = {}
    for tag in YES_NO:
        for word, said in _yes_no(tag.lower()).items():
            if len(word) > 1 or not word.isascii():  # a letter alone means something in its own language only
                out.setdefault(word, set()).add(said)
    return out
