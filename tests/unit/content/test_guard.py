"""Secrets, links, and the policy over all three: refuse, mask or allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.content import Guard, links, secrets
from appliance.content.secret import _STEMS, WORDS
from appliance.errors import Error
from appliance.text import transliterated
from tests.support.bank_texts import alarms

CARD = "Card 4111 1111 1111 1111 used"
STRICT = Guard("refuse", "refuse", "refuse", ["bank.example"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Your password is hunter2x", ["hunter2x"]),
        ("Passwort: Tr0ub4dor&3!", ["Tr0ub4dor&3"]),
        ("La tua password è Xy7$kkk.", ["Xy7$kkk"]),
        ("пароль: qwerty12", ["qwerty12"]),
        ("密码：abc12345", ["abc12345"]),
        (
            "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk",
            ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk"],
        ),
        ("key AKIAIOSFODNN7EXAMPLE ok", ["AKIAIOSFODNN7EXAMPLE"]),
        ("Your password will expire tomorrow", []),
        ("Reset your password at the counter", []),
        ("Your new password: 123456", []),  # digits alone are a one-time code
        ("Set a password: https://bank.example/p1", []),
        ("clave: abc", []),
        ("123456 is your code", []),
    ],
)
def test_secrets(text: str, found: list[str]) -> None:
    assert [text[a:b] for a, b in secrets(text)] == found


def test_every_word_is_looked_for() -> None:
    for word in WORDS:
        assert any(stem in word for stem in _STEMS), word
        assert secrets(f"{word.capitalize()}: Xy7kkk99"), word


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("go to https://Evil.example/x?y", ["evil.example"]),
        ("bit.ly/abc", ["bit.ly"]),
        ("www.bank.it", ["www.bank.it"]),
        ("see bank.it.", ["bank.it"]),
        ("https://bank.example@evil.example/", ["evil.example"]),
        ("http://10.0.0.1/x", ["10.0.0.1"]),
        ("аpple.com", ["аpple.com"]),  # the first letter is Cyrillic
        ("evil\u3002com/x", ["evil.com"]),
        ("bankapp://pay", ["pay"]),
        ("the app.In it", []),
        ("EUR 12.50, n.5, 11.Nicht", []),
        ("write to help@bank.example", []),
        ("@bank.example #123456", []),  # a code bound to its origin, WICG sms-one-time-codes
    ],
)
def test_links(text: str, hosts: list[str]) -> None:
    assert [found.host for found in links(text)] == hosts


def refusal(guard: Guard, text: str, otp: bool = False) -> str:
    with pytest.raises(Error) as caught:
        guard.check(text, otp)
    assert caught.value.code == "content_refused" and "4111" not in str(caught.value) + str(caught.value.detail)
    return str(caught.value.detail["rule"])


def test_refused_by_rule() -> None:
    assert refusal(STRICT, CARD) == "card"
    assert refusal(STRICT, "password: hunter2x") == "secret"
    assert refusal(STRICT, "123456 https://evil.example", otp=True) == "otp_link"


def test_links_of_one_time_codes_only_and_within_the_list() -> None:
    for text in ("123456 https://pay.bank.example/x", "123456 bank.example/x", "123456"):
        assert STRICT.check(text, True) == (text, ())
    assert STRICT.check("read https://evil.example", False).rules == ()
    assert refusal(STRICT, "123456 https://notbank.example/", otp=True) == "otp_link"
    assert refusal(STRICT, "123456 https://bаnk.example/", otp=True) == "otp_link", "a letter of another script"


def test_ordinary_bank_texts_raise_hardly_an_alarm() -> None:
    """One in ten thousand is allowed by all three rules together; `python -m tests.support.bank_texts` judges 100,000."""
    assert alarms(7, 5_000).total() <= 1


def test_masked() -> None:
    guard = Guard("mask", "mask", "allow", [])
    verdict = guard.check(f"{CARD}; password: hunter2x!", False)
    assert verdict == ("Card **** **** **** 1111 used; password: ********!", ("card_masked", "secret_masked"))
    assert guard.check(verdict.text, False) == (verdict.text, ()), "what is masked passes"


def test_allowed() -> None:
    guard = Guard("allow", "allow", "allow", [])
    text = f"{CARD} password: hunter2x https://evil.example"
    assert guard.check(text, True) == (text, ())


@given(st.text(max_size=300), st.booleans())
def test_any_text_passes_or_is_refused(text: str, otp: bool) -> None:
    try:
        assert STRICT.check(text, otp).text == text
    except Error as e:
        assert e.code == "content_refused"
    masked = Guard("mask", "mask", "allow", []).check(text, otp)
    assert len(masked.text) == len(text)


def test_a_text_that_no_message_can_be_is_refused_before_it_is_looked_at() -> None:
    looked = Guard("refuse", "refuse", "refuse", [])
    with pytest.raises(Error) as caught:
        looked.check("4" * 4_001, otp=True)
    assert caught.value.code == "text_too_long"


def test_look_alikes_become_plain_only_where_the_setting_says_so() -> None:
    written = "Il saldo \u00e8 \u201c5\u20ac\u201d"
    assert Guard("refuse", "refuse", "refuse", []).check(written, False) == (written, ())
    plain = Guard("refuse", "refuse", "refuse", [], transliterated)
    assert plain.check(written, False) == ('Il saldo \u00e8 "5\u20ac"', ("transliterated",))
    assert plain.check("ciao \u2013 \u0416", False) == ("ciao \u2013 \u0416", ())


_TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [CARD, "пароль: qwerty12", "Kennwort: Xy7kkk99", "see evil.example/x", "4111 1111", "1111 1111", "ΚΩΔΙΚΌΣ ΠΡΌΣΒΑΣΗΣ",
         "हिन्दी", "key cm_1_", "eyJ", "a.", "pass", "word: hunter2x", "x" * 3_000, "https://bank.example"]
    ),
)  # fmt: skip


@given(st.lists(st.tuples(_TEXTS, st.booleans()), max_size=8))
def test_texts_that_are_not_doubtful_pass_as_they_are(rows: list[tuple[str, bool]]) -> None:
    texts, otp = [text for text, _ in rows], [code for _, code in rows]
    doubtful = STRICT.doubtful(texts, otp)
    assert doubtful == sorted(set(doubtful))
    for n, text in enumerate(texts):
        if n not in doubtful:
            assert STRICT.check(text, otp[n]) == (text, ())


def test_texts_of_a_bank_are_hardly_ever_doubtful() -> None:
    texts = [
        "123456 is your code.",
        "Payment of EUR 12.50 on 21/11 at 18:30.",
        "Ihre Zahlung über 3,20 € an Bäckerei Huber.",
    ]
    assert STRICT.doubtful(texts * 30, [True, False, False] * 30) == []
    assert STRICT.doubtful([*texts, CARD], [False] * 4) == [3]
    assert Guard("refuse", "refuse", "refuse", [], transliterated).doubtful(texts, [False] * 3) == [0, 1, 2]
    assert Guard("allow", "allow", "allow", []).doubtful([CARD, "pass"], [True, True]) == []
