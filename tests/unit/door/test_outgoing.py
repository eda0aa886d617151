"""The lines of letters, with the time passed in: in order, tried again without a storm, never stuck behind one letter."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.door.book import Gone, Letter
from appliance.door.outgoing import AGAIN, ASIDE, DONE, Outgoing, meaning
from appliance.limits import DOOR_LETTERS_HELD, DOOR_LETTERS_LATER, DOOR_RETRY_S_MAX

ROK, RSYSERR, RMSGQFUL, RTHROTTLED, RX_T, RX_P, RX_R = 0, 0x08, 0x14, 0x58, 0x64, 0x65, 0x66


class Shelf:
    """A book in memory."""

    def __init__(self, count: int = 0, account: int = 1) -> None:
        self.letters = [Letter(n, account, b"", 4, 0, "", "", "", 1, b"", b"", 0) for n in range(1, count + 1)]
        self.read = 0

    def page(self, account: int, after: int, limit: int) -> list[Letter]:
        found = [letter for letter in self.letters if letter.account == account and letter.n > after][:limit]
        self.read += len(found)
        return found


def numbers(letters: list[Letter]) -> list[int]:
    return [letter.n for letter in letters]


@pytest.mark.parametrize(
    ("status", "what"),
    [
        *((ROK, DONE), (RSYSERR, AGAIN), (RMSGQFUL, AGAIN), (RTHROTTLED, AGAIN), (RX_T, AGAIN), (0xFF, AGAIN)),
        *((RX_P, ASIDE), (RX_R, ASIDE), (0x01, ASIDE), (0x0B, ASIDE)),
        *((0x400, AGAIN), (0x110, AGAIN), (0xFFFFFFFF, AGAIN)),
    ],
)
def test_only_what_the_specification_calls_permanent_is(status: int, what: str) -> None:
    assert meaning(status) == what


def test_letters_go_in_order_as_there_is_room_and_two_binds_share_them() -> None:
    out = Outgoing(Shelf(10).page)
    first, second = out.take(1, 3, 0.0), out.take(1, 4, 0.0)
    assert numbers(first) == [1, 2, 3] and numbers(second) == [4, 5, 6, 7]
    for letter in reversed(first + second):
        out.settled(letter, ROK, 0.0)
    assert sorted(numbers(out.drain()[0])) == list(range(1, 8)) and out.drain() == ([], [])
    assert numbers(out.take(1, 99, 0.0)) == [8, 9, 10] and out.take(1, 99, 0.0) == []
    assert out.wait_s(1, 0.0) is None and out.wait_s(2, 0.0) == 0.0


def test_a_million_letters_are_not_held_in_memory() -> None:
    shelf = Shelf(5_000)
    out = Outgoing(shelf.page)
    taken = 0
    while letters := out.take(1, 10, 0.0):
        taken += len(letters)
        for letter in letters:
            out.settled(letter, ROK, 0.0)
        assert out.held() <= DOOR_LETTERS_HELD
    assert taken == shelf.read == 5_000


def test_a_system_that_cannot_take_now_gets_the_same_letters_in_order_after_a_pause() -> None:
    out = Outgoing(Shelf(5).page)
    for letter in out.take(1, 3, 0.0):
        out.settled(letter, RMSGQFUL, 0.0)
    assert out.take(1, 3, 0.9) == [] and out.wait_s(1, 0.0) == 1.0
    (alone,) = out.take(1, 3, 1.0)
    assert alone.n == 1 and out.take(1, 3, 1.0) == [], "one asks whether it is well again"
    out.settled(alone, ROK, 1.0)
    assert numbers(out.take(1, 9, 1.0)) == [2, 3, 4, 5]


def test_pauses_double_to_five_minutes_and_nothing_is_tried_in_between() -> None:
    out = Outgoing(Shelf(2_000).page)
    now, tries = 0.0, []
    while now < 7_200.0:
        for letter in out.take(1, 10, now):
            tries.append((now, letter.n))
            out.settled(letter, RTHROTTLED, now)
        wait = out.wait_s(1, now)
        assert wait is not None and wait >= 0.0
        now += max(wait, 0.001)
    by_letter: dict[int, list[float]] = {}
    for at, n in tries:
        by_letter.setdefault(n, []).append(at)
    gaps = [b - a for times in by_letter.values() for a, b in pairwise(times)]
    assert min(gaps) >= 1.0, "less than one try a second and letter"
    assert len([at for at, _ in tries if at > 3_600]) < 600
    begun, over = now, 0
    while over < 2_000:
        for letter in out.take(1, 10, now):
            out.settled(letter, ROK, now)
        over += len(out.drain()[0])
        now += max(out.wait_s(1, now) or 0.0, 0.001)
    assert now - begun <= 2 * DOOR_RETRY_S_MAX, "a system that is well again waits ten minutes at most"


def test_one_letter_that_fails_does_not_hold_up_the_others_for_ever() -> None:
    out = Outgoing(Shelf(50).page)
    now, tries = 0.0, 0
    taken: list[int] = []
    while len(taken) < 49 and now < 60.0:
        for letter in out.take(1, 5, now):
            tries += letter.n == 3
            out.settled(letter, RX_T if letter.n == 3 else ROK, now)
            taken += [letter.n] if letter.n != 3 else []
        now += max(out.wait_s(1, now) or 0.0, 0.01)
    assert taken == [n for n in range(1, 51) if n != 3] and now < 20.0 and tries <= 8
    for at in (now, now + 600.0, now + 1_200.0):
        for letter in out.take(1, 5, at):
            out.settled(letter, ROK, at)
    assert 3 in numbers(out.drain()[0]), "and it is not forgotten"


def test_what_is_refused_for_good_is_set_aside_and_does_not_pause() -> None:
    out = Outgoing(Shelf(3).page)
    first, second, third = out.take(1, 3, 0.0)
    out.settled(second, RX_P, 0.0)
    out.settled(first, ROK, 0.0)
    out.unreadable(third, "key_missing")
    done, aside = out.drain()
    assert numbers(done) == [1]
    assert [(letter.n, why) for letter, why in aside] == [(2, "ESME_RX_P_APPN"), (3, "key_missing")]
    out.undrain(done, aside)
    assert out.drain() == (done, aside)


def test_a_lost_bind_gives_its_letters_to_the_next_at_once_and_in_order() -> None:
    out = Outgoing(Shelf(6).page)
    gone, other = out.take(1, 3, 0.0), out.take(1, 1, 0.0)
    out.lost(reversed(gone), 0.0)
    assert numbers(out.take(1, 9, 0.0)) == [1, 2, 3, 5, 6]
    out.settled(other[0], ROK, 0.0)
    assert numbers(out.drain()[0]) == [4]


def test_a_letter_that_ends_every_bind_waits_alone_in_the_end() -> None:
    out = Outgoing(Shelf(3).page)
    now = 0.0
    taken: list[int] = []
    for _ in range(8):
        letters = out.take(1, 10, now)
        if 1 in numbers(letters):
            out.lost(letters, now)
        else:
            taken += numbers(letters)
            for letter in letters:
                out.settled(letter, ROK, now)
    assert taken == [2, 3]


def test_what_was_forgotten_goes_out_no_more_and_its_answer_is_nobodys() -> None:
    out = Outgoing(Shelf(6).page)
    first, second = out.take(1, 2, 0.0)
    out.settled(first, ROK, 0.0)
    out.forget([Gone(1, 1), Gone(2, 1), Gone(4, 1)])
    out.settled(second, ROK, 0.0)
    assert out.drain() == ([], []) and numbers(out.take(1, 9, 0.0)) == [3, 5, 6]


def test_what_was_brought_back_keeps_its_old_place_and_nothing_goes_twice() -> None:
    shelf = Shelf(8)
    out = Outgoing(shelf.page)
    letters = out.take(1, 4, 0.0)
    for letter in letters[:2]:
        out.settled(letter, ROK if letter.n == 1 else RX_P, 0.0)
    out.drain()
    shelf.letters = [letter for letter in shelf.letters if letter.n != 1]  # 2 was set aside and is due again
    out.again(1)
    assert numbers(out.take(1, 9, 0.0)) == [2, 5, 6, 7, 8]


def test_an_account_without_a_bind_holds_no_memory_and_starts_where_it_was() -> None:
    shelf = Shelf(600)
    out = Outgoing(shelf.page)
    letters = out.take(1, 2, 0.0)
    out.settled(letters[0], ROK, 0.0)
    out.released(1)
    assert out.held() > 0, "not while something is under way or to be written down"
    out.returned(letters[1:])
    shelf.letters = shelf.letters[1:]
    out.drain()
    out.released(1)
    assert out.held() == 0 and numbers(out.take(1, 2, 0.0)) == [2, 3]


def test_letters_that_wait_alone_are_bounded() -> None:
    out = Outgoing(Shelf(2_000).page)
    now = 0.0
    for _ in range(3_000):
        letters = out.take(1, 50, now)
        for letter in letters:
            out.lost([letter], now)
        now += 0.001
    line = out._lines[1]
    assert len(line.later) <= DOOR_LETTERS_LATER + 50


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from([ROK, ROK, ROK, RX_T, RX_P, -1, -2])), max_size=150))
def test_no_letter_is_lost_or_goes_twice_whatever_systems_answer(script: list[tuple[int, int]]) -> None:
    shelf = Shelf(40)
    out = Outgoing(shelf.page)
    now, over = 0.0, []
    for room, status in script:
        letters = out.take(1, room, now)
        assert numbers(letters) == sorted(numbers(letters)) or out._lines[1].attempts
        if status == -1:
            out.lost(letters, now)
        elif status == -2:
            out.returned(letters)
        else:
            for letter in letters:
                out.settled(letter, status, now)
        done, aside = out.drain()
        over += numbers(done) + [letter.n for letter, _ in aside]
        now += 1.0
    while len(over) < 40:
        now += 301.0
        for letter in out.take(1, 10, now):
            out.settled(letter, ROK, now)
        over += numbers(out.drain()[0])
        assert now < 100_000.0
    assert sorted(over) == list(range(1, 41))
