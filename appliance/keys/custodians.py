"""What custodians hold shares of, in the `keys` process: shares entered one at a time, keys born under them, copies written, proven, replaced.

Shares entered are held in this object's memory only, until they are used or a quarter of an hour has passed. A ceremony that stops in the
middle leaves the box as it was: what it made waits in a file beside, is not in use before it is proven, and is undone by `abort`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.limits import CUSTODY_MS_MAX, PIN_CHARACTERS_MAX
from hsm import HsmError, Pair, Place, Pool, visit, write_private

from . import custody, life
from .custody import Copies, Share
from .gate import BY_CUSTODIANS, BY_PIN, EMPTY, MADE, SEALED, Gate
from .keeper import Keeper
from .records import Records

MAC_LABEL: Final = "casemate mac key v1"
INITIALISE: Final = "initialise"
REPLACE: Final = "replace"
READY_S_MAX: Final = 90.0  # both workers of a network HSM


def root_label(version: int) -> str:
    """Label of a root in the token; the same words as hsm.objects.root."""
    return f"casemate key-encryption key v{version}"


class Pending(NamedTuple):
    """Shares that were made and not yet taken into use."""

    what: str
    key: bytes
    copies: Copies
    shares: dict[int, Share]  # by custodian, each until it was shown
    shown: int
    pin: str

    def __repr__(self) -> str:
        return f"<pending {self.what}>"


class Custodians:
    """`note` puts an entry on the record; `keeper` has register and pool."""

    def __init__(self, keeper: Keeper, gate: Gate, folder: Path, clock: Callable[[], int]) -> None:
        self.keeper = keeper
        self.register = keeper.register
        self.pool = keeper.pool
        self.gate = gate
        self.clock = clock
        self.path = folder / "root-keys.json"
        self.pending_path = folder / "root-keys.pending"
        self.pending: Pending | None = None
        self.proven = False
        self.given: bytes = b""  # copies of another box, for a restore
        self._entered: dict[int, Share] = {}
        self._entered_ms = 0

    # --- shares -------------------------------------------------------------------------------------------

    def copies(self) -> Copies | None:
        """The copies in use: of another box while one is restored, else this box's own."""
        octets = self._octets()
        return custody.unpacked(octets) if octets else None

    def told(self) -> dict[str, Any]:
        """Which set of shares is in use or pending, and how many were entered."""
        self._forget_old()
        pending = self.pending
        copies = pending.copies if pending is not None else self.copies()
        told: dict[str, Any] = {"entered": len(self._entered), "pending": pending.what if pending is not None else ""}
        if copies is not None:
            told |= {"set": copies.set_id, "needed": copies.needed, "custodians": copies.custodians}
            told |= {"made_ms": copies.made_ms, "keys": sorted(copies.wrapped), "pin": bool(copies.pin)}
        return told

    def enter(self, lines: list[str]) -> dict[str, Any]:
        """One custodian's share; how many are there of how many. Raises Error `invalid` and `key_refused`."""
        share, told = custody.read(lines), self.told()
        if "set" not in told:
            raise Error("not_found", "nobody holds shares of this box's keys", "the ceremony `initialise` makes them")
        on = f"share:{share.number}"
        if (share.set_id, share.needed) != (told["set"], told["needed"]) or share.number > told["custodians"]:
            self.gate.note("custody.share_entered", on, "refused", reason="another set")
            raise Error("key_refused", f"this share is of set {share.set_id}; set {told['set']} is in use")
        if self._entered.get(share.number, share) != share:
            self.gate.note("custody.share_entered", on, "refused", reason="two that differ")
            raise Error("key_refused", f"another share of custodian {share.number} was entered before", "start again")
        self.gate.note("custody.share_entered", on)
        self._entered[share.number], self._entered_ms = share, self.clock()
        return {"set": share.set_id, "entered": len(self._entered), "needed": share.needed, "number": share.number}

    def forget(self) -> None:
        self._entered.clear()

    def quorum(self) -> tuple[bytes, Copies]:
        """The custody key that the entered shares give, once it has vouched for the copies; the shares are forgotten either way."""
        key = self._joined()
        return key, custody.genuine(self._octets(), key)

    def _joined(self) -> bytes:
        told = self.told()
        shares = list(self._entered.values())
        if "set" not in told or len(shares) < told["needed"]:
            raise Error(
                "forbidden",
                f"{len(shares)} of {told.get('needed', 0)} shares were entered",
                "each custodian enters theirs",
            )
        self.forget()
        return custody.joined(shares)

    def _octets(self) -> bytes:
        if self.given:
            return self.given
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    def _forget_old(self) -> None:
        if self._entered and self.clock() - self._entered_ms > CUSTODY_MS_MAX:
            self.forget()

    # --- made, shown, proven, taken into use --------------------------------------------------------------

    async def initialise(self, needed: int, custodians: int, pin: str) -> dict[str, Any]:
        """Makes the token's keys under a new custody key. Nothing uses them before `commit`."""
        self._need_empty(pin)
        custody.check_quorum(needed, custodians)
        await self.undo(pin)
        async with visit(self.gate.place, self._own_pin(pin)) as at:
            key = bytes(await at.ask("random", octets=custody.KEY_OCTETS))
            set_id = custody.new_set()
            sealed = custody.pin_sealed(pin, key) if self.gate.opened_by == BY_CUSTODIANS else b""
            blank = Copies(set_id, needed, custodians, self.clock(), "", "", {}, sealed)
            write_private(self.pending_path, custody.packed(blank, key))  # before there is anything to undo
            born = await at.ask("birth", versions=[1], backup_key=custody.derived(key, "keys"))
            copies = blank._replace(way=born["way"], root_way=born["root_way"], wrapped=born["wrapped"])
            write_private(self.pending_path, custody.packed(copies, key))
        self.gate.note(
            "token.initialised", "token:hsm", model=at.opened["model"], keys_made=2, token_made=at.opened["initialised"]
        )
        self._begin(INITIALISE, key, copies, pin)
        return {**self.told(), "model": at.opened["model"], "serial": at.opened["serial"]}

    async def replace(self, needed: int, custodians: int) -> dict[str, Any]:
        """Wraps the copies anew under a new custody key, for new shares. The old ones are in use until `commit`."""
        custody.check_quorum(needed, custodians)
        old_key, old = self.quorum()
        old = self._living(old)
        key = await self.pool.random(custody.KEY_OCTETS)
        under: dict[str, Any] = {
            "backup_key": custody.derived(old_key, "keys"),
            "new_key": custody.derived(key, "keys"),
        }
        under |= {**old.ways, "wrapped": old.wrapped}
        wrapped = await self.pool.call("rewrapped", **under)
        sealed = custody.pin_sealed(custody.pin_opened(old.pin, old_key), key) if old.pin else b""
        new = Copies(custody.new_set(), needed, custodians, self.clock(), old.way, old.root_way, wrapped, sealed)
        write_private(self.pending_path, custody.packed(new, key))
        self._begin(REPLACE, key, new, "")
        return self.told()

    def _begin(self, what: str, key: bytes, copies: Copies, pin: str) -> None:
        shares = {s.number: s for s in custody.split(key, copies.needed, copies.custodians, copies.set_id)}
        self.forget()
        self.pending, self.proven = Pending(what, key, copies, shares, 0, pin), False
        self.gate.note(
            "custody.shares_made", f"set:{copies.set_id}", needed_count=copies.needed, custodian_count=copies.custodians
        )

    def show(self, number: int) -> dict[str, Any]:
        """Custodian `number`'s share: handed out once, then forgotten here."""
        pending = self._pending()
        share = pending.shares.pop(number, None)
        if share is None:
            raise Error("not_found", f"share {number} was shown already, or there is none", "abort, and begin again")
        self.pending = pending._replace(shown=pending.shown + 1)
        lines = custody.written(share)
        self.gate.note("custody.share_shown", f"share:{number}")
        return {"lines": lines, "checks": custody.checks(lines), "set": share.set_id, "needed": share.needed}

    async def prove(self) -> dict[str, Any]:
        """From the shares that were entered, in the token, from a cold start: every copy opens to the key in use under its name."""
        pending = self._pending()
        key = self._joined()
        copies = custody.genuine(self.pending_path.read_bytes(), key)
        given = _given(copies, key)
        if pending.what == INITIALISE:
            async with visit(self.gate.place, self._own_pin(pending.pin)) as at:
                await at.ask("prove", **given)
        else:
            await self.pool.call("prove", **given)
        self.proven = True
        return {"proven": sorted(copies.wrapped)}

    async def commit(self) -> dict[str, Any]:
        """Takes the pending copies into use, and for `initialise` the keys: the token opens."""
        pending = self._pending()
        if pending.shares or not self.proven:
            raise Error("key_state", "every share has to be shown, and enough of them proven", "abort, or go on")
        self.pending_path.rename(self.path)
        self.pending = None
        self.gate.note("custody.changed", f"set:{pending.copies.set_id}", act=pending.what)
        if pending.what == INITIALISE:
            await self._open(pending.pin)
        return self.told()

    async def abort(self) -> None:
        """Undoes what was begun and not taken into use; safe to repeat."""
        self.forget()
        self.given = b""
        pin = self.pending.pin if self.pending is not None else ""
        self.pending = None
        await self.undo(pin)

    async def undo(self, pin: str = "") -> None:
        """Removes what an `initialise` left that stopped in the middle, also before a restart."""
        if not self.pending_path.exists():
            return
        if self.register.token() is None and self.gate.state == EMPTY:
            labels = [root_label(1), MAC_LABEL]
            if self.gate.opened_by == BY_PIN or pin:
                async with visit(self.gate.place, self._own_pin(pin)) as at:
                    await at.ask("undo", labels=labels)
        self.pending_path.unlink()

    # --- other boxes --------------------------------------------------------------------------------------

    async def back_up(self) -> dict[str, Any]:
        """The two files of a backup, once the shares have opened it and the token holds the very keys: copies, and records of keys."""
        key, copies = self.quorum()
        copies = self._living(copies)
        await self.pool.call("prove", **_given(copies, key))
        octets = custody.packed(copies, key)
        write_private(self.path, octets)
        records = await Records(self.keeper).written()
        return {"root_keys": octets, "records": records, "keys": sorted(copies.wrapped), "set": copies.set_id}

    def read(self, root_keys: bytes) -> dict[str, Any]:
        """Copies of another box, before its custodians enter their shares here."""
        self.gate.need(EMPTY)
        custody.unpacked(root_keys)
        self.forget()
        self.given = root_keys
        return self.told()

    async def restore(self, records: bytes, pin: str) -> dict[str, Any]:
        """Brings another box's keys into this one's token, and its key records into the store. All of it, or nothing."""
        self._need_empty(pin)
        key, copies = self.quorum()
        before = Records(self.keeper)
        rows = before.read(records)
        given = _given(copies, key)
        async with visit(self.gate.place, self._own_pin(pin)) as at:
            made = await at.ask("bring", **given)
            try:
                await before.check(rows, at)
                sealed = custody.pin_sealed(pin, key) if self.gate.opened_by == BY_CUSTODIANS else b""
                write_private(self.path, custody.packed(copies._replace(pin=sealed), key))
                before.take_over(rows)
            except (Error, HsmError):
                await at.ask("undo", labels=made)
                raise
        self.given = b""
        await self._open(pin)
        return {"keys": sorted(copies.wrapped), "records": len(rows.rows), "serial": at.opened["serial"]}

    async def bring(self, place: Place, pin: str) -> dict[str, Any]:
        """Brings the keys into a second token, which another process or the settings then use."""
        key, copies = self.quorum()
        copies = self._living(copies)
        async with visit(place, pin) as at:
            made = await at.ask("bring", **_given(copies, key))
        return {"model": at.opened["model"], "serial": at.opened["serial"], "brought": made}

    async def root_born(self, version: int) -> None:
        """Makes root `version` with a copy for the custodians, whose shares were entered: in the token, or in both."""
        key, copies = self.quorum()
        label, first, others = root_label(version), *self._hsms()
        if label not in copies.wrapped:
            for each in (first, *others):  # one made before a stop, of which no copy was written
                await each.call("undo", labels=[label])
            born = await first.call("birth", versions=[version], backup_key=custody.derived(key, "keys"), mac=False)
            copies = copies._replace(wrapped={**copies.wrapped, **born["wrapped"]})
            write_private(self.path, custody.packed(copies, key))
        only = copies._replace(wrapped={label: copies.wrapped[label]})
        for each in others:
            await each.call("bring", **_given(only, key))
        if isinstance(self.pool, Pair):
            await self.pool.adopt_root(version)

    def _hsms(self) -> tuple[Pool, list[Pool]]:
        """The first HSM, and the other where there are two; both have to answer. Raises HsmError."""
        pools = list(self.pool.pools.values()) if isinstance(self.pool, Pair) else [self.pool]
        for pool in pools:
            if pool.why is not None:
                raise pool.why
        return pools[0], pools[1:]

    async def unsealed_by_shares(self, who: str) -> None:
        """Opens the token with the PIN that the entered shares open."""
        self.gate.need(SEALED)
        try:
            key, copies = self.quorum()
            pin = custody.pin_opened(copies.pin, key)
        except Error as e:
            self.gate.note("hsm.unsealed", "token:hsm", "refused", by=who, code=e.code)
            raise
        await self.gate.unseal(who, pin, by_shares=True)

    # --- what they need -----------------------------------------------------------------------------------

    async def _open(self, pin: str) -> None:
        self.gate.open(pin, MADE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S_MAX):
                while self.pool.why is not None:
                    await asyncio.sleep(0.05)
        if self.pool.why is not None:
            raise self.pool.why

    def _own_pin(self, pin: str) -> str:
        return "" if self.gate.opened_by == BY_PIN else pin

    def _need_empty(self, pin: str) -> None:
        self.gate.need(EMPTY)
        if self.gate.opened_by != BY_PIN and not 4 <= len(pin) <= PIN_CHARACTERS_MAX:
            raise Error(
                "invalid", f"the token's PIN has 4 to {PIN_CHARACTERS_MAX} characters", "the administrator types it"
            )

    def _pending(self) -> Pending:
        if self.pending is None:
            raise Error("key_state", "no shares are pending", "begin the ceremony again")
        return self.pending

    def _living(self, copies: Copies) -> Copies:
        """Without the copies of roots that were destroyed meanwhile: they leave with the next writing."""
        gone = {root_label(v) for v, state in self.register.roots().items() if state == life.DESTROYED}
        return copies._replace(wrapped={label: blob for label, blob in copies.wrapped.items() if label not in gone})


def _given(copies: Copies, key: bytes) -> dict[str, Any]:
    """What a worker is given to open copies."""
    return {**copies.ways, "wrapped": copies.wrapped, "backup_key": custody.derived(key, "keys")}
