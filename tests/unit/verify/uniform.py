"""A million codes out of random octets: are digits and pairs equally likely at each place? `python -m tests.unit.verify.uniform [CODES]`."""

from __future__ import annotations

import os
import sys
from collections import Counter

from appliance.verify import code_of

from .test_codes import chi_square

#: Beyond these in one case of a thousand, with 9 and 99 degrees of freedom.
DIGITS_MOST, PAIRS_MOST = 27.9, 148.2
OCTETS = 1 << 20


def main(count: int) -> int:
    """How many of the eleven figures are beyond their bound: none in 989 runs of a thousand."""
    codes: list[str] = []
    while len(codes) < count:
        octets, at = os.urandom(OCTETS), 0
        while len(codes) < count and (found := code_of(octets[at : at + 64], 6)):
            codes.append(found[0])
            at += found[1]
    beyond = 0
    for width, cells, most in ((1, 10, DIGITS_MOST), (2, 100, PAIRS_MOST)):
        for place in range(7 - width):
            found_square = chi_square(Counter(code[place : place + width] for code in codes), cells)
            beyond += found_square > most
            print(f"place {place + 1}, {width} digits: chi-square {found_square:.1f} (bound {most})")
    print(f"{len(codes):,} codes, {beyond} beyond their bound")
    return beyond


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000) > 1)
