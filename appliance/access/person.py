"""One person of the console, and the account that lies in an envelope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GLASS: Final = "breakglass"  # name of the account whose password lies in an envelope
SEALED: Final = "sealed"
OPENED: Final = "opened"  # it was used: it opens nothing until it is sealed anew
COLUMNS: Final = "id, name, role, created_ms, password_ms, disabled_ms, glass, glass_ms, source, language"
OIDC: Final = "sign-on"  # whose name and role are those of the bank's OpenID provider
DIRECTORY: Final = "directory"  # whose password and role are the bank's directory's


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the console. Times are Unix milliseconds."""

    id: int
    name: str
    role: str
    created_ms: int
    password_ms: int
    disabled_ms: int | None = None
    glass: str = ""  # of the break-glass account: SEALED or OPENED
    glass_ms: int | None = None  # since when
    source: str = ""  # who keeps password and role: "" the console, DIRECTORY or OIDC the bank's
    language: str = ""  # tag of what the person chose to read the console in; "": nothing
