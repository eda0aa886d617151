"""Every word of every list, however a customer writes it, decides; a sentence that merely holds one is for a person."""

from __future__ import annotations

from itertools import product

import pytest

from appliance.consent import HELP, LISTS, REVIEW, START, STOP, STOP_ALL, Keywords, folded

WORDS = sorted({(words.country, words.action, word) for words in LISTS for word in words.words})
KEYWORDS = {country: Keywords(country) for country in ("", "US")}
RANK = {STOP_ALL: 0, STOP: 1, HELP: 2, START: 3}
#: Latin letters as other scripts have them.
ALIKE = str.maketrans("aeopcyxsi", "аеорсухѕі")


def wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


FORMS = {
    "as it is": lambda w: w,
    "upper": str.upper,
    "title": str.title,
    "blanks around": lambda w: f"  {w}\n",
    "blanks within": " ".join,
    "stop at the end": lambda w: f"{w}.",
    "exclaimed": lambda w: f"¡{w}!!!",
    "quoted": lambda w: f"“{w}”",
    "dashed": "-".join,
    "full width": wide,
    "full width, upper": lambda w: wide(w.upper()),
    "zero width": "\u200b".join,
}


def meant(country: str, word: str) -> str:
    """The action that counts most of those lists that have the word and hold in the country."""
    lists = [words for words in LISTS if words.country in ("", country)]
    return min((ws.action for ws in lists if folded(word) in map(folded, ws.words)), key=RANK.__getitem__)


@pytest.mark.parametrize("form", FORMS)
def test_every_word_in_every_form(form: str) -> None:
    wrong = []
    for country, _, word in WORDS:
        decision = KEYWORDS[country].decide(FORMS[form](word))
        if decision is None or decision.action != meant(country, word):
            wrong.append((word, decision))
    assert len(WORDS) > 120
    assert wrong == []


CASES = (str, str.upper, str.title, str.swapcase)
BLANKS = (str, " ".join, lambda w: f"\t {w}\u00a0\n", lambda w: w.replace(" ", "  "))
MARKS = (str, lambda w: f"{w}!", lambda w: f"«{w}».", "-".join, lambda w: f"({w})", lambda w: f"*{w}* 🙏")
LETTERS = (str, wide, lambda w: w.translate(ALIKE) if folded(w).isascii() else w)


def test_every_mixture_of_case_blanks_marks_and_letters() -> None:
    wrong, count = [], 0
    for country, _, word in WORDS:
        expected = meant(country, word)
        decide = KEYWORDS[country].decide
        for case, blank, mark, letters in product(CASES, BLANKS, MARKS, LETTERS):
            written = mark(blank(letters(case(word))))
            count += 1
            decision = decide(written)
            if decision is None or decision.action != expected:
                wrong.append((country, word, written, decision))
    assert wrong == [] and count == len(WORDS) * 288


@pytest.mark.parametrize("source", ["FCC", "CTIA", "Twilio", "AWS"])
def test_the_published_lists_are_whole(source: str) -> None:
    """FCC 47 CFR 64.1200(a)(10); the others as their own pages print them."""
    published = {
        "FCC": {STOP: "stop quit end revoke optout cancel unsubscribe"},
        "CTIA": {STOP: "stop end cancel unsubscribe quit", STOP_ALL: "stopall", HELP: "help info"},
        "Twilio": {
            STOP: "stop unsubscribe end quit revoke optout cancel",
            STOP_ALL: "stopall",
            START: "start unstop yes",
        },
        "AWS": {STOP: "arret optout remove td"},
    }[source]
    held = {(ws.action, folded(word)) for ws in LISTS if ws.source == source for word in ws.words}
    assert {(action, word) for action, words in published.items() for word in words.split()} <= held
    for action, words in published.items():
        for word in words.split():
            decision = KEYWORDS["US"].decide(f" {word.upper()}. ")
            assert decision is not None and decision.action == action, word


def test_a_word_of_any_list_within_a_sentence_never_decides() -> None:
    wrong = []
    for country, _, word in WORDS:
        for sentence in (f"please {word} sending me these now", f"I said {word.upper()} yesterday, did I not?"):
            decision = KEYWORDS[country].decide(sentence)
            if decision is not None and decision.action != REVIEW:
                wrong.append((sentence, decision))
    assert wrong == []


def test_every_word_in_letters_that_look_alike() -> None:
    latin = [(country, word) for country, _, word in WORDS if folded(word).isascii()]
    decisions = {(c, w): KEYWORDS[c].decide(w.translate(ALIKE)) for c, w in latin}
    assert {w for (c, w), d in decisions.items() if d is None or d.action != meant(c, w)} == set()


@pytest.mark.parametrize(
    "text",
    [
        "please stop calling me",
        "I want you to STOP this now",
        "can you unsubscribe me from your offers?",
        "bitte abmelden, danke schön Ihnen",
        "Опять? стоп эти сообщения",
        "s t o p that, please: stop",
    ],
)
def test_a_sentence_that_merely_contains_stop_is_for_a_person(text: str) -> None:
    decision = KEYWORDS[""].decide(text)
    assert decision is not None and decision.action == REVIEW


@pytest.mark.parametrize(
    "text", ["Thank you", "123456", "", "...", "nonstop", "at the bus station", "5709", "ok", "?" * 500]
)
def test_other_texts_ask_for_nothing(text: str) -> None:
    assert KEYWORDS[""].decide(text) is None


@pytest.mark.parametrize("text", ["ЅТОР", "ΤΕΛΟΣ", "СТОП", "ЅTОP.", "HEＬP", "5TOP"])
def test_capitals_of_other_scripts(text: str) -> None:
    decision = KEYWORDS[""].decide(text)
    assert (decision is not None and decision.action in (STOP, HELP)) == (text != "5TOP")


def test_a_programme_has_words_of_its_own_and_they_count_in_sentences() -> None:
    keywords = Keywords(own={STOP: ["niente offerte"], HELP: ["chi siete"]})
    decided = keywords.decide("NIENTE  OFFERTE!")
    assert decided is not None and decided.action == STOP
    asked = keywords.decide("Chi siete?")
    assert asked is not None and asked.action == HELP
