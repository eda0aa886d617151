"""What the entries of one authentication say: what was sent and shown, each try, and whether a dispute's payment is the one that was bound."""

from __future__ import annotations

import json
from typing import Any

from appliance.message import id_octets
from appliance.verify import NONE, digest, files, payment_digest, payment_of, record

ID = id_octets("019ab1c2-7b1e-7000-8a3f-5f0c2d9e4b6a") or b""
KEY = bytes(32)
PAYMENT = payment_of("Rossi S.r.l.", "940.00", "EUR")
BOUND = payment_digest(KEY, ID, PAYMENT).hex()


def entry(index: int, what: str, outcome: str = "ok", **detail: Any) -> dict[str, Any]:
    at = f"2026-11-22T10:00:0{index}.000Z"
    return {"index": index, "entry": {"at": at, "what": f"verification.{what}", "outcome": outcome, "detail": detail}}


ENTRIES = [
    entry(1, "created", purpose="payment", bound=True, digest=BOUND, template="verify.payment@3 it"),
    entry(2, "checked", "refused", purpose="payment", reason="payment", digest=BOUND),
    entry(3, "checked", purpose="payment", bound=True, digest=BOUND),
]


def test_the_record_says_what_was_shown_and_tried() -> None:
    said = record(ID, ENTRIES, KEY, PAYMENT)
    assert said["sent"] == [{"at": "2026-11-22T10:00:01.000Z", "text": "verify.payment@3 it"}]
    assert [t["outcome"] for t in said["tries"]] == ["denied", "approved"]
    assert said["approved_at"] == "2026-11-22T10:00:03.000Z" and said["approved_for_what_was_sent"]
    assert said["payment_of_the_dispute"] == "the one that the code was bound to"
    other = record(ID, ENTRIES, KEY, payment_of("Rossi S.r.l.", "940.01", "EUR"))
    assert other["payment_of_the_dispute"] == "another"
    assert "payment_of_the_dispute" not in record(ID, ENTRIES, b"", NONE)
    assert record(ID, ENTRIES[:2], KEY, NONE)["approved_at"] is None


def test_the_folder_has_a_proof_of_each_entry() -> None:
    made = files(ID, ENTRIES, ["one", "two", "three"], "key+1", KEY, PAYMENT)
    assert sorted(made) == [
        "README.txt", "authentication.json", "entry-1.tlog-proof", "entry-2.tlog-proof", "entry-3.tlog-proof", "verifier.vkey",
    ]  # fmt: skip
    assert json.loads(made["authentication.json"])["entries"] == [1, 2, 3] and made["verifier.vkey"] == b"key+1\n"
    assert digest(made) != digest(made | {"entry-1.tlog-proof": b"other"})
