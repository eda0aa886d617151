"""From an error's code to an exit code: 1 when the appliance or the world is at fault, 2 when the person who called can mend it."""

from __future__ import annotations

import sys
from typing import Final

import click

from appliance.errors import CODES, Error

FAULT: Final = 1
MISTAKE: Final = 2

#: Codes that a person mends by calling again with something else, or by changing the settings.
MISTAKES: Final = frozenset(
    {
        "invalid",
        "settings_invalid",
        "unsafe_listen",
        "address_in_use",
        "already_running",
        "token_missing",
        "pin_invalid",
        "mechanism_missing",
        "sqlite_too_old",
    }
)

EXITS: Final[dict[str, int]] = {code: MISTAKE if code in MISTAKES else FAULT for code in CODES}

assert set(CODES) >= MISTAKES


def tell(error: Error) -> int:
    """Writes message, code and hint on stderr; the exit code."""
    click.echo(f"casemate: {error.message} [{error.code}]", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)
    sys.stderr.flush()
    return EXITS[error.code]
