"""Shares on paper and what their key opens: any M of N, one character wrong in a line, a set exchanged, a backup changed."""

from __future__ import annotations

import itertools

import pytest

from appliance.errors import Error
from appliance.keys import custody
from appliance.keys.custody import Copies

KEY = bytes(range(32))


def refused(code: str, call: object, *given: object) -> Error:
    with pytest.raises(Error) as caught:
        call(*given)  # type: ignore[operator]
    assert caught.value.code == code
    return caught.value


def test_any_m_of_n_give_the_key_and_fewer_do_not() -> None:
    shares = custody.split(KEY, 3, 5, "ab12")
    for some in itertools.permutations(shares, 3):
        assert custody.joined(list(some)) == KEY
    fewer = [s._replace(needed=2) for s in shares[:2]]
    assert custody.joined(fewer) != KEY
    assert all(half not in KEY for s in shares for half in (s.octets[:16], s.octets[16:])), (
        "no share is a part of the key"
    )
    assert "ab12" in repr(shares[0]) and shares[0].octets.hex() not in repr(shares[0])


@pytest.mark.parametrize(("needed", "custodians"), [(1, 3), (2, 1), (4, 3), (2, 17), (0, 0)])
def test_one_alone_is_no_quorum(needed: int, custodians: int) -> None:
    refused("invalid", custody.split, KEY, needed, custodians, "ab12")


def test_a_share_is_read_as_it_was_written() -> None:
    for share in custody.split(KEY, 2, 16, custody.new_set()):
        lines = custody.written(share)
        assert [len(line) for line in lines] == [21] * 4, "three groups, and check characters"
        assert custody.read(lines) == share
        assert custody.read([line.lower().replace("0", "o").replace("1", "l") for line in lines]) == share
        assert custody.checks(lines).split() == [line[-2:] for line in lines]


def test_a_wrong_character_is_noticed_in_its_line() -> None:
    # A share that is the same at every run: of a thousand drawn by chance one would pass somewhere.
    lines = custody.written(custody.Share("ab12", 1, 2, KEY))
    unnoticed = 0
    for at in [n for n, c in enumerate(lines[1]) if c != " "]:
        other = "A" if lines[1][at] != "A" else "B"
        changed = [lines[0], lines[1][:at] + other + lines[1][at + 1 :], *lines[2:]]
        try:
            custody.read(changed)
            unnoticed += 1
        except Error as e:
            assert "line 2" in e.message
    assert unnoticed <= 1, "one in a thousand passes the two check characters"
    assert "line 1" in refused("invalid", custody.read, [lines[1], lines[0], *lines[2:]]).message, (
        "lines have their place"
    )
    refused("invalid", custody.read, lines[:3])
    refused("invalid", custody.read, ["", "", "", ""])


def test_copies_are_vouched_for_by_the_key_alone() -> None:
    copies = Copies("ab12", 2, 3, 1, "aes-kw", "aes-gcm", {"root": b"x" * 40}, custody.pin_sealed("1234", KEY))
    octets = custody.packed(copies, KEY)
    assert custody.genuine(octets, KEY) == custody.unpacked(octets) == copies
    refused("key_refused", custody.genuine, octets, bytes(32))
    for old, new in ((b'"needed": 2', b'"needed": 1'), (b"78787878", b"79787878"), (b'"root"', b'"toor"')):
        assert old in octets
        refused("key_refused", custody.genuine, octets.replace(old, new, 1), KEY)
    for broken in (b"", b"{}", b"[]", octets[:-9], octets.replace(b'"form": 1', b'"form": 2')):
        refused("file_invalid", custody.unpacked, broken)


def test_a_pin_opens_with_its_key_only_and_does_not_tell_its_length() -> None:
    short, long = custody.pin_sealed("1234", KEY), custody.pin_sealed("a much longer pin", KEY)
    assert (custody.pin_opened(short, KEY), custody.pin_opened(long, KEY)) == ("1234", "a much longer pin")
    assert len(short) == len(long)
    refused("key_refused", custody.pin_opened, short, bytes(32))
    refused("key_refused", custody.pin_opened, b"", KEY)
