"""Verifications over REST: begin one, check a code, look at it, cancel it, send it again.

A verification, its message and its entry for the audit log are one commit, and the answer comes after it; message and entry are then
handed on (`handing_on.py`). Whoever has no answer repeats with the same Idempotency-Key: it is the same verification and the same message.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec

from appliance.audit import entry
from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.flows import ways_of
from appliance.limits import SINGLE_BODY_OCTETS_MAX
from appliance.message import id_text, new_ids
from appliance.numbering import normalise
from appliance.settings import SMS
from appliance.verify import (
    WHY,
    Block,
    Book,
    Checked,
    Drawing,
    Handing,
    Kept,
    KeptWay,
    Letter,
    Pace,
    Renewed,
    Verification,
    Wording,
    aad,
    check_admitted,
    check_detail,
    check_resend,
    check_told,
    code_mac,
    paces,
    packed,
    payment_digest,
    payment_of,
    prefix_of,
    presented,
    unpacked,
)

from .asgi import Answer, Request
from .gateway import Gateway
from .handing_on import ADDRESS, HandingOn, Leaving
from .requests import decoded_once
from .sending import Sending, idempotency_key, macs
from .verifying_answers import begun_answer, detail_of, id_of, payee_of, send_key, view_of
from .verifying_bodies import CheckRequest, VerificationChecked, VerificationRequest

log = logging.getLogger(__name__)

USUAL: Final = KeptWay()
LOOK_S: Final = 0.1  # between two looks at whether the first of two same requests has its answer

_encode: Final = msgspec.json.Encoder().encode
_request: Final = msgspec.json.Decoder(VerificationRequest)
_check: Final = msgspec.json.Decoder(CheckRequest)
APPROVED: Final = _encode(VerificationChecked("approved"))
DENIED: Final = _encode(VerificationChecked("denied"))


class Begun(NamedTuple):
    """A verification that is durable with its message; `before`: the request came before."""

    id: bytes
    expires_ms: int
    before: bool


#: Begins a verification that names several channels.
ByWays = Callable[[Request, VerificationRequest, bytes, bytes], Awaitable[Begun]]


class Verifying:
    """Endpoints as bound methods."""

    def __init__(self, gateway: Gateway, sending: Sending) -> None:
        self.gateway = gateway
        self.sending = sending
        self.watch = gateway.verifications
        self.limits, self.guard = self.watch.limits, self.watch.guard
        self.handing = HandingOn(gateway, sending)
        gateway.handing = self.handing
        self.wording = Wording(gateway.settings)
        self.drawing = Drawing(gateway.ring.random)
        self.by_ways: ByWays | None = None

    # --- endpoints ----------------------------------------------------------------------------------------

    async def begin(self, request: Request) -> Answer:
        """POST /v1/verifications"""
        given = idempotency_key(request)
        body = await request.body(SINGLE_BODY_OCTETS_MAX)
        gateway, caller = self.gateway, request.caller
        gateway.peers.check_open()
        self.handing.check_open()
        gateway.charge(caller, 1)
        gateway.funnel.check_room(1)
        asked: VerificationRequest = decoded_once(_request, body)
        way = self._way(asked)
        if way is None and self.by_ways is not None:
            row = await self.by_ways(request, asked, given, body)
        else:
            row = await self.begun(request, asked, given, body, None, way or USUAL)
        headers = ((b"idempotency-replayed", b"true"),) if row.before else ()
        return begun_answer(row.id, row.expires_ms, headers)

    async def begun(
        self,
        request: Any,
        asked: VerificationRequest,
        given: bytes,
        body: bytes,
        flow: bytes | None = None,
        way: KeptWay = USUAL,
    ) -> Begun:
        """A verification that is durable with its message. `request`: who asks; `flow`: of a workflow's step."""
        gateway, caller = self.gateway, request.caller
        kept = msgspec.structs.replace(self._kept(asked), **way._asdict())
        at_ms = now_ms()
        sealing = await gateway.seals.at(at_ms)
        key_mac, body_mac = macs(sealing, caller.id, given, ADDRESS, body) if given else (None, None)
        (new_id,) = new_ids(1, at_ms)
        purpose = asked.purpose.lower()
        code, letter, intake, shown = await self._written(kept, purpose, caller.id, send_key(new_id, 1))
        key = await self._key()
        who = self._who(asked, key)
        prefix = prefix_of(kept.to)
        bound = payment_digest(key, new_id, kept.payment)
        mac = code_mac(key, new_id, sealing.index(kept.to), purpose, kept.payment, code)
        sealed, until_ms = self._sealed(sealing.key, new_id, kept, code), at_ms + kept.life_s * 1000
        row = Verification(
            new_id, caller.id, purpose, "pending", sealing.index(kept.to), mac, bound, sealing.key.key_id, sealed,
            at_ms, until_ms, 1, 0, 0, key_mac, body_mac, prefix=prefix, flow=flow,
            operator=self._operator(kept.to), run=flow[:16] if flow else None,
        )  # fmt: skip
        asks, heard = gateway.number_checks.of(purpose) is not None, {}
        if asks:
            claimed = row._replace(claimed_ms=at_ms)
            found = await self.watch.act(lambda book: book.begin(claimed, self.limits, at_ms, who))
            if found.id != new_id:
                return await self._begun_before(found, request)
            heard = await self._heard_first(row, kept.to, request)
        made = self._entry(request, row, "verification.created", template=shown, **_by(kept), **heard)

        def begun(book: Book, handing: Handing) -> tuple[Verification, Block | None]:
            found = row if asks else book.begin(row, self.limits, at_ms, who)
            if found is not row:
                return found, None
            book.hand(handing, made)
            return row, book.weigh(prefix, self.guard, at_ms, row.operator)

        found, block = await self.handing.commit(Leaving(new_id, 1, caller.id, intake), sealing.key, letter, begun)
        if found.id != new_id:
            return await self._begun_before(found, request)
        await self._told(block)
        gateway.numbers.verified(purpose, "created")
        return Begun(row.id, row.expires_ms, False)

    async def check(self, request: Request) -> Answer:
        """POST /v1/verifications/{id}/check: on the audit log before its answer leaves."""
        verification = id_of(request)
        self.gateway.charge(request.caller, 0)
        return await self.tried(request, verification, decoded_once(_check, await request.body(SINGLE_BODY_OCTETS_MAX)))

    async def tried(self, request: Request, verification: bytes, asked: CheckRequest) -> Answer:
        """One try of a code."""
        gateway, caller = self.gateway, request.caller
        payment = presented(payee_of(asked), asked.amount, asked.currency)
        key, code = await self._key(), asked.code
        checked = await self.watch.act(
            lambda book: book.check(verification, caller.id, key, code, payment, self.limits, now_ms())
        )
        because = {"reason": checked.reason} if checked.reason else {}
        outcome = "ok" if checked.approved else "refused"
        await self._record(request, verification, checked, "verification.checked", outcome, **because)
        gateway.numbers.verified(checked.purpose, "approved" if checked.approved else "denied")
        return Answer(200, APPROVED if checked.approved else DENIED)

    async def one(self, request: Request) -> Answer:
        """GET /v1/verifications/{id}"""
        row = await self._one(request)
        return Answer(200, _encode(view_of(row)))

    async def cancel(self, request: Request) -> Answer:
        """POST /v1/verifications/{id}/cancel: its code is worth nothing from now on; the same again changes nothing."""
        caller, at_ms = request.caller, now_ms()
        verification = id_of(request)
        row, changed = await self.watch.act(lambda book: book.cancel(verification, caller.id, at_ms))
        if changed:
            await self._record(request, row.id, row, "verification.cancelled")
            self.gateway.numbers.verified(row.purpose, "cancelled")
        return Answer(200, _encode(view_of(row)))

    async def resend(self, request: Request) -> Answer:
        """POST /v1/verifications/{id}/resend"""
        given = idempotency_key(request)
        gateway = self.gateway
        gateway.peers.check_open()
        self.handing.check_open()
        gateway.charge(request.caller, 1)
        gateway.funnel.check_room(1)
        row = await self._one(request)
        while row.in_hand(now_ms()):
            await asyncio.sleep(LOOK_S)
            row = await self._one(request)
        key_mac = None
        if given:
            address = b"/v1/verifications/%s/resend" % request.param.encode()
            key_mac, _ = macs(await gateway.seals.at(now_ms()), request.caller.id, given, address, b"")
        if key_mac is None or row.resend != key_mac or row.claimed_ms:
            row = await self._again(row, request, key_mac)
        return Answer(200, _encode(view_of(row)))

    async def resent(self, request: Any, verification: bytes, given: bytes, way: KeptWay, why: str) -> Verification:
        """The same for a step of a workflow, by another way, `why` being what was heard of the one before; done again under the same key it is the same message."""
        caller = request.caller.id
        row: Verification = await self.watch.do(lambda book: book.one(verification, caller))
        where = b"/v1/verifications/%s/resend" % verification.hex().encode()
        key_mac, _ = macs(await self.gateway.seals.at(now_ms()), caller, given, where, b"")
        if row.resend != key_mac or row.claimed_ms:
            row = await self._again(row, request, key_mac, way, why)
        return row

    # --- their parts --------------------------------------------------------------------------------------

    def _way(self, asked: VerificationRequest) -> KeptWay | None:
        """The one way of a code; None when it has several. Raises Error `invalid`."""
        if not asked.channels:
            return USUAL
        ways = ways_of(asked.channels, self.gateway.settings.channels, "channels")
        if len(ways) > 1:
            return None
        return KeptWay(ways[0].sender or "", "", "" if ways[0].channel == SMS else ways[0].channel)

    def _kept(self, asked: VerificationRequest) -> Kept:
        settings = self.gateway.settings
        try:
            to, calling_code = normalise(asked.to)
            check_admitted(to, calling_code, self.guard)
        except Error as e:
            e.detail.setdefault("field", "to")
            self.gateway.refused(e)
            raise
        if asked.payee is not None and asked.payees is not None:
            raise Error("invalid", "`payee` and `payees` are both there", "give one of them", field="payees")
        payment = payment_of(payee_of(asked), asked.amount, asked.currency)
        digits, life_s = asked.length or settings["verify.length"], asked.life_s or settings["verify.life_s"]
        return Kept(to, asked.locale, *payment, digits, life_s, template=asked.template or "")

    def _operator(self, number: str) -> str:
        """Whose network a number is in, as far as the settings and what ENUM said know it; empty: nobody knows."""
        numbers = self.gateway.routing.table.numbers
        return numbers.operator(number) if numbers is not None else ""

    def _who(self, asked: VerificationRequest, key: bytes) -> list[Pace]:
        """The rates of who asks. Raises Error `invalid`."""
        if asked.address is not None:
            try:
                ipaddress.ip_address(asked.address)
            except ValueError:
                raise Error(
                    "invalid", "`address` is no IP address", "as 192.0.2.7 or 2001:db8::7", field="address"
                ) from None
        return paces(key, asked.user, asked.address, self.limits)

    async def _told(self, block: Block | None) -> None:
        """A prefix that was just blocked: on the record, and loud, for it is either fraud or a broken page of the bank's."""
        if block is None:
            return
        log.warning("codes to %s are blocked until %s: %s", block.prefix, rfc3339(block.until_ms), WHY[block.why])
        self.gateway.numbers.blocked(block.why)
        detail = {"why": block.why, "ends": rfc3339(block.until_ms)}
        await self.gateway.recorder.record("gateway", "verification.prefix_blocked", f"prefix:{block.prefix}", **detail)

    async def _written(self, kept: Kept, purpose: str, caller: int, key: bytes) -> tuple[str, Letter, Any, str]:
        """A code and its message, taken in and not committed: whatever is refused is refused before anything is kept."""
        gateway = self.gateway
        code = kept.code or await self.drawing.code(kept.digits)
        minutes, templates = kept.life_s // 60, gateway.templates.now
        said = self.wording.text(purpose, kept.locale, code, kept.payment, minutes, templates, kept.template)
        sender = kept.sender or gateway.settings["verify.sender"] or None
        letter = Letter(kept.to, said.text, sender, kept.life_s, kept.address)
        return code, letter, await self.handing.taken(letter, caller, key), said.template

    def _sealed(self, key: Any, verification: bytes, kept: Kept, code: str) -> bytes:
        same = self.gateway.settings["verify.resend"] == "same"
        kept = msgspec.structs.replace(kept, code=code if same else "")
        sealed: bytes = key.seal(packed(kept), aad(verification))
        return sealed

    async def _begun_before(self, row: Verification, request: Any) -> Begun:
        """The answer to a request that came before: the same, once its number's operator was heard, where it is asked."""
        caller, verification = request.caller.id, row.id
        while row.in_hand(now_ms()):
            await asyncio.sleep(LOOK_S)
            row = await self.watch.do(lambda book: book.one(verification, caller))
        if row.request is None:
            raise Error("overloaded", "the first of two same requests was refused", "ask again after a second")
        if row.claimed_ms:  # the first request was cut off while the operator was asked: no message left
            row = await self._again(row, request, None)
        return Begun(row.id, row.expires_ms, True)

    async def _again(
        self,
        row: Verification,
        request: Any,
        key_mac: bytes | None,
        way: KeptWay | None = None,
        why: str = "",
    ) -> Verification:
        """Sends a verification's message once more. Raises Error `verification_ended`, `rate_limited` or `overloaded`."""
        gateway, at_ms = self.gateway, now_ms()
        check_resend(row, self.limits, at_ms)
        old = await gateway.ring.by_id(row.key_id)
        kept = unpacked(old.open(row.sealed, aad(row.id)))
        if way is not None:
            kept = msgspec.structs.replace(kept, **way._asdict())
        asks = gateway.number_checks.of(row.purpose) is not None
        if asks:
            await self.watch.act(lambda book: book.pace(row, self.limits, at_ms))
        heard = await self._heard(row, kept.to, request)
        sends = row.sends + 1
        code, letter, intake, shown = await self._written(kept, row.purpose, row.caller, send_key(row.id, sends))
        sealing, key = await gateway.seals.at(at_ms), await self._key()
        mac = code_mac(key, row.id, row.subject, row.purpose, kept.payment, code)
        until_ms = row.expires_ms if kept.code else at_ms + kept.life_s * 1000
        put = Renewed(mac, sealing.key.key_id, self._sealed(sealing.key, row.id, kept, code), until_ms, key_mac)
        because = {"because": why} if why else {}
        made = self._entry(request, row, "verification.resent", template=shown, **_by(kept), **because, **heard)

        def renewed(book: Book, handing: Handing) -> tuple[Verification, Block | None]:
            now = book.renew(row, put, self.limits, at_ms, asks)
            book.hand(handing, made)
            return now, book.weigh(row.prefix, self.guard, at_ms, row.operator)

        now, block = await self.handing.commit(Leaving(row.id, sends, row.caller, intake), sealing.key, letter, renewed)
        await self._told(block)
        gateway.numbers.verified(row.purpose, "resent")
        return now

    async def _heard(self, row: Verification, number: str, request: Any) -> dict[str, Any]:
        """What the number's operator says of it, for the audit log. Raises Error `number_at_risk` or `number_unchecked`, then on the log too."""
        check = self.gateway.number_checks.of(row.purpose)
        if check is None:
            return {}
        told = await self.gateway.number_checks.told(check, number, id_text(row.id))
        heard = check_detail(check, told)
        try:
            check_told(check, told)
        except Error as e:
            self.gateway.refused(e)
            await self._record(request, row.id, row, "verification.refused", "refused", **heard)
            raise
        return heard

    async def _heard_first(self, row: Verification, number: str, request: Any) -> dict[str, Any]:
        """The same of a new verification. Its rates count before, so that nobody has the operator asked without end; a code that is refused is none of its prefix's."""
        new_id, at_ms = row.id, row.created_ms
        try:
            return await self._heard(row, number, request)
        except BaseException:
            await asyncio.shield(self.watch.act(lambda book: book.withdraw(new_id, at_ms)))
            raise

    async def _one(self, request: Request) -> Verification:
        caller, verification = request.caller.id, id_of(request)
        return await self.watch.do(lambda book: book.one(verification, caller))

    async def _record(
        self, request: Any, on: bytes, of: Verification | Checked, event: str, outcome: str = "ok", **said: Any
    ) -> None:
        await self.handing.told(on)  # the log has it behind the code that it is about
        who, detail = f"api:{request.caller.name}", detail_of(of.purpose, of.bound) | said
        await self.gateway.recorder.record(who, event, f"verification:{id_text(on)}", outcome, **detail)

    def _entry(self, request: Any, row: Verification, event: str, **detail: str | int) -> dict[str, Any]:
        """The same as an entry, for the book's commit."""
        on, detail = f"verification:{id_text(row.id)}", detail_of(row.purpose, row.bound) | detail
        return entry(now_ms(), f"api:{request.caller.name}", event, on, "ok", **detail)

    async def _key(self) -> bytes:
        return await self.gateway.ring.derive("verification", "")


def _by(kept: Kept) -> dict[str, str]:
    """The channel of a message, for the log."""
    return {"channel": kept.channel} if kept.channel else {}
