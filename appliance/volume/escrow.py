"""Whether the recovery key of the state volume is in the bank's safe. What is kept of it is a digest: whoever reads it learns nothing.

The key has 256 random bits, so that a plain digest is enough to know it again. A key whose escrow nobody confirmed is replaced at the next start and
shown again, so that none is ever both lost and trusted. Trust: members of the group `casemate` could mark it confirmed; they would gain that no
new one is shown.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from appliance import atomic
from appliance.errors import Error

PLACE: Final = "recovery/key.json"  # below the state folder
DOMAIN: Final = b"casemate recovery key\0"


def normal(text: str) -> str:
    """A recovery key as it was shown, from what a person typed: any case, with or without dashes and spaces."""
    letters = re.sub(r"[\s-]", "", text).lower()
    return "-".join(letters[n : n + 8] for n in range(0, len(letters), 8))


def digest(key: str) -> str:
    return hashlib.sha256(DOMAIN + key.encode()).hexdigest()


@dataclass(frozen=True)
class Escrow:
    """What is known of the key in force. Times in ms since 1970; `confirmed_ms` 0: not yet."""

    sha256: str
    made_ms: int
    confirmed_ms: int = 0
    confirmed_by: str = ""

    @classmethod
    def of(cls, home: Path) -> Escrow | None:
        """What the state folder says; None when there is no key or it cannot be read."""
        try:
            said = json.loads((home / PLACE).read_text(encoding="utf-8"))
            return cls(str(said["sha256"]), int(said["made_ms"]), int(said["confirmed_ms"]), str(said["confirmed_by"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def confirmed(self, typed: str, who: str, at_ms: int) -> Escrow:
        """The same key, confirmed by somebody who typed it from where it is kept. Raises Error `key_refused` for another."""
        if not hmac.compare_digest(digest(normal(typed)), self.sha256):
            raise Error(
                "key_refused",
                "that is not the recovery key of this box",
                "type what the screen showed when the box was last started; a later start shows a new one",
            )
        return Escrow(self.sha256, self.made_ms, at_ms, who)

    def write(self, home: Path) -> None:
        """Replaces what the state folder says, whole."""
        path = home / PLACE
        path.parent.mkdir(mode=0o770, exist_ok=True)
        atomic.write(path, json.dumps(asdict(self)))
