"""The user PIN changed (C_SetPIN): typed by a person, or a new random one for the PIN file.

For a file the new PIN is on the disk before the token has it, and the file's own only afterwards: power that fails in between leaves a box that finds out
which of the two is right (pin.py), and tries none twice.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from .errors import HsmError
from .pin import adopted, upcoming
from .place import Place
from .softhsm import PIN_OCTETS, SoftHsm, pin_path, write_private
from .visit import visit

PIN_CHARACTERS: Final = 32  # of a PIN that nobody types


async def change_typed(place: Place, old: str, new: str) -> None:
    """Raises HsmError: `pin_invalid` for a wrong old one, `invalid` for a new one that the token does not take."""
    async with visit(place, old) as at:
        await at.ask("pin", old=old, new=new, old_file="", new_file="")


async def change_filed(place: Place) -> None:
    """A new random PIN in the token and in its PIN file. Raises HsmError `invalid` where nobody here may write the file."""
    path = filed(place)
    if not os.access(path.parent, os.W_OK):
        hint = (
            "change it with the HSM's tool, then write the new one there (a systemd credential: systemd-creds encrypt)"
        )
        raise HsmError("invalid", "the PIN file is not this box's to write", hint)
    write_private(upcoming(path), secrets.token_urlsafe(PIN_OCTETS)[:PIN_CHARACTERS].encode())
    try:
        async with visit(place) as at:
            await at.ask("pin", old="", new="", old_file=str(path), new_file=str(upcoming(path)))
    except HsmError as e:
        if e.code in ("invalid", "pin_invalid"):  # the token judged: it has the old one
            upcoming(path).unlink(missing_ok=True)
        raise
    adopted(path)


def filed(place: Place) -> Path:
    """The PIN file of a token. Raises HsmError `pin_invalid` for none."""
    return pin_path(place.pin_file, None if place.module else SoftHsm(place.folder), credential=place.credential)
