"""The operations of the `keys` process for people in a room: seal, unseal, shares, keys made and restored by ceremony, transcripts signed.

Thin: gate.py and custodians.py do it. Only people's commands may ask (role `ceremony`); a transcript is on the record before it is signed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from appliance.errors import Error
from appliance.intercom import Peer
from appliance.limits import KEY_SUBJECT_CHARACTERS_MAX

from . import custody
from .custodians import Custodians
from .gate import OPEN, Gate
from .pins import Pins

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")
_OUTCOMES: Final = ("ok", "failed")


class CustodyDesk:
    """`handlers` for the intercom; `origin` names the log whose key signs transcripts."""

    def __init__(self, gate: Gate, custodians: Custodians, origin: str) -> None:
        self.gate = gate
        self.custodians = custodians
        self.origin = origin
        self.pins = Pins(gate)

    @property
    def handlers(self) -> dict[str, Callable[[Any, Peer], Awaitable[Any]]]:
        return {
            "seal": self.seal,
            "unseal": self.unseal,
            "pin": self.pin,
            "custody": self.custody,
            "share_enter": self.share_enter,
            "share_show": self.share_show,
            "shares_forget": self.shares_forget,
            "initialise": self.initialise,
            "prove": self.prove,
            "commit": self.commit,
            "abort": self.abort,
            "restore_read": self.restore_read,
            "restore": self.restore,
            "ceremony": self.ceremony,
            "transcript": self.transcript,
        }

    async def seal(self, payload: Any, peer: Peer) -> dict[str, Any]:
        await self.gate.seal(_text(payload, "who"))
        return self.gate.told()

    async def unseal(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """By `pin`, by the entered shares (`shares`), or by the PIN file where that is how the token is opened."""
        who = _text(payload, "who")
        if payload.get("shares") is True:
            await self.custodians.unsealed_by_shares(who)
        else:
            pin = payload.get("pin", "")
            if not isinstance(pin, str):
                raise Error("invalid", "the PIN is not text")
            await self.gate.unseal(who, pin, payload.get("once_more") is True)
        return self.gate.told()

    async def pin(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Another user PIN for every token: the one that people type (`old`, `new`), a random one where a file has it."""
        who, old, new = _text(payload, "who"), payload.get("old", ""), payload.get("new", "")
        if not isinstance(old, str) or not isinstance(new, str):
            raise Error("invalid", "a PIN is not text")
        return {"hsms": await self.pins.change(who, old, new, payload.get("once_more") is True)}

    async def custody(self, payload: Any, peer: Peer) -> dict[str, Any]:
        return {**self.gate.told(), **self.custodians.told()}

    async def share_enter(self, payload: Any, peer: Peer) -> dict[str, Any]:
        lines = payload.get("lines") if isinstance(payload, dict) else None
        if not isinstance(lines, list) or not all(isinstance(line, str) and len(line) < 80 for line in lines):
            raise Error("invalid", f"a share is {custody.LINES} lines")
        return self.custodians.enter(lines)

    async def share_show(self, payload: Any, peer: Peer) -> dict[str, Any]:
        return self.custodians.show(_number(payload, "number"))

    async def shares_forget(self, payload: Any, peer: Peer) -> dict[str, Any]:
        self.custodians.forget()
        return self.custodians.told()

    async def initialise(self, payload: Any, peer: Peer) -> dict[str, Any]:
        pin = payload.get("pin", "")
        return await self.custodians.initialise(
            _number(payload, "needed"), _number(payload, "custodians"), pin if isinstance(pin, str) else ""
        )

    async def prove(self, payload: Any, peer: Peer) -> dict[str, Any]:
        return await self.custodians.prove()

    async def commit(self, payload: Any, peer: Peer) -> dict[str, Any]:
        return await self.custodians.commit()

    async def abort(self, payload: Any, peer: Peer) -> dict[str, Any]:
        await self.custodians.abort()
        return self.custodians.told()

    async def restore_read(self, payload: Any, peer: Peer) -> dict[str, Any]:
        return self.custodians.read(_octets(payload, "root_keys"))

    async def restore(self, payload: Any, peer: Peer) -> dict[str, Any]:
        pin = payload.get("pin", "")
        done = await self.custodians.restore(_octets(payload, "records"), pin if isinstance(pin, str) else "")
        self.gate.note(
            "custody.restored", "token:hsm", by=_text(payload, "who"), keys_made=len(done["keys"]), rows=done["records"]
        )
        return done

    # --- transcripts --------------------------------------------------------------------------------------

    async def ceremony(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Says on the record that a ceremony begins, by which script."""
        name, digest = _matching(payload, "name", _NAME), _matching(payload, "script", _DIGEST)
        self.gate.note("ceremony.begun", f"ceremony:{name}", by=_text(payload, "who"), digest=digest)
        return {}

    async def transcript(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Records the digest of a transcript, then signs it; unsigned where the token is not open (`signature` is empty)."""
        name, digest = _matching(payload, "name", _NAME), _matching(payload, "digest", _DIGEST)
        outcome = payload.get("outcome")
        if outcome not in _OUTCOMES:
            raise Error("invalid", f"`outcome` is one of {', '.join(_OUTCOMES)}")
        self.gate.note("ceremony.ended", f"ceremony:{name}", outcome, by=_text(payload, "who"), digest=digest)
        pool = self.gate.pool
        if self.gate.state != OPEN or pool.why is not None:
            return {"signature": b"", "key": b"", "origin": self.origin}
        signature = await pool.sign(custody.signed_text(name, digest))
        return {"signature": signature, "key": pool.opened["public_key"], "origin": self.origin}


def _text(payload: Any, name: str) -> str:
    value = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(value, str) or not 0 < len(value) <= KEY_SUBJECT_CHARACTERS_MAX:
        raise Error("invalid", f"`{name}` is not text of 1 to {KEY_SUBJECT_CHARACTERS_MAX} characters")
    return value


def _matching(payload: Any, name: str, form: re.Pattern[str]) -> str:
    value = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(value, str) or not form.fullmatch(value):
        raise Error("invalid", f"`{name}` is not as it has to be")
    return value


def _number(payload: Any, name: str) -> int:
    value = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1_000:
        raise Error("invalid", f"`{name}` is not a number")
    return value


def _octets(payload: Any, name: str) -> bytes:
    value = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(value, bytes):
        raise Error("invalid", f"`{name}` is not octets")
    return value
