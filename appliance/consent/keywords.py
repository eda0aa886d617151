"""What a customer's message asks for: an exact keyword decides, a sentence that merely holds one is for a person to read. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from .lists import HELP, LISTS, START, STOP, STOP_ALL, TELLING

#: Letters of other scripts that look like Latin ones (Unicode Technical Standard 39, confusables, the usual few).
_LOOK_ALIKES: Final = str.maketrans(
    "авеёкмнорстухіјѕԁԛԝһ" + "αβεικνορτυχ" + "ⅼⅰ01ı",
    "abeekmhopctyxijsdqwh" + "abeikvoptux" + "lioli",
)
_LONGEST: Final = 160  # a longer message is not a keyword, whatever it says


class Decision(NamedTuple):
    """`action` is one of lists.ACTIONS, or `review` when a person is to read it. `word` is the keyword in its folded form."""

    action: str
    word: str
    language: str = ""  # of the list that the word is in


REVIEW: Final = "review"
#: Where a word is in two lists, the customer's wish to be left alone counts most.
_RANK: Final = (STOP_ALL, STOP, HELP, START)


def folded(text: str) -> str:
    """Only letters and digits, without case, marks, width, punctuation: `Opt-Out!` and `ＯＰＴ ｏｕｔ` are `optout`."""
    wide = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFKD", wide) if c.isalnum())
    return bare.replace("ı", "i")  # Turkish: a capital I says nothing about the dot of the small one


@lru_cache(maxsize=1024)
def _folded_once(word: str) -> str:
    """The same for a word of the lists: each start compiles them all several times. Never for what a customer wrote."""
    return folded(word)


class Keywords:
    """The compiled lists of one country, with a programme's own words. Immutable."""

    def __init__(self, country: str = "", own: Mapping[str, Iterable[str]] | None = None) -> None:
        """`own`: action -> words of the programme; they count beside the lists. `country`: ISO 3166 of the customer."""
        self._actions: dict[str, str] = {}
        self._languages: dict[str, str] = {}
        self._telling = {_folded_once(word) for word in TELLING}
        for action in reversed(_RANK):
            for words in LISTS:
                if words.action == action and words.country in ("", country):
                    self._actions.update(dict.fromkeys(map(_folded_once, words.words), action))
                    for word in words.words:
                        self._languages.setdefault(_folded_once(word), words.language)
            for word in (own or {}).get(action, ()):
                self._actions[folded(word)] = action
                if action in (STOP, STOP_ALL):
                    self._telling.add(folded(word))
        self._alike = {_alike(word): word for word in self._actions if word.isascii()}

    def decide(self, text: str) -> Decision | None:
        """None when nothing is asked for."""
        if len(text) > _LONGEST:
            return self._read(text)
        whole = folded(text)
        action = self._actions.get(whole)
        if action is None and whole:
            meant = self._alike.get(_alike(whole))
            if meant is not None and not _plainly_other(whole, meant):
                whole, action = meant, self._actions[meant]
        if action is not None:
            return Decision(action, whole, self._languages.get(whole, ""))
        return self._read(text)

    def _read(self, text: str) -> Decision | None:
        for piece in unicodedata.normalize("NFKC", text[:4_000]).replace("-", "").split():
            word = folded(piece)
            if word in self._telling or (_alike(word) in self._telling and not word.isascii()):
                return Decision(REVIEW, word)
        return None


def _alike(word: str) -> str:
    return word.translate(_LOOK_ALIKES)


def _plainly_other(heard: str, meant: str) -> bool:
    """Digits alone are an answer or a code, never a look-alike word."""
    return heard.isdigit() and not meant.isdigit()
