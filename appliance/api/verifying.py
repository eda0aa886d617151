"""Verifications over REST: begin one, check a code, look at it, cancel it, send it again.

A verification is on disk before its message is handed on, and its caller has no answer before the message is durable too. Whoever
has no answer repeats with the same Idempotency-Key: a message that is not known to be durable is then made anew, with another code.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import Any, Final, NamedTuple

import msgspec

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.limits import (
    SINGLE_BODY_OCTETS_MAX,
)
from appliance.message import id_text, new_ids
from appliance.numbering import normalise
from appliance.verify import (
    WHY,
    Block,
    Book,
    Drawing,
    Kept,
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
from .requests import Message, decoded_once
from .sending import Sending, idempotency_key, macs
from .verifying_answers import begun_answer, detail_of, id_of, payee_of, send_key, view_of
from .verifying_bodies import CheckRequest, VerificationChecked, VerificationRequest

log = logging.getLogger(__name__)

ADDRESS: Final = b"/v1/verifications"
LOOK_S: Final = 0.1  # between two looks at whether the first of two same requests has its answer

_encode: Final = msgspec.json.Encoder().encode
_request: Final = msgspec.json.Decoder(VerificationRequest)
_check: Final = msgspec.json.Decoder(CheckRequest)
APPROVED: Final = _encode(VerificationChecked("approved"))
DENIED: Final = _encode(VerificationChecked("denied"))


class Begun(NamedTuple):
    """A verification whose message is durable; `before`: the request came before."""

    id: bytes
    expires_ms: int
    before: bool


class Verifying:
    """Endpoints as bound methods."""

    def __init__(self, gateway: Gateway, sending: Sending) -> None:
        self.gateway = gateway
        self.sending = sending
        self.watch = gateway.verifications
        self.limits, self.guard = self.watch.limits, self.watch.guard
        self.wording = Wording(gateway.settings)
        self.drawing = Drawing(gateway.ring.random)
        self._marking: set[asyncio.Task[None]] = set()

    # --- endpoints ----------------------------------------------------------------------------------------

    async def begin(self, request: Request) -> Answer:
        """POST /v1/verifications"""
        given = idempotency_key(request)
        body = await request.body(SINGLE_BODY_OCTETS_MAX)
        gateway, caller = self.gateway, request.caller
        gateway.peers.check_open()
        gateway.charge(caller, 1)
        gateway.funnel.check_room(1)
        asked: VerificationRequest = decoded_once(_request, body)
        row = await self.begun(request, asked, given, body)
        headers = ((b"idempotency-replayed", b"true"),) if row.before else ()
        return begun_answer(row.id, row.expires_ms, headers)

    async def begun(
        self,
        request: Any,
        asked: VerificationRequest,
        given: bytes,
        body: bytes,
        flow: bytes | None = None,
        sender: str = "",
        address: str = "",
    ) -> Begun:
        """A verification whose message is durable. `request`: who asks; `flow`, `sender`, `address`: of a workflow's step."""
        gateway, caller = self.gateway, request.caller
        kept = msgspec.structs.replace(self._kept(asked), sender=sender, address=address)
        at_ms = now_ms()
        sealing = await gateway.seals.at(at_ms)
        key_mac, body_mac = macs(sealing, caller.id, given, ADDRESS, body) if given else (None, None)
        (new_id,) = new_ids(1, at_ms)
        purpose = asked.purpose.lower()
        code, intake, shown = await self._written(kept, purpose, caller.id, send_key(new_id, 1))
        key = await self._key()
        who = self._who(asked, key)
        prefix = prefix_of(kept.to)
        bound = payment_digest(key, new_id, kept.payment)
        mac = code_mac(key, new_id, sealing.index(kept.to), purpose, kept.payment, code)
        sealed, until_ms = self._sealed(sealing.key, new_id, kept, code), at_ms + kept.life_s * 1000
        row = Verification(
            new_id, caller.id, purpose, "pending", sealing.index(kept.to), mac, bound, sealing.key.key_id, sealed,
            at_ms, until_ms, 1, 0, at_ms, key_mac, body_mac, prefix=prefix, flow=flow,
        )  # fmt: skip
        asks = self.gateway.number_checks.of(purpose) is not None

        def begun(book: Book) -> tuple[Verification, Block | None]:
            found = book.begin(row, self.limits, at_ms, who)
            return found, book.weigh(prefix, self.guard, at_ms) if found is row and not asks else None

        found, block = await self.watch.act(begun)
        if found.id != new_id:
            return await self._begun_before(found, request)
        heard: dict[str, Any] = {}
        if asks:
            heard, block = await self._heard_first(row, kept.to, request)
        await self._told(block)
        await self._sent(row, intake, "verification.created", shown, request, heard)
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
        detail = detail_of(checked.purpose, checked.bound) | ({"reason": checked.reason} if checked.reason else {})
        outcome = "ok" if checked.approved else "refused"
        await gateway.recorder.record(
            f"api:{caller.name}", "verification.checked", f"verification:{id_text(verification)}", outcome, **detail
        )
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
            await self._record(request, row, "verification.cancelled")
            self.gateway.numbers.verified(row.purpose, "cancelled")
        return Answer(200, _encode(view_of(row)))

    async def resend(self, request: Request) -> Answer:
        """POST /v1/verifications/{id}/resend"""
        given = idempotency_key(request)
        gateway = self.gateway
        gateway.peers.check_open()
        gateway.charge(request.caller, 1)
        gateway.funnel.check_room(1)
        row = await self._one(request)
        while row.in_hand(now_ms()):  # also what was answered a moment ago and is being noted
            await asyncio.sleep(LOOK_S)
            row = await self._one(request)
        key_mac = None
        if given:
            address = b"/v1/verifications/%s/resend" % request.param.encode()
            key_mac, _ = macs(await gateway.seals.at(now_ms()), request.caller.id, given, address, b"")
        if key_mac is None or row.resend != key_mac or row.claimed_ms:
            row = await self._again(row, request, key_mac)
        return Answer(200, _encode(view_of(row)))

    async def resent(self, request: Any, verification: bytes, given: bytes, sender: str, address: str) -> Verification:
        """The same for a step of a workflow, by another sender; done again under the same key it is the same message."""
        caller = request.caller.id
        row: Verification = await self.watch.do(lambda book: book.one(verification, caller))
        where = b"/v1/verifications/%s/resend" % verification.hex().encode()
        key_mac, _ = macs(await self.gateway.seals.at(now_ms()), caller, given, where, b"")
        if row.resend != key_mac or row.claimed_ms:
            row = await self._again(row, request, key_mac, (sender, address))
        return row

    # --- their parts --------------------------------------------------------------------------------------

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
        return Kept(to, asked.locale, *payment, digits, life_s)

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

    async def _written(self, kept: Kept, purpose: str, caller: int, key: bytes) -> tuple[str, Any, str]:
        """A code and its message, taken in and not committed: whatever is refused is refused before anything is kept."""
        gateway = self.gateway
        code = kept.code or await self.drawing.code(kept.digits)
        said = self.wording.text(purpose, kept.locale, code, kept.payment, kept.life_s // 60, gateway.templates.now)
        sender = kept.sender or gateway.settings["verify.sender"] or None
        message = Message(kept.to, said.text, sender, "otp", validity_s=kept.life_s, callback_url=kept.address or None)
        intake = await self.sending.taken([message], caller, indexed=False, key=key, own=bool(kept.address))
        if intake.errors:
            gateway.refused(intake.errors[0][1])
            raise intake.errors[0][1]
        return code, intake, said.template

    def _sealed(self, key: Any, verification: bytes, kept: Kept, code: str) -> bytes:
        same = self.gateway.settings["verify.resend"] == "same"
        kept = msgspec.structs.replace(kept, code=code if same else "")
        sealed: bytes = key.seal(packed(kept), aad(verification))
        return sealed

    async def _begun_before(self, row: Verification, request: Any) -> Begun:
        """The answer to a request that came before: the same, once its message is durable, whoever makes it so."""
        caller, verification = request.caller.id, row.id
        while row.in_hand(now_ms()):
            await asyncio.sleep(LOOK_S)
            row = await self.watch.do(lambda book: book.one(verification, caller))
        if row.request is None:
            raise Error("overloaded", "the first of two same requests was refused", "ask again after a second")
        if row.claimed_ms:  # the first request was cut off: nobody knows whether its message left
            row = await self._again(row, request, None)
        return Begun(row.id, row.expires_ms, True)

    async def _again(
        self, row: Verification, request: Any, key_mac: bytes | None, way: tuple[str, str] | None = None
    ) -> Verification:
        """Sends a verification's message once more. Raises Error `verification_ended`, `rate_limited` or `overloaded`."""
        gateway, at_ms = self.gateway, now_ms()
        check_resend(row, self.limits, at_ms)
        old = await gateway.ring.by_id(row.key_id)
        kept = unpacked(old.open(row.sealed, aad(row.id)))
        if way is not None:
            kept = msgspec.structs.replace(kept, sender=way[0], address=way[1])
        asks = gateway.number_checks.of(row.purpose) is not None
        if asks:
            await self.watch.act(lambda book: book.pace(row, self.limits, at_ms))
        heard = await self._heard(row, kept.to, request)
        code, intake, shown = await self._written(kept, row.purpose, row.caller, send_key(row.id, row.sends + 1))
        sealing, key = await gateway.seals.at(at_ms), await self._key()
        mac = code_mac(key, row.id, row.subject, row.purpose, kept.payment, code)
        until_ms = row.expires_ms if kept.code else at_ms + kept.life_s * 1000
        sealed = self._sealed(sealing.key, row.id, kept, code)
        put = Renewed(mac, sealing.key.key_id, sealed, until_ms, key_mac)
        renewed, block = await self.watch.act(
            lambda book: (book.renew(row, put, self.limits, at_ms, asks), book.weigh(row.prefix, self.guard, at_ms))
        )
        await self._told(block)
        await self._sent(renewed, intake, "verification.resent", shown, request, heard)
        gateway.numbers.verified(row.purpose, "resent")
        return renewed._replace(claimed_ms=0)

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
            await self._record(request, row, "verification.refused", "refused", **heard)
            raise
        return heard

    async def _heard_first(self, row: Verification, number: str, request: Any) -> tuple[dict[str, Any], Block | None]:
        """The same of a new verification. Its rates count before, so that nobody has the operator asked without end; a code that is refused is none of its prefix's."""
        new_id, prefix, at_ms = row.id, row.prefix, row.created_ms
        try:
            heard = await self._heard(row, number, request)
        except BaseException:
            await asyncio.shield(self.watch.act(lambda book: book.withdraw(new_id, at_ms)))
            raise

        def held(book: Book) -> Block | None:
            book.hold(new_id, now_ms())
            return book.weigh(prefix, self.guard, at_ms)

        block = await self.watch.act(held)
        return heard, block

    async def _sent(
        self, row: Verification, intake: Any, event: str, shown: str, request: Any, heard: dict[str, Any]
    ) -> None:
        """Records it and makes the message durable; what is not known to be is marked, for whoever repeats the request."""
        verification, sends = row.id, row.sends
        try:
            await self._record(request, row, event, template=shown, **heard)
            key = send_key(verification, sends)
            await self.sending.committed(request, key, ADDRESS, verification, intake, b"{}")
        except BaseException:
            await asyncio.shield(self.watch.act(lambda book: book.sent(verification, sends, durable=False)))
            raise
        self._mark(verification, sends)

    def _mark(self, verification: bytes, sends: int) -> None:
        """Notes that a message is durable, with the next commit: its caller need not wait. If power fails before, a repetition sends anew."""
        task = asyncio.ensure_future(self.watch.act(lambda book: book.sent(verification, sends, durable=True)))
        self._marking.add(task)
        task.add_done_callback(self._marked)

    def _marked(self, task: asyncio.Task[None]) -> None:
        self._marking.discard(task)
        if not task.cancelled() and (e := task.exception()) is not None:
            log.warning("that a verification's message is durable could not be noted: %s", e)

    async def _one(self, request: Request) -> Verification:
        caller, verification = request.caller.id, id_of(request)
        return await self.watch.do(lambda book: book.one(verification, caller))

    async def _record(
        self, request: Any, row: Verification, event: str, outcome: str = "ok", **detail: str | int
    ) -> None:
        on = f"verification:{id_text(row.id)}"
        detail = detail_of(row.purpose, row.bound) | detail
        await self.gateway.recorder.record(f"api:{request.caller.name}", event, on, outcome, **detail)

    async def _key(self) -> bytes:
        return await self.gateway.ring.derive("verification", "")
