"""Codes: every digit equally likely, of the length asked for, each octet used once, and none without the HSM."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import pytest

from appliance.errors import Error
from appliance.limits import CODE_DIGITS_MAX, CODE_DIGITS_MIN, CODE_OCTETS_AT_ONCE
from appliance.verify import Drawing, code_of


def octets_of(seed: str, count: int) -> bytes:
    """The same octets each time, as random as SHAKE-256 makes them."""
    return hashlib.shake_256(seed.encode()).digest(count)


def chi_square(counts: Counter[str], cells: int) -> float:
    expected = sum(counts.values()) / cells
    return sum((n - expected) ** 2 / expected for n in counts.values()) + expected * (cells - len(counts))


def test_digits_are_uniform_at_each_place_and_in_pairs() -> None:
    octets, codes = octets_of("digits", 150_000), []
    at = 0
    while found := code_of(octets[at : at + 64], 6):
        codes.append(found[0])
        at += found[1]
    assert len(codes) > 20_000
    for place in range(6):
        # 9 degrees of freedom: beyond 27.9 in one case of a thousand
        assert chi_square(Counter(code[place] for code in codes), 10) < 27.9
    for place in range(5):
        # 99 degrees of freedom: beyond 148.2 in one of a thousand
        assert chi_square(Counter(code[place : place + 2] for code in codes), 100) < 148.2


def test_what_would_make_small_digits_likelier_is_thrown_away() -> None:
    assert code_of(bytes([250, 251, 252, 253, 254, 255, 249, 0, 10, 25]), 4) == ("9005", 10)
    assert code_of(bytes([250] * 100), 4) is None and code_of(b"\1\2\3", 4) is None
    every = Counter(code_of(bytes([octet] * 4), 4) for octet in range(250))
    assert set(every.values()) == {25} and len(every) == 10


@pytest.mark.parametrize("digits", range(CODE_DIGITS_MIN, CODE_DIGITS_MAX + 1))
def test_a_code_is_as_long_as_asked(digits: int) -> None:
    found = code_of(octets_of("x", 64), digits)
    assert found is not None and len(found[0]) == digits and found[0].isdigit() and found[0].isascii()


def test_no_octet_makes_two_codes_and_a_batch_makes_many() -> None:
    asked: list[int] = []
    source = octets_of("batches", 40 * CODE_OCTETS_AT_ONCE)

    async def random(octets: int) -> bytes:
        asked.append(octets)
        await asyncio.sleep(0)
        at = sum(asked) - octets
        return source[at : at + octets]

    async def many() -> list[str]:
        drawing = Drawing(random)
        together = await asyncio.gather(*(drawing.code(6) for _ in range(20)))
        return [*together, *[await drawing.code(6) for _ in range(2_000)]]

    codes = asyncio.run(many())
    flat = "".join(str(octet % 10) for octet in source if octet < 250)
    assert "".join(codes) in flat, "in order, none twice"
    assert set(asked) == {CODE_OCTETS_AT_ONCE}


def test_without_the_hsm_there_is_no_code() -> None:
    async def away(octets: int) -> bytes:
        raise Error("peer_unavailable", "keys is gone", process="keys")

    async def short(octets: int) -> bytes:
        return b"1234"

    for random in (away, short):
        with pytest.raises(Error) as caught:
            asyncio.run(Drawing(random).code(6))
        assert caught.value.code == "hsm_unavailable"
