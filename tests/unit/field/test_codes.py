"""Break-glass right, wrong, expired and replayed, the throttle."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from appliance.field import breakglass, codes
from appliance.field.breakglass import EXPIRED, HALF, LOCKED, OPEN, SHOWN, TABLE, USED, Glass
from appliance.field.codes import Challenge
from appliance.field.store import wait_s

NOW = 1_800_000_000
KEYS = {"ann": b"a" * 32, "bob": b"b" * 32}


def glass(purpose: str = "sign-in", at_s: int = NOW) -> Glass:
    return Glass(Challenge("SN-1", purpose, codes.nonce(os.urandom(10)), at_s))


def heard(g: Glass, given: str, needed: int = 1, left: int = 5, at_s: int = NOW + 10) -> tuple[Glass, str]:
    return breakglass.heard(g, KEYS, given, needed, 60, left, at_s)


def test_the_right_answer_opens_for_its_time() -> None:
    g = glass()
    opened, said = heard(g, codes.answer(KEYS["ann"], g.challenge).lower())
    assert (opened.state, said, opened.until_s) == (OPEN, "right, the last one needed", NOW + 10 + 3600)
    assert breakglass.aged(opened, NOW + 10 + 3599).state == OPEN
    assert breakglass.aged(opened, NOW + 10 + 3600).state == USED


def test_wrong_answers_are_counted_and_lock() -> None:
    g = glass()
    assert heard(g, "0000-0000-0000-0000")[0].state == SHOWN
    assert heard(g, "0000-0000-0000-0000", left=1)[0].state == LOCKED
    locked, said = heard(g._replace(state=LOCKED), codes.answer(KEYS["ann"], g.challenge))
    assert (locked.state, said) == (LOCKED, LOCKED), "the right answer comes too late"
    assert breakglass.tries_left([NOW - 10] * 4, NOW) == 1
    assert breakglass.tries_left([NOW - 3601] * 4, NOW) == 5
    assert breakglass.tries_left([NOW + 9_999] * 5, NOW) == 0, "a clock set back gives no new tries"


def test_an_answer_that_is_late_or_was_used_opens_nothing() -> None:
    g = glass()
    right = codes.answer(KEYS["ann"], g.challenge)
    assert heard(g, right, at_s=NOW + codes.LIFE_S)[0].state == EXPIRED
    assert heard(g, right, at_s=NOW - 1)[0].state == EXPIRED, "the clock was set back"
    used = g._replace(state=USED)
    assert heard(used, right) == (used, USED)
    other = glass()
    assert heard(other, right)[0].state == SHOWN, "replayed: the answer to another nonce"
    assert heard(glass("factory-reset"), right)[0].state == SHOWN, "and for another purpose"


def test_two_officers_are_two() -> None:
    g = glass()
    half, said = heard(g, codes.answer(KEYS["ann"], g.challenge), needed=2)
    assert (half.state, said) == (HALF, "right")
    assert heard(half, codes.answer(KEYS["ann"], g.challenge), needed=2)[0].state == HALF
    both, said = heard(half, codes.answer(KEYS["bob"], g.challenge), needed=2)
    assert (both.state, both.answered) == (OPEN, ("ann", "bob"))


def test_the_table_is_closed() -> None:
    states = {SHOWN, HALF, OPEN, LOCKED, EXPIRED, USED}
    assert {s for s, _ in TABLE} | set(TABLE.values()) == states
    assert not {(s, h) for s, h in TABLE if s in (LOCKED, EXPIRED, USED)}, "what is over stays over"


@given(st.binary(min_size=32, max_size=32))
def test_a_box_key_is_typed_as_it_was_made(key: bytes) -> None:
    from appliance.field import officers

    text = officers.enrolment(key)
    assert len(text) == 52 and set(text) <= set(codes.CROCKFORD)
    number = 0
    for c in text[:51]:
        number = number << 5 | codes.CROCKFORD.index(c)
    assert (number << 1 | codes.CROCKFORD.index(text[51]) >> 4).to_bytes(32, "big") == key


def test_what_looks_alike_is_alike() -> None:
    assert codes.typed(" oIl1-abcd \n") == "0111ABCD"


def test_wrong_tries_cost_time() -> None:
    assert [wait_s([NOW] * n, NOW) for n in range(8)] == [0, 0, 0, 30, 60, 120, 240, 480]
    assert wait_s([NOW] * 30, NOW) == 900
    assert wait_s([NOW] * 4, NOW + 61) == 0
    assert wait_s([NOW - 90_000] * 9, NOW) == 0
