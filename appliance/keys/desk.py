"""The operations of the `keys` process: data keys made and unwrapped, keys derived, checkpoints signed, each use on the record.

Thin: what may be asked stands in permits.py; keeper.py keeps the hierarchy; the HSM does the rest.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

from appliance.audit import entry
from appliance.clock import day_name, day_of, now_ms
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.limits import CODE_OCTETS_AT_ONCE, KEY_ASKERS_MAX, KEY_SUBJECT_CHARACTERS_MAX, SIGNED_OCTETS_MAX
from hsm import HsmError, Pair, Pool

from . import life
from .acts import Acts
from .calendar import Calendar
from .datakey import blind_index
from .keeper import WHO, Keeper
from .permits import PURPOSES, SIGNATURES, permit, permit_derivation, permit_signature
from .record import INDEX, INDEX_VERSION, derivation
from .register import Register

log = logging.getLogger(__name__)
_FAILURES: Final = frozenset({"hsm.lost", "hsm.out_of_step"})


class Desk:
    """`handlers` for the intercom."""

    def __init__(self, register: Register, pool: Pool | Pair, clock: Callable[[], int] = now_ms) -> None:
        self.register = register
        self.pool = pool
        self.clock = clock
        self.keeper = Keeper(register, pool, clock)
        self.acts = Acts(self.keeper)
        self.recorded = self.keeper.recorded  # set when the outbox has something new
        self.calendar: Calendar | None = None  # None: the wall clock is believed
        self._derived: dict[bytes, bytes] = {}
        self._told: OrderedDict[tuple[int, str], None] = OrderedDict()

    def forget(self) -> None:
        """Drops every key that was unwrapped or derived: the token is sealed."""
        self.keeper.forget()
        self._derived.clear()

    @property
    def handlers(self) -> dict[str, Callable[[Any, Peer], Awaitable[Any]]]:
        doors = {
            "ping": self.ping,
            "state": self.state,
            "data_key": self.data_key,
            "index_key": self.index_key,
            "blind_index": self.blind_index,
            "derive": self.derive,
            "random": self.random,
            "held": self.held,
            "states": self.states,
            "erasure": self.acts.erasure,
            "confirm_clock": self.confirm_clock,
            "requests": self.acts.requests,
            "ask": self.acts.ask,
            "decide": self.acts.decide,
            "do": self.acts.do,
            "use": self.acts.use,
            "hold": self.acts.hold,
            "compare": self.acts.compare,
            "sign": self.sign,
            "public_key": self.public_key,
        }
        return {op: self.guarded(op, act) for op, act in doors.items()}

    @staticmethod
    def guarded(op: str, act: Callable[[Any, Peer], Awaitable[Any]]) -> Callable[[Any, Peer], Awaitable[Any]]:
        """The operation for those who may ask for it; the HSM's errors as the appliance's."""

        async def guarded(payload: Any, peer: Peer) -> Any:
            permit(op, peer.uid)
            try:
                return await act(payload, peer)
            except HsmError as e:
                raise Error(e.code, e.message, e.hint) from None

        return guarded

    # --- operations ---------------------------------------------------------------------------------------

    async def ping(self, payload: Any, peer: Peer) -> dict[str, Any]:
        why = self.pool.why
        doubted = self.calendar.why if self.calendar is not None else ""
        told = doubted if why is None else f"{why.code}: {why.message}"
        shown = ("hsm", "up", "serves", "in_step")
        return {
            "process": "keys",
            "pid": os.getpid(),
            "ready": why is None,
            "why": told,
            "epoch": self.register.epoch(),
            "hsms": [{name: row[name] for name in shown} for row in self.pool.hsms()],
        }

    async def state(self, payload: Any, peer: Peer) -> dict[str, Any]:
        shown = ("key_id", "day", "purpose", "parent", "root", "state", "mechanism", "created_ms", "changed_ms")
        keys = []
        for row in self.register.rows():
            span = life.period(row.purpose, row.day)
            told = {name: getattr(row, name) for name in shown}
            keys.append({**told, "from_ms": span.from_ms, "to_ms": span.to_ms})
        holds = [hold._asdict() for hold in self.register.holds()]
        doubted = {"clock": self.calendar.why if self.calendar is not None else ""}
        told = {**self.pool.state(), "hsms": self.pool.hsms()}
        return {**told, **doubted, "keys": keys, "roots": self.register.roots(), "holds": holds, **self._more()}

    def _more(self) -> dict[str, Any]:
        more: dict[str, Any] = {"root_dates": self.register.root_dates()}
        custodians = self.acts.custodians
        return more if custodians is None else {**more, "custody": custodians.told(), **custodians.gate.told()}

    async def held(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Days under a legal hold, and the day that it is, for those who erase; needs no HSM."""
        return {"days": sorted(self.register.held()), "today": self.today()}

    def today(self) -> int:
        """The day by which something may be erased."""
        return self.calendar.look() if self.calendar is not None else day_of(self.clock())

    async def confirm_clock(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """A person has made sure that the wall clock is right: retention goes by it again. `who` says who."""
        now, who = self.clock(), _text(payload, "who")
        day = day_of(now)
        if self.calendar is not None:
            self.register.record([entry(now, who, "clock.confirmed", "process:keys", "ok", day=day_name(day))])
            self.recorded.set()
            day = self.calendar.confirm()
        return {"today": day}

    async def states(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """States of the data keys that somebody holds, asked for when the epoch of a `ping` has grown; needs no HSM."""
        ids = payload.get("key_ids") if isinstance(payload, dict) else None
        if not isinstance(ids, list) or len(ids) > KEY_ASKERS_MAX:
            raise Error("invalid", "`key_ids` is no list of keys, or too long a one", most=KEY_ASKERS_MAX)
        rows = [self.register.by_id(each) for each in ids if isinstance(each, int)]
        return {"states": [[row.key_id, row.state] for row in rows if row is not None]}

    async def data_key(self, payload: Any, peer: Peer) -> dict[str, Any]:
        self._need_hsm()
        if _whole(payload, "day"):
            row = await self.keeper.for_day(payload["day"])
        elif _whole(payload, "key_id"):
            found = self.register.by_id(payload["key_id"])
            if found is None or found.purpose != life.DAILY:
                raise Error(
                    "key_missing",
                    f"there is no data key {payload['key_id']}",
                    "was the key store restored from an old backup?",
                )
            row = await self.keeper.successor(found) if payload.get("successor") is True else found
        else:
            raise Error("invalid", "name a `day` or a `key_id`")
        key = await self.keeper.opened(row)
        self._note(peer, "key.unwrapped", f"key:{row.key_id}", day=day_name(row.day))
        return {"key_id": row.key_id, "key": key}

    async def index_key(self, payload: Any, peer: Peer) -> dict[str, Any]:
        self._need_hsm()
        key = await self._mac_once(INDEX)
        self._note(peer, "key.index_derived", f"index:v{INDEX_VERSION}")
        return {"version": INDEX_VERSION, "key": key}

    async def blind_index(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """For those who look for a number now and then: the index of one number, without the key."""
        self._need_hsm()
        return {"index": blind_index(await self._mac_once(INDEX), _text(payload, "number"))}

    async def derive(self, payload: Any, peer: Peer) -> dict[str, Any]:
        self._need_hsm()
        purpose, subject = _text(payload, "purpose"), _text(payload, "subject")
        if purpose not in PURPOSES:
            raise Error("invalid", "no keys are derived for this purpose", f"one of {', '.join(PURPOSES)}")
        permit_derivation(purpose, subject, peer.uid)
        key = await self._mac_once(derivation(purpose, subject))
        self._note(peer, "key.derived", f"purpose:{purpose}")
        return {"key": key}

    async def random(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Octets of the HSM's own random generator; never of another's."""
        self._need_hsm()
        if not _whole(payload, "octets") or not 0 < payload["octets"] <= CODE_OCTETS_AT_ONCE:
            raise Error("invalid", f"`octets` is not 1 to {CODE_OCTETS_AT_ONCE:,}")
        return {"octets": await self.pool.random(payload["octets"])}

    async def sign(self, payload: Any, peer: Peer) -> dict[str, Any]:
        self._need_hsm()
        self._need_signature(payload)
        body = payload.get("body")
        if not isinstance(body, bytes) or len(body) > SIGNED_OCTETS_MAX:
            raise Error("invalid", "what is to be signed is not octets, or too many", octets_max=SIGNED_OCTETS_MAX)
        permit_signature(payload["purpose"], body, peer.uid)
        return {"signature": await self.pool.sign(body)}

    async def public_key(self, payload: Any, peer: Peer) -> dict[str, Any]:
        self._need_hsm()
        self._need_signature(payload)
        return {"key": self.pool.opened["public_key"]}

    async def _mac_once(self, body: bytes) -> bytes:
        key = self._derived.get(body)
        if key is None:
            key = await self.pool.mac(body)
            if len(self._derived) < KEY_ASKERS_MAX:
                self._derived[body] = key
        return key

    # --- the record ---------------------------------------------------------------------------------------

    def record(self, what: str, on: str, outcome: str = "ok", **detail: str | int | bool) -> None:
        """An audit entry of this process's own, durable on return. Raises Error `store_full`."""
        self.register.record([entry(self.clock(), WHO, what, on, outcome, **detail)])
        self.recorded.set()

    def hear(self, what: str, detail: dict[str, Any]) -> None:
        """What the pool tells. A full disk must not stop the HSM's tending: then it is only logged."""
        log.info("keys: %s", what)
        try:
            self.record(what, "token:hsm", "failed" if what in _FAILURES else "ok", **detail)
        except Error as e:
            log.error("keys: %s is not on the record: %s", what, e)

    def admit(self, opened: dict[str, Any]) -> None:
        """Lets in only the token that the stored keys were wrapped by."""
        known = self.register.token()
        if known is None:
            self.register.remember_token(opened["public_key"], opened["serial"])
        elif known != opened["public_key"]:
            raise HsmError(
                "key_missing",
                "this is another token than the one the stored keys belong to",
                "insert the right one, or restore it",
            )

    def _note(self, peer: Peer, what: str, on: str, **detail: str | int | bool) -> None:
        """Once for each process that asked, before it gets the answer: never once per message."""
        asked = (peer.pid, on)
        if asked in self._told:
            return
        self.record(what, on, "ok", pid=peer.pid, uid=str(peer.uid) if peer.uid < 1_000_000 else "other", **detail)
        self._told[asked] = None
        if len(self._told) > KEY_ASKERS_MAX:
            self._told.popitem(last=False)

    def _need_hsm(self) -> None:
        why = self.pool.why
        if why is not None:
            raise Error("hsm_unavailable", f"the HSM is not ready: {why.message}", why.hint, cause=why.code)

    @staticmethod
    def _need_signature(payload: Any) -> None:
        if _text(payload, "purpose") not in SIGNATURES:
            raise Error("invalid", "nothing is signed for this purpose", f"one of {', '.join(SIGNATURES)}")


def _whole(payload: Any, name: str) -> bool:
    value = payload.get(name) if isinstance(payload, dict) else None
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _text(payload: Any, name: str) -> str:
    value = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(value, str) or len(value) > KEY_SUBJECT_CHARACTERS_MAX:
        raise Error("invalid", f"`{name}` is not text of at most {KEY_SUBJECT_CHARACTERS_MAX} characters")
    return value
