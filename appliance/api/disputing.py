"""The evidence of one authentication over REST: what the audit log has of it, with proofs, for the API key that began it."""

from __future__ import annotations

from typing import Final

import msgspec

from appliance.limits import SINGLE_BODY_OCTETS_MAX
from appliance.message import id_octets, id_text
from appliance.verify import ENTRIES_MAX, digest, files, not_found, presented

from .asgi import Answer, Request
from .gateway import Gateway
from .requests import decoded_once
from .verifying_answers import payee_of
from .verifying_bodies import EvidenceFiles, EvidenceRequest

PROOF_S_MAX: Final = 60.0

_encode: Final = msgspec.json.Encoder().encode
_request: Final = msgspec.json.Decoder(EvidenceRequest)


class Disputing:
    """An endpoint as a bound method."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def evidence(self, request: Request) -> Answer:
        """POST /v1/verifications/{id}/evidence: on the audit log before its answer leaves."""
        gateway, verification = self.gateway, id_octets(request.param.lower())
        if verification is None:
            raise not_found()
        gateway.charge(request.caller, 1)
        asked: EvidenceRequest = decoded_once(_request, await request.body(SINGLE_BODY_OCTETS_MAX))
        payment = presented(payee_of(asked), asked.amount, asked.currency)
        if gateway.handing is not None:
            await gateway.handing.told(verification)  # of a code that has just been made
        on, auditor = f"verification:{id_text(verification)}", gateway.auditor
        found = (await auditor.call("entries", {"on": on, "limit": ENTRIES_MAX}))["entries"]
        entries = sorted(found, key=lambda each: int(each["index"]))
        who = f"api:{request.caller.name}"
        if not any(e["entry"]["what"] == "verification.created" and e["entry"]["who"] == who for e in entries):
            raise not_found()  # another API key's, or pruned
        proofs = [
            (await auditor.call("proof", {"index": each["index"]}, timeout_s=PROOF_S_MAX))["tlog_proof"]
            for each in entries
        ]
        vkey = (await auditor.call("state", {}))["vkey"]
        key = await gateway.ring.derive("verification", "")
        made = files(verification, entries, proofs, vkey, key, payment)
        named = digest(made)
        await gateway.recorder.record(who, "evidence.exported", on, digest=named)
        said = {name: content.decode() for name, content in made.items()}
        return Answer(200, _encode(EvidenceFiles(named, said)))
