"""Boot entries on the EFI system partition and their counters, as file names say them. Pure: names in, names out.

A unified kernel image is `casemate_VERSION+LEFT-DONE.efi` while it is on trial, without a counter once it was found good, and with
LEFT 0 when it used up its tries (UAPI.1 Boot Loader Specification, "Boot counting"; systemd-boot(7)). These names are the only
record of what may be booted: there is no second file that could disagree with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from .version import Version, is_version, version

PRODUCT: Final = "casemate"
TRIES_MAX: Final = 9
_NAME: Final = re.compile(rf"{PRODUCT}_([0-9.]{{1,32}}?)(?:\+([0-9]{{1,3}})(?:-([0-9]{{1,3}}))?)?\.efi", re.ASCII)


class Entry(NamedTuple):
    """One entry. `left` None: without a counter, it was found good."""

    version: str
    left: int | None = None
    done: int = 0

    @property
    def name(self) -> str:
        if self.left is None:
            return f"{PRODUCT}_{self.version}.efi"
        return f"{PRODUCT}_{self.version}+{self.left}-{self.done}.efi"

    @property
    def order(self) -> Version:
        return version(self.version)

    @property
    def bad(self) -> bool:
        return self.left == 0


def entry(name: str) -> Entry | None:
    """The entry that a file is, or None when the name is not one of ours."""
    found = _NAME.fullmatch(name)
    if found is None or not is_version(found[1]):
        return None
    return Entry(found[1], None if found[2] is None else int(found[2]), int(found[3] or 0))


def entries(names: Iterable[str]) -> list[Entry]:
    """Ours, in the order in which systemd-boot tries them: those with tries left or good first, then newest first."""
    found = [e for e in map(entry, names) if e is not None]
    return sorted(found, key=lambda e: (e.bad, tuple(-n for n in e.order), e.name))


def chosen(found: Iterable[Entry]) -> Entry | None:
    """What systemd-boot starts by itself: the first of `entries`."""
    ordered = entries(e.name for e in found)
    return ordered[0] if ordered else None


def fresh(text: str, tries: int) -> Entry:
    """A release that was just written: `tries` starts to prove itself."""
    assert 1 <= tries <= TRIES_MAX and is_version(text)
    return Entry(text, tries, 0)


def started(e: Entry) -> Entry:
    """What the boot loader renames it to before it starts it."""
    return e if e.left is None or e.left == 0 else Entry(e.version, e.left - 1, e.done + 1)


def blessed(e: Entry) -> Entry:
    """Found good: the counter goes (systemd-bless-boot.service(8) does the same)."""
    return Entry(e.version)


def condemned(e: Entry) -> Entry:
    """Withdrawn by a person, or failed: no tries left, so the boot loader takes it only when nothing else is there."""
    return Entry(e.version, 0, max(1, e.done))
