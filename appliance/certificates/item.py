"""What the register holds: one row for each certificate, key and secret, with who answers for it, until when, and how it is replaced."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

CERTIFICATE: Final = "certificate"
AUTHORITY: Final = "authority"
KEY: Final = "key"
SECRET: Final = "secret"

#: Kinds whose end is told beforehand; the others are replaced by the box itself, or end with what they belong to.
TOLD: Final = frozenset({CERTIFICATE, AUTHORITY, SECRET})


class Item(NamedTuple):
    """`id` is the same as long as the thing has the same place; `fingerprint` changes when it is replaced. Times in ms, 0: none."""

    id: str
    kind: str
    purpose: str
    owner: str
    where: str
    created_ms: int
    expires_ms: int
    replaced_by: str
    state: str = ""
    subject: str = ""
    fingerprint: str = ""
    problem: str = ""
    told: bool = False  # whether its end is told beforehand

    def shown(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if name != "told"}


def owner_of(item_id: str, owners: list[str]) -> str:
    """Who answers for it: the longest `ID OR ITS BEGINNING: OWNER` of the setting register.owners that fits; empty when none does."""
    best = ""
    said = ""
    for line in owners:
        begins, _, owner = line.partition(":")
        if item_id.startswith(begins.strip()) and len(begins.strip()) >= len(best) and owner.strip():
            best, said = begins.strip(), owner.strip()
    return said
