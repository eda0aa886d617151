"""What people have done to keys: asked for, approved by another, done once, each on the record with both names.

The process that asks has made sure who the person is; what is checked here is that there are two.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

from appliance.audit import entry
from appliance.clock import day_name
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.limits import KEY_HOLD_DAYS_MAX, KEY_SUBJECT_CHARACTERS_MAX
from hsm import Pair, Place

from . import approvals, life
from .approvals import Approval
from .custodians import Custodians
from .keeper import Keeper
from .record import context
from .register import Hold, Row

_Act = Callable[[int, str], Awaitable[dict[str, Any]]]
_ROOT: Final = "root:v{}"
_ERASURE: Final = "erase-subject"


class Acts:
    """Operations for the desk; `who` in every payload is `console:NAME`."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.custodians: Custodians | None = None
        self.checkpointed: Callable[[], Awaitable[None]] | None = None  # the audit log, before the act
        self.register = keeper.register
        self.pool = keeper.pool
        self._acts: dict[str, _Act] = {
            "destroy-key": self._destroy_key,
            "compromised-key": self._compromised_key,
            "rotate-root": self._rotate_root,
            "destroy-root": self._destroy_root,
            "lift-hold": self._lift_hold,
            "erase-subject": self._erase_subject,
            "replicate": self._replicate,
        }
        self._shared: dict[str, Callable[[Custodians, dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "back-up": lambda custodians, _: custodians.back_up(),
            "replace-custodians": lambda custodians, given: custodians.replace(
                _number(given, "needed"), _number(given, "custodians")
            ),
            "add-hsm": lambda custodians, given: custodians.bring(self._second(given), given.get("pin", "")),
        }
        assert set(self._acts) | set(self._shared) | approvals.ELSEWHERE == set(approvals.ACTS)

    # --- operations ---------------------------------------------------------------------------------------

    async def requests(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Every request, newest first."""
        now = self.keeper.clock()
        return {"requests": [approvals.shown(a, now) for a in reversed(self.register.approvals())]}

    async def ask(self, payload: Any, peer: Peer) -> dict[str, Any]:
        now, who = self.keeper.clock(), _text(payload, "who")
        made = approvals.asked(_text(payload, "act"), _number(payload, "on"), _text(payload, "reason"), who, now)
        number = self.register.next_approval()
        told = entry(now, who, "approval.asked", f"request:{number}", "ok", act=made.act, on_index=made.on)
        self.register.put_approval(made._replace(approval_id=number), [told])
        self.keeper.recorded.set()
        return {"request": number}

    async def decide(self, payload: Any, peer: Peer) -> dict[str, Any]:
        now, who = self.keeper.clock(), _text(payload, "who")
        before = self._approval(_number(payload, "request"))
        heard = approvals.YES if payload.get("yes") is True else approvals.NO
        on = f"request:{before.approval_id}"
        try:
            after = approvals.decided(before, heard, who, now)
        except Error:
            refused = entry(now, who, "approval.decided", on, "refused", act=before.act, state=before.state)
            self.register.record([refused])
            self.keeper.recorded.set()
            raise
        told = entry(now, who, "approval.decided", on, "ok", act=after.act, state=after.state)
        self.register.put_approval(after, [told])
        self.keeper.recorded.set()
        return approvals.shown(after, now)

    async def do(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Does what request `request` was approved for. It is used up first: who wants it twice asks twice."""
        who = _text(payload, "who")
        before = self._approval(_number(payload, "request"))
        if before.act in approvals.ELSEWHERE:
            raise Error("invalid", f"{before.act} is not done by the keys process", "name the request where it is done")
        approvals.used(before, before.act, before.on, self.keeper.clock())  # before the log is asked to sign
        if self.checkpointed is not None:
            await self.checkpointed()
        after = self._used(before, before.act, before.on, who)
        async with self.keeper.lock:
            if after.act in self._acts:
                return await self._acts[after.act](after.on, who)
            assert self.custodians is not None
            return await self._shared[after.act](self.custodians, payload.get("given") or {})

    async def use(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """For the process that does act `act` itself: approved, in time, and not used before, or Error `forbidden`."""
        act, on, who = _text(payload, "act"), _number(payload, "on"), _text(payload, "who")
        if act not in approvals.ELSEWHERE:
            raise Error("invalid", f"{act} is done by the keys process")
        return approvals.shown(
            self._used(self._approval(_number(payload, "request")), act, on, who), self.keeper.clock()
        )

    def _used(self, before: Approval, act: str, on: int, who: str) -> Approval:
        now = self.keeper.clock()
        after = approvals.used(before, act, on, now)
        told = entry(now, who, "approval.used", f"request:{before.approval_id}", "ok", act=after.act)
        self.register.put_approval(after, [told])
        self.keeper.recorded.set()
        return after

    async def hold(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Puts a legal hold on days: one person may, because it only keeps."""
        now, who, reason = self.keeper.clock(), _text(payload, "who"), _text(payload, "reason")
        first, last = _number(payload, "first_day"), _number(payload, "last_day")
        if not reason.strip() or not first <= last < first + KEY_HOLD_DAYS_MAX:
            raise Error("invalid", "a hold needs a reason and days in their order", days_max=KEY_HOLD_DAYS_MAX)
        told = entry(
            now, who, "key.hold_set", f"days:{day_name(first)}", "ok", day=day_name(first), until=day_name(last)
        )
        number = self.register.put_hold(Hold(0, first, last, reason, who, now, None), [told])
        self.keeper.recorded.set()
        return {"hold": number}

    async def erasure(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Which erasure request `request` allows, and who the two are, for those who erase; needs no HSM.

        It has been used up then, so that whoever is cut off goes on, and nobody erases another person by it.
        Raises Error `forbidden`.
        """
        found = self._approval(_number(payload, "request"))
        if (found.act, found.state) != (_ERASURE, approvals.USED):
            raise Error("forbidden", f"request {found.approval_id} allows no erasure", "see `casemate keys requests`")
        persons = {"asked_by": found.asked_by, "approved_by": found.decided_by, "reason": found.reason}
        return {"erasure": found.on, **persons, "approved_ms": found.decided_ms}

    async def compare(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Whether both HSMs hold the same keys."""
        return await self._pair().compared()

    # --- acts ---------------------------------------------------------------------------------------------

    async def _destroy_key(self, key_id: int, who: str) -> dict[str, Any]:
        row = await self.keeper.destroy(self._row(key_id), who, "decided")
        return {"key": row.key_id, "state": row.state}

    async def _compromised_key(self, key_id: int, who: str) -> dict[str, Any]:
        """Cut off, it goes on when it is asked for again: what was wrapped anew already is left alone."""
        row, now = self._row(key_id), self.keeper.clock()
        if row.state not in (life.COMPROMISED, life.DESTROYED):
            row = await self.keeper.heard(row, life.FOUND_OUT, now, "key.state_changed", who)
        done = 0
        for child in self.register.rows():
            if child.parent == row.key_id and child.state != life.DESTROYED:
                await self.keeper.rewrapped(child, who)
                done += 1
        reply = {"key": row.key_id, "state": row.state, "wrapped_anew": done}
        if row.purpose == life.DAILY and row.state == life.COMPROMISED:
            reply["successor"] = (await self.keeper.successor(row)).key_id
        return reply

    async def _rotate_root(self, _: int, who: str) -> dict[str, Any]:
        """Old and new both work until a cold start has unwrapped everything by the new one; only then the old one is left."""
        roots, now = self.register.roots(), self.keeper.clock()
        old = self.keeper.root
        new = next((v for v, s in roots.items() if s == life.PRE_ACTIVE), max(roots) + 1)
        if new not in roots:
            self._root(new, life.PRE_ACTIVE, who, now)
        if self.custodians is not None and self.custodians.copies() is not None:
            await self.custodians.root_born(new)
        else:
            await self.pool.make_root(new)
        keys, moved = {}, []
        for row in self.register.rows():
            if not row.parent and row.state != life.DESTROYED:
                key = keys[row.key_id] = await self.keeper.opened(row)
                mechanism, wrapped = await self.pool.wrap(key, context(row.key_id, row.day, row.purpose), new)
                moved.append(row._replace(root=new, mechanism=mechanism, wrapped=wrapped, changed_ms=now))
        await self.pool.cold_start()
        for row in moved:
            bound = context(row.key_id, row.day, row.purpose)
            if not hmac.compare_digest(
                await self.pool.unwrap(row.mechanism, row.wrapped, bound, new), keys[row.key_id]
            ):
                raise Error(
                    "key_refused", "the new root unwraps another key; the old one stays", "have the HSM looked at"
                )
        sealed = [await self.keeper.sealed(row) for row in moved]
        told = [
            entry(now, who, "root.changed", _ROOT.format(version), "ok", state=state)
            for version, state in ((new, life.ACTIVE), (old, life.DEACTIVATED))
        ]
        self.register.change(sealed, told, {old: life.DEACTIVATED, new: life.ACTIVE}, now)
        self.keeper.recorded.set()
        return {"root": new, "before": old, "keys": len(sealed)}

    async def _destroy_root(self, version: int, who: str) -> dict[str, Any]:
        state = self.register.roots().get(version)
        if state is None or (state, life.DESTROY) not in life.TABLE:
            raise Error("key_state", f"there is no root v{version} to destroy")
        used = [
            r.key_id for r in self.register.rows() if not r.parent and r.root == version and r.state != life.DESTROYED
        ]
        if used or version == self.keeper.root:
            raise Error("key_state", f"root v{version} is in use", "rotate the root first")
        now = self.keeper.clock()
        self._root(version, life.DESTROYED, who, now)
        await self.pool.destroy_root(version)
        return {"root": version, "state": life.DESTROYED}

    async def _lift_hold(self, hold_id: int, who: str) -> dict[str, Any]:
        found = next((h for h in self.register.holds() if h.hold_id == hold_id), None)
        if found is None:
            raise Error("not_found", f"there is no hold {hold_id}")
        now = self.keeper.clock()
        told = entry(
            now, who, "key.hold_lifted", f"days:{day_name(found.first_day)}", "ok", day=day_name(found.first_day)
        )
        self.register.lift_hold(hold_id, now, [told])
        self.keeper.recorded.set()
        return {"hold": hold_id, "lifted": True}

    async def _erase_subject(self, erasure: int, _: str) -> dict[str, Any]:
        """The keys process only keeps who the two were; the stores' own processes erase."""
        return {"erasure": erasure}

    async def _replicate(self, _: int, who: str) -> dict[str, Any]:
        """What the second HSM lacks passes to it; then both prove that they hold the same keys."""
        reply = await self._pair().replicate()
        return {"passed": reply["passed"], "keys": len(reply["keys"]), "same": reply["same"]}

    def _pair(self) -> Pair:
        if not isinstance(self.pool, Pair):
            raise Error("invalid", "there is one HSM", "hsm.second_token_label names the second one's token")
        return self.pool

    # --- what they need -----------------------------------------------------------------------------------

    def _root(self, version: int, state: str, who: str, now: int) -> None:
        told = entry(now, who, "root.changed", _ROOT.format(version), "ok", state=state)
        self.register.change([], [told], {version: state}, now)
        self.keeper.recorded.set()

    def _second(self, given: dict[str, Any]) -> Place:
        """The other token, as the person describes it; in a rehearsal, where no module is named, one more embedded. Raises Error `invalid`."""
        ours = self.pool.place
        if self.checkpointed is None and not given.get("module"):
            return ours._replace(folder=ours.folder / "second", label="second")
        module, label = _text(given, "module"), _text(given, "token_label")
        if (module, label) == (ours.module, ours.label):
            raise Error("invalid", "this is the token that the box uses already")
        return ours._replace(module=module, label=label, init_string=str(given.get("init_string", "")), pin_file="")

    def _row(self, key_id: int) -> Row:
        row = self.register.by_id(key_id)
        if row is None:
            raise Error("not_found", f"there is no key {key_id}", "see `casemate keys list`")
        return row

    def _approval(self, number: int) -> Approval:
        found = next((a for a in self.register.approvals() if a.approval_id == number), None)
        if found is None:
            raise Error("not_found", f"there is no request {number}", "see `casemate keys requests`")
        return found


def _text(payload: Any, name: str) -> str:
    value = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(value, str) or not value or len(value) > KEY_SUBJECT_CHARACTERS_MAX:
        raise Error("invalid", f"`{name}` is not text of 1 to {KEY_SUBJECT_CHARACTERS_MAX} characters")
    return value


def _number(payload: Any, name: str) -> int:
    value = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise Error("invalid", f"`{name}` is not a number")
    return value
