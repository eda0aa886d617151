"""One worker for one act, outside the pool: a token opened before it holds keys, a PIN tried once, keys brought into another token.

Says nothing to the pool and leaves no worker behind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from .bounds import OPEN_S_MAX
from .errors import HsmError
from .pin import Refused, identity
from .place import Place
from .seat import Lost, Seat
from .softhsm import SoftHsm, find_module, pin_path

ACT_S_MAX: Final = 60.0  # a key in a network HSM takes seconds to make, and each is made, wrapped and proven


class Visit:
    """An open token; `opened` is what it said of itself."""

    def __init__(self, seat: Seat, opened: dict[str, Any]) -> None:
        self.seat = seat
        self.opened = opened

    async def ask(self, op: str, **given: Any) -> Any:
        """Raises HsmError."""
        try:
            return await self.seat.ask(op, given, ACT_S_MAX)
        except Lost as e:
            raise HsmError(
                "hsm_unavailable", f"the HSM does not answer: {e}", "look at the HSM, then try again"
            ) from None


@contextlib.asynccontextmanager
async def visit(place: Place, pin: str = "") -> AsyncIterator[Visit]:
    """Logs in once, with `pin` or else the PIN file's; raises HsmError. The embedded token is made if there is none yet."""
    embedded = None if place.module else SoftHsm(place.folder)
    module, environment, so_pin = place.module, {}, ""
    if embedded is not None:
        module = str(find_module())
        embedded.prepare(with_pin=not pin)
        environment = embedded.environment
        so_pin = "" if embedded.initialised.exists() else str(embedded.so_pin)
    refused, pin_file = (
        Refused(place.folder),
        None if pin else pin_path(place.pin_file, embedded, credential=place.credential),
    )
    tried = ""
    if pin_file is not None:
        before = refused.check(pin_file)
        if before is not None:
            raise before
        tried = identity(pin_file)
    given = {
        "module": module,
        "init_string": place.init_string,
        "label": place.label,
        "pin_file": str(pin_file or ""),
        "pin": pin,
        "so_pin_file": so_pin,
        "replicable": place.replicable,
    }
    seat = Seat(0)
    try:
        try:
            await seat.start(environment)
            opened = await seat.ask("open_empty", given, max(place.open_s_max, OPEN_S_MAX))
        except Lost as e:
            raise HsmError(
                "hsm_unavailable", f"the HSM cannot be opened: {e}", "look at the HSM, then try again"
            ) from None
        except HsmError as e:
            if e.code == "pin_invalid" and tried:
                refused.remember(tried)
            raise
        if embedded is not None and not embedded.initialised.exists():
            embedded.remember(opened["serial"], keep_so_pin=not pin)
        yield Visit(seat, opened)
    finally:
        with contextlib.suppress(ProcessLookupError):
            await asyncio.shield(seat.end(politely=True))
