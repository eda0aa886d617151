"""Message ids in the form both sides share: an operator may write one base in the response and another in the receipt.

Each link declares its own; ids are compared within the link, by one canonical text, exactly. Nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from appliance.errors import Error

#: For each `id_base` of a link: the base of the id in the response, and in the receipt; 0 is "text".
ID_BASES: Final[dict[str, tuple[int, int]]] = {
    "as_is": (0, 0),
    "hex_dec": (16, 10),
    "dec_hex": (10, 16),
    "hex": (16, 16),
    "dec": (10, 10),
}

PATTERN_CHARACTERS_MAX: Final = 200
PATTERN_INPUT_MAX: Final = 128  # characters that a pattern is tried on; a longer id is taken as it is
PATTERN_COST_BITS_MAX: Final = 22  # at most 2**22 ways to try a pattern on the longest input: some tens of ms
_REPEAT_BITS: Final = 7  # a `+` may end at each of PATTERN_INPUT_MAX places
assert 1 << _REPEAT_BITS == PATTERN_INPUT_MAX

#: One piece of a pattern: an escape, a class, the opening of a group, a counted repeat, or any character.
_PIECE: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:|\(\?|\{(\d+)(,?)(\d*)\}|.", re.S)


class MessageIds:
    """The canonical form of one link's ids. Raises Error `settings_invalid` for a pattern that is none or too costly."""

    def __init__(self, base: str, case: str, zeros: str, pattern: str) -> None:
        search = id_pattern(pattern).search if pattern else None
        here, there = ID_BASES[base]
        self.response = _canonical(here, case == "ignore", zeros == "ignore", search)
        self.receipt = _canonical(there, case == "ignore", zeros == "ignore", search)


def _canonical(
    radix: int, any_case: bool, any_zeros: bool, search: Callable[[str], re.Match[str] | None] | None
) -> Callable[[str], str]:
    """Decimal digits without leading zeros for what is a number in `radix`; any other text as text.

    Text is compared exactly unless the link says that its case or its zeros do not count; in base 16 its case never
    does, as UUIDs come in both.
    """
    any_case = any_case or radix == 16
    if not (radix or any_case or any_zeros or search):
        return _same

    def canonical(raw: str) -> str:
        if search is not None and len(raw) <= PATTERN_INPUT_MAX:
            found = search(raw)
            raw = (found[1] or raw) if found else raw
        # `int` would also take signs, blanks, underscores and the digits of every script.
        if radix and raw.isalnum() and raw.isascii():
            try:
                return str(int(raw, radix))
            except ValueError:
                pass
        if any_case:
            raw = raw.lower()
        if any_zeros:
            raw = raw.lstrip("0") or raw[:1]
        return raw

    return canonical


def _same(raw: str) -> str:
    return raw


def id_pattern(pattern: str) -> re.Pattern[str]:
    """A link's `id_pattern`, compiled. Raises Error `settings_invalid` when it is none, or could be slow.

    What an operator sends is tried against it a thousand times a second, so the number of ways in which it can be
    tried is bounded: groups are not repeated, and each repeat and each choice counts.
    """

    def wrong(what: str) -> Error:
        return Error(
            "settings_invalid",
            f"id_pattern {what}",
            "a regular expression of up to 200 characters whose first group is the id, such as ^SMSC-([0-9A-F]+)-",
        )

    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise wrong(f"is longer than {PATTERN_CHARACTERS_MAX} characters")
    try:
        compiled = re.compile(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        raise wrong("is no regular expression") from None
    if compiled.groups < 1:
        raise wrong("has no group")
    bits = 0 if pattern.startswith("^") else _REPEAT_BITS
    before = ""
    for piece in _PIECE.finditer(pattern):
        word = piece[0]
        if word == "(?" or (word[0] == "\\" and word[1:].isdigit()):
            raise wrong("looks ahead, looks behind, names a group or refers back to one")
        repeat = word in ("*", "+", "?") or piece[1] is not None
        if repeat and before == ")" and word != "?":
            raise wrong("repeats a group")
        if word in ("*", "+") or (piece[1] is not None and piece[2] and not piece[3]):
            bits += _REPEAT_BITS
        elif piece[1] is not None and piece[2]:
            bits += (int(piece[3]) - int(piece[1]) + 1).bit_length()
        elif word in ("?", "|"):
            bits += 1
        before = word
    if bits > PATTERN_COST_BITS_MAX:
        raise wrong("could take too long: fewer + and *, or ^ at its beginning")
    return compiled


def response_id(raw: str, id_base: str) -> str:
    """The id of a submit_sm_resp in its canonical form, for a link of which only `id_base` is unusual."""
    return _canonical(ID_BASES[id_base][0], False, False, None)(raw)


def receipt_id(raw: str, id_base: str) -> str:
    """The message id of a receipt in the same form, so that the two sides compare equal."""
    return _canonical(ID_BASES[id_base][1], False, False, None)(raw)
