"""The evidence of one authentication for a dispute: its entries of the audit log, each with its proof, and what they say. Without the number. Pure.

Delegated Regulation (EU) 2018/389 article 5(2) and Directive (EU) 2015/2366 article 72: the bank has to prove that a payment was authenticated and
recorded. What is proven is in the signed log: when a code was sent, which text of which version was shown, what it was bound to (as a keyed
digest), each try and its outcome. Each proof is read offline by `verify.py`, which lies in every export of the log.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from appliance.message import id_text

from .binding import NONE, Payment, payment_digest
from .elements import SMS, element
from .number_check import DETAIL

ENTRIES_MAX: Final = 1_000  # of one verification: five sends and the tries after its end
RECORD, KEY = "authentication.json", "verifier.vkey"
README: Final = """\
authentication.json    what the audit log has of one authentication, and what that says
entry-N.tlog-proof     the proof of each of its entries: the entry itself, and that it is in the log, signed
verifier.vkey          the log's public key: compare it with the one that was given away when the box was installed

    python verify.py entry-N.tlog-proof --key verifier.vkey

`verify.py` lies in every export of the audit log and needs nothing else of this software. The telephone number is nowhere in it.
"""


def record(verification: bytes, entries: list[dict[str, Any]], key: bytes, payment: Payment) -> dict[str, Any]:
    """What the entries (`index`, `entry`, oldest first) say. `payment`: of the dispute, or none; compared with what was bound."""
    said = [each["entry"] for each in entries]
    sends = [e for e in said if e["what"] in ("verification.created", "verification.resent")]
    tries = [e for e in said if e["what"] == "verification.checked"]
    approved = next((e for e in tries if e["outcome"] == "ok"), None)
    bound = next((e["detail"].get("digest", "") for e in sends if e["detail"].get("digest")), "")
    asked = [e for e in said if "sim" in e["detail"] or "tenure" in e["detail"]]
    out: dict[str, Any] = {
        "verification": id_text(verification),
        "purpose": sends[0]["detail"].get("purpose", "") if sends else "",
        "channel": SMS,
        "sca_element": element(SMS),
        "sent": [
            {"at": e["at"], "text": e["detail"].get("template", "")}
            | {n: e["detail"][n] for n in ("channel", "because") if n in e["detail"]}
            for e in sends
        ],
        "number_checks": [
            {"at": e["at"], "sent": e["outcome"] == "ok"} | {n: e["detail"][n] for n in DETAIL if n in e["detail"]}
            for e in asked
        ],
        "bound_to_a_payment": bool(bound),
        "tries": [{"at": e["at"], "outcome": "approved" if e["outcome"] == "ok" else "denied"} for e in tries],
        "approved_at": approved["at"] if approved else None,
        "approved_for_what_was_sent": approved is not None and approved["detail"].get("digest", "") == bound,
        "entries": [each["index"] for each in entries],
    }
    if payment != NONE:
        same = payment_digest(key, verification, payment).hex() == bound
        out["payment_of_the_dispute"] = "the one that the code was bound to" if same else "another"
    return out


def files(
    verification: bytes, entries: list[dict[str, Any]], proofs: list[str], vkey: str, key: bytes, payment: Payment
) -> dict[str, bytes]:
    """File name -> content of the folder that is handed out."""
    said = json.dumps(record(verification, entries, key, payment), ensure_ascii=False, indent=1) + "\n"
    out = {RECORD: said.encode(), KEY: f"{vkey}\n".encode(), "README.txt": README.encode()}
    return out | {f"entry-{e['index']}.tlog-proof": proof.encode() for e, proof in zip(entries, proofs, strict=True)}


def digest(made: dict[str, bytes]) -> str:
    """SHA-256 over names and contents, hexadecimal: what the log says was handed out."""
    whole = hashlib.sha256()
    for name in sorted(made):
        whole.update(name.encode() + b"\0" + hashlib.sha256(made[name]).digest())
    return whole.hexdigest()
