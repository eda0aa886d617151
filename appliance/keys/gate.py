"""Whether the token is open: at start by itself, or sealed until a person types the PIN or enough custodians enter their shares.

A PIN typed wrong is counted before it is tried, on disk, so that neither retries nor restarts ever lock a token. Unsealing, its failure and
sealing go to the outbox of the key store, which needs no token: what happened while it was sealed is on the record like everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from appliance.errors import Error
from appliance.limits import PIN_CHARACTERS_MAX, UNSEAL_TRIES_MAX
from hsm import HsmError, Pair, Place, Pool, visit

EMPTY: Final = "empty"  # no keys were made: a ceremony makes or restores them
SEALED: Final = "sealed"
OPEN: Final = "open"

MADE: Final = "keys made"
UNSEAL: Final = "unseal"
SEAL: Final = "seal"

TABLE: Final[dict[tuple[str, str], str]] = {(EMPTY, MADE): OPEN, (SEALED, UNSEAL): OPEN, (OPEN, SEAL): SEALED}

#: How the token is opened at a start: setting `hsm.opened_by`.
BY_PIN: Final = "pin"
BY_PERSON: Final = "person"
BY_CUSTODIANS: Final = "custodians"

WHY: Final[dict[str, HsmError]] = {
    EMPTY: HsmError(
        "sealed",
        "the box has no keys yet: a ceremony makes or restores them",
        "`casemate ceremony run initialise`, or `restore`",
    ),
    SEALED: HsmError("sealed", "the token is sealed", "`casemate keys unseal`"),
}


class Note(Protocol):
    """Puts an entry on the record, durable on return."""

    def __call__(self, what: str, on: str, outcome: str = "ok", **detail: str | int | bool) -> None: ...


class Gate:
    """`opened_by` and `first_keys` are the settings of those names; `forget` drops what was unwrapped."""

    def __init__(
        self,
        place: Place,
        pool: Pool | Pair,
        note: Note,
        forget: Callable[[], None],
        opened_by: str,
        awaits_ceremony: bool,
    ) -> None:
        self.place = place
        self.pool = pool
        self.note = note
        self.forget = forget
        self.opened_by = opened_by
        self.awaits_ceremony = awaits_ceremony
        self.state = OPEN
        self.lock = asyncio.Lock()
        self.tries = Tries(place.folder / "unseal-tries")
        self._mark = place.folder / "sealed"  # sealed by a person: a restart does not open it

    def start(self, keys_exist: bool) -> None:
        """Opens the token, or says what it waits for."""
        if self.awaits_ceremony and not keys_exist:
            self.state = EMPTY
        elif self.opened_by != BY_PIN or self._mark.exists():
            self.state = SEALED
        if self.state == OPEN:
            self.pool.start()
        else:
            self.pool.wait_for(WHY[self.state])

    async def unseal(self, who: str, pin: str, once_more: bool = False, by_shares: bool = False) -> None:
        """Opens the token with `pin`, or with the PIN file's when that is how it is opened. Raises Error."""
        async with self.lock:
            self.need(SEALED)
            if self.opened_by == BY_CUSTODIANS and not by_shares:
                raise Error(
                    "forbidden", "the custodians open this token, together", "`casemate keys unseal --share`, each one"
                )
            if self.opened_by == BY_PIN:
                pin = ""
            elif not 0 < len(pin) <= PIN_CHARACTERS_MAX:
                raise Error("invalid", f"a PIN has 1 to {PIN_CHARACTERS_MAX} characters")
            try:
                await self.tried(pin, once_more)
            except (Error, HsmError) as e:
                outcome = "refused" if e.code == "pin_invalid" else "failed"
                self.note("hsm.unsealed", "token:hsm", outcome, by=who, code=e.code)
                raise
            self.note("hsm.unsealed", "token:hsm", by=who)
            self.open(pin, UNSEAL)

    async def tried(self, pin: str, once_more: bool = False) -> None:
        """Logs in and out with a PIN of people's, or the PIN file's if it is empty: once. Raises Error and HsmError."""
        if not pin:
            async with visit(self.place):
                return
        self.tries.begin(once_more)
        try:
            async with visit(self.place, pin):
                pass
        except HsmError as e:
            if e.code != "pin_invalid":
                self.tries.take_back()
            raise
        self.tries.clear()

    def open(self, pin: str, heard: str) -> None:
        """After the PIN was tried."""
        self.state = TABLE[self.state, heard]
        with contextlib.suppress(FileNotFoundError):
            self._mark.unlink()
        self.pool.start("" if self.opened_by == BY_PIN else pin)

    async def seal(self, who: str) -> None:
        """Ends every worker and forgets the PIN and every key unwrapped here; a restart does not open it. One person may: it only takes away."""
        async with self.lock:
            self.need(OPEN)
            self.note("hsm.sealed", "token:hsm", by=who)
            self._mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._mark.touch(mode=0o600)
            self.state = TABLE[self.state, SEAL]
            await self.pool.stop(WHY[SEALED])
            self.forget()

    def need(self, state: str) -> None:
        """Raises Error `key_state` unless the token is so."""
        if self.state != state:
            told = {
                EMPTY: "the box has no keys yet",
                SEALED: "the token is sealed",
                OPEN: "the token is open, and has its keys",
            }
            raise Error("key_state", told[self.state], "see `casemate keys list` and `casemate status`")

    def told(self) -> dict[str, Any]:
        """For `casemate status` and the console."""
        return {"gate": self.state, "opened_by": self.opened_by, "wrong_pins": self.tries.count()}


class Tries:
    """Wrong PINs in a row, on disk: counted before the token is asked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def count(self) -> int:
        try:
            return int(self.path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            return UNSEAL_TRIES_MAX

    def begin(self, once_more: bool) -> None:
        """Counts a try that is about to be made. Raises Error `pin_invalid` when there were too many, and nobody insists."""
        count = self.count()
        if count >= UNSEAL_TRIES_MAX and not once_more:
            raise Error(
                "pin_invalid",
                f"{count} wrong PINs in a row: no more are tried, so that the token is not locked",
                "ask the HSM how many tries it has left, then `casemate keys unseal --once-more`",
            )
        self._write(count + 1)

    def take_back(self) -> None:
        """The token never judged the PIN."""
        self._write(max(0, self.count() - 1))

    def clear(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def _write(self, count: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self.path.write_text(str(count), encoding="ascii")
        except OSError as e:
            raise Error(
                "store_full", f"the tries cannot be counted ({e.strerror}), so none is made", "check free space"
            ) from None
