"""YES and NO in every language of the templates, whatever case, width and marks; a sentence is no answer, and neither is a stop."""

from __future__ import annotations

import unicodedata

import pytest

from appliance.consent import STOP, STOP_ALL, Keywords
from appliance.flows.hearing import heard_as
from appliance.flows.words import YES_NO
from appliance.templates import LOCALES


def test_each_locale_of_the_templates_has_its_words() -> None:
    assert {each.tag for each in LOCALES} == YES_NO.keys()


@pytest.mark.parametrize("said", ["yes", "no"])
def test_each_word_is_heard_in_its_language_in_any_form(said: str) -> None:
    for tag, words in YES_NO.items():
        for word in words[said == "no"].split():
            for form in (word, word.upper(), f" {word}! ", unicodedata.normalize("NFD", word), word.title()):
                assert heard_as(form, tag, {}) == said, (tag, form)
    assert heard_as("ＹＥＳ", "en", {}) == "yes"


def test_no_word_of_an_answer_asks_to_be_left_alone() -> None:
    keywords = Keywords()
    for tag, words in YES_NO.items():
        for word in " ".join(words).split():
            decision = keywords.decide(word)
            assert decision is None or decision.action not in (STOP, STOP_ALL), (tag, word)


def test_another_language_is_heard_unless_it_means_both() -> None:
    assert heard_as("OUI", "it", {}) == "yes"
    assert heard_as("όχι", "en", {}) == "no"
    assert heard_as("jo", "en", {}) == "", "yes in Czech, no in Albanian"
    assert [heard_as("jo", tag, {}) for tag in ("cs-CZ", "sq")] == ["yes", "no"]
    assert heard_as("n", "ja", {}) == "", "a letter alone is an answer in its own language only"


def test_a_sentence_is_no_answer() -> None:
    for text in ("no problem, that was me", "yes but not the second one", "", "   ", "?", "x" * 5_000):
        assert heard_as(text, "en", {}) == "", text


def test_own_words_count_first_and_in_any_language() -> None:
    own = {"later": {"en": ["later", "not now"], "it": ["dopo"]}}
    assert heard_as("Not now!", "en", own) == "later"
    assert heard_as("dopo", "en", own) == "later"
    assert heard_as("yes", "en", own) == "yes"
    assert heard_as("yes", "en", {"fine": {"en": ["yes"]}}) == "fine"
