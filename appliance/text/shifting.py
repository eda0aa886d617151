"""A long text in fewer parts by national language tables (3GPP TS 23.038 section 6.2.1.2), where a link may use them.

Each part says its tables in its header: a locking shift (IE 0x25) for the default alphabet, a single shift (IE 0x24) for the
extension table; each takes three octets (TS 23.040 sections 9.2.3.24.15 and .16).
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from .clusters import clusters
from .gsm import ALPHABET, EXTENSION
from .languages import LANGUAGES, LOCKING, SINGLE
from .parts import fill_parts

_IE_LOCKING: Final = 0x25
_IE_SINGLE: Final = 0x24
_DEFAULT: Final = {character: septet for septet, character in enumerate(ALPHABET) if character != "\x1b"}
_EXTENSION: Final = {character: septet for septet, character in EXTENSION.items()}


class Way(NamedTuple):
    """Tables that carry a text: language tags, "" for the standard's own; and how many septets it then is."""

    septets: int
    locking: str
    single: str

    def elements(self) -> bytes:
        """The information elements of each part's header."""
        out = b""
        if self.locking:
            out += bytes((_IE_LOCKING, 1, LANGUAGES[self.locking]))
        if self.single:
            out += bytes((_IE_SINGLE, 1, LANGUAGES[self.single]))
        return out

    def units(self, text: str) -> list[list[bytes]]:
        """Septets of each character of each cluster: what may only be parted between two lists."""
        first = LOCKING[self.locking] if self.locking else _DEFAULT
        after = SINGLE[self.single] if self.single else _EXTENSION
        coded = {
            c: bytes((first[c],)) if c in first else bytes((0x1B, after[c])) for c in set(text)
        }  # each character once: a text has few
        return [[coded[c] for c in cluster] for cluster in (clusters(text) or text)]


def ways(text: str, allowed: tuple[str, ...]) -> list[Way]:
    """For each locking table that a link may use, and for none, the cheapest way to say `text`, if there is one.

    With a given locking table every single table that has the rest costs the same; the standard's own has no element and
    comes first. So no other pair can be better. Those without a locking table come first: a handset that does not know a
    single table still shows the rest of the text.
    """
    counts = Counter(text)
    out = []
    for locking in ("", *(tag for tag in allowed if tag in LOCKING)):
        first = LOCKING[locking] if locking else _DEFAULT
        rest = [c for c in counts if c not in first]
        single = next(
            (tag for tag in ("", *allowed) if all(c in (SINGLE[tag] if tag else _EXTENSION) for c in rest)), None
        )
        if single is not None and (locking or single):
            out.append(Way(len(text) + sum(counts[c] for c in rest), locking, single))
    return sorted(out, key=lambda way: (bool(way.locking), way.septets, bool(way.single)))


def shifted(
    text: str, allowed: tuple[str, ...], septets: int, fewer_than: int, bits: int, always_long: bool
) -> tuple[Way, int, list[bytes]] | None:
    """(tables, bits of the reference or 0, septets of each part) in the fewest parts; None when not below `fewer_than`.

    `septets`: of one short message without a header. `bits`: the reference that the link prefers; 16 go down to 8 where
    that saves a part.
    """
    best = None
    for way in ways(text, allowed):
        extra = len(way.elements())
        room = _room(septets, 6 + extra)
        if way.septets <= _room(septets, 1 + extra) and not always_long:
            if fewer_than > 1:
                best, fewer_than = (way, 0, [b"".join(b"".join(u) for u in way.units(text))]), 1
            continue
        if -(-way.septets // room) >= fewer_than:
            continue
        units = way.units(text)
        parts = fill_parts(units, room)
        used = 8
        if bits == 16:
            wide = fill_parts(units, _room(septets, 7 + extra))
            if len(wide) <= len(parts):
                parts, used = wide, 16
        if len(parts) < fewer_than:
            best, fewer_than = (way, used, parts), len(parts)
    return best


def _room(septets: int, header: int) -> int:
    """Septets beside a header of so many octets, its length octet among them."""
    return septets - (8 * header + 6) // 7
