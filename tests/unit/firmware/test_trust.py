"""Every reason to refuse a bundle, as a named case: what is different from a bundle that is fine, and the code it is refused with."""

from __future__ import annotations

from typing import Any

import pytest

from firmware import trust
from firmware.refusals import REFUSALS, Refused
from firmware.release import Image, Manifest
from firmware.trust import Approval, Box, Payload, Signature, Signer
from tests.support.release_keys import release

HASH, OTHER = "a" * 64, "b" * 64
DAY = 86_400
NOW = 1_800_000_000
VENDOR = Signer("CN=Release 2026", "1" * 64, 17, NOW - 200 * DAY, NOW + 165 * DAY, True, True)
LAST_YEAR = VENDOR._replace(name="CN=Release 2025", fingerprint="2" * 64, until_s=NOW - 10 * DAY)
STRANGER = VENDOR._replace(name="CN=Release 2026", fingerprint="3" * 64, trusted=False)
ANN = Signer("CN=Ann", "4" * 64, 1, NOW - DAY, NOW + DAY, True, True)
BOB = ANN._replace(name="CN=Bob", fingerprint="5" * 64)
IMAGES = {name: Image("root.raw", 1, OTHER) for name in ("root", "verity")}
MANIFEST = Manifest("casemate", "0.2.0", "verity", HASH, OTHER, 4096, IMAGES)
BOX = Box("casemate", "x86_64-uefi-q35", "SN-1", "0.1.0", "0.1.0", NOW)
SIGNATURE = Signature((VENDOR,), True)
PAYLOAD = Payload(8192, 8192, HASH, True)
TWO = BOX._replace(officers_needed=2)


def yes(who: Signer = ANN, **changes: Any) -> Approval:
    return Approval(who, True, HASH, ("SN-1", "SN-2"), NOW + DAY, "0" * 31 + who.fingerprint[0])._replace(**changes)


def judged(
    signature: Signature | None = SIGNATURE,
    payload: Payload = PAYLOAD,
    manifest: Manifest = MANIFEST,
    said: Any = None,
    box: Box = BOX,
    approvals: tuple[Approval, ...] = (),
) -> list[Approval]:
    """The four questions in their order, as bundle.check asks them."""
    trust.signer(signature, box.now_s)
    trust.payload(payload, manifest)
    trust.fitting(manifest, said or release(), box)
    return trust.bank(approvals, manifest, box)


#: Name of the case -> (what is different, the code).
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "unsigned: no signature at all": ({"signature": None}, "unsigned"),
    "unsigned: a signature of nobody": ({"signature": Signature((), True)}, "unsigned"),
    "changed signature": ({"signature": Signature((VENDOR,), False)}, "signature_wrong"),
    "wrong signer: same name, other authority": ({"signature": Signature((STRANGER,), True)}, "wrong_signer"),
    "wrong signer beside the right one": ({"signature": Signature((VENDOR, STRANGER), True)}, "wrong_signer"),
    "a certificate for e-mail": (
        {"signature": Signature((VENDOR._replace(signs_code=False),), True)},
        "wrong_purpose",
    ),
    "expired: last year's key": ({"signature": Signature((LAST_YEAR,), True)}, "signer_expired"),
    "not valid yet: clock of the box is wrong": ({"box": BOX._replace(now_s=NOW - 300 * DAY)}, "signer_early"),
    "revoked": ({"signature": Signature((VENDOR._replace(revoked=True),), True)}, "signer_revoked"),
    "revoked and expired: revoked is said": (
        {"signature": Signature((LAST_YEAR._replace(revoked=True),), True)},
        "signer_revoked",
    ),
    "truncated": ({"payload": Payload(4096, 8192, OTHER, False)}, "truncated"),
    "something appended": ({"payload": Payload(12288, 8192, OTHER, False)}, "payload_tampered"),
    "payload tampered, signature right": ({"payload": Payload(8192, 8192, OTHER, True)}, "payload_tampered"),
    "hash tree tampered, payload right": ({"payload": Payload(8192, 8192, HASH, False)}, "payload_tampered"),
    "wrong product": (
        {"manifest": Manifest("other", "0.2.0", "verity", HASH, OTHER, 4096, IMAGES), "said": release(product="other")},
        "wrong_product",
    ),
    "wrong product inside only": ({"said": release(product="other")}, "wrong_product"),
    "two versions": ({"said": release("0.3.0")}, "manifest_wrong"),
    "wrong hardware": ({"said": release(hardware=("aarch64-*", "x86_64-uefi-dell-*"))}, "wrong_hardware"),
    "a day too late": ({"said": release(until=NOW - 1)}, "expired"),
    "downgrade: older than what runs": ({"box": BOX._replace(version="0.10.0")}, "downgrade"),
    "downgrade: below the floor though the box was set back": ({"box": BOX._replace(floor="0.3.0")}, "downgrade"),
    "replayed: it failed here before": ({"box": BOX._replace(withdrawn={HASH})}, "replayed"),
    "the same release": ({"box": BOX._replace(version="0.2.0")}, "same_version"),
    "over a release that it does not go over": ({"said": release(needs="0.1.5")}, "too_far"),
    "two signers required, none": ({"box": TWO}, "bank_missing"),
    "two signers required, one": ({"box": TWO, "approvals": (yes(),)}, "bank_missing"),
    "two signers required, the same one twice": (
        {"box": TWO, "approvals": (yes(), yes(nonce="f" * 32))},
        "bank_missing",
    ),
    "bank's signature over another bundle": ({"box": TWO, "approvals": (yes(bundle=OTHER), yes(BOB))}, "bank_wrong"),
    "bank's signature changed": ({"box": TWO, "approvals": (yes(matches=False), yes(BOB))}, "bank_wrong"),
    "bank's signature of a stranger": (
        {"box": TWO, "approvals": (yes(), yes(BOB._replace(trusted=False)))},
        "bank_stranger",
    ),
    "bank's officer revoked": ({"box": TWO, "approvals": (yes(), yes(BOB._replace(revoked=True)))}, "signer_revoked"),
    "bank's approval too old": ({"box": TWO, "approvals": (yes(), yes(BOB, until_s=NOW - 1))}, "bank_expired"),
    "bank's approval for another box": (
        {"box": TWO, "approvals": (yes(), yes(BOB, boxes=("SN-9",)))},
        "bank_other_box",
    ),
    "bank's approval used before": (
        {"box": TWO._replace(nonces={yes(BOB).nonce}), "approvals": (yes(), yes(BOB))},
        "bank_replayed",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    changes, code = CASES[name]
    with pytest.raises(Refused) as caught:
        judged(**changes)
    assert caught.value.code == code
    assert caught.value.hint and caught.value.sentence.startswith(REFUSALS[code][0])


def test_taken() -> None:
    assert judged() == []
    assert [a.signer.name for a in judged(box=TWO, approvals=(yes(), yes(BOB)))] == ["CN=Ann", "CN=Bob"]
    assert judged(box=TWO, approvals=(yes(boxes=("*",)), yes(BOB)))
    assert judged(said=release(until=NOW), box=BOX._replace(withdrawn={OTHER}, nonces={"0" * 32})) == []
    assert judged(approvals=(yes(matches=False),)) == [], "where the bank does not sign, files beside do not matter"


def test_every_code_of_a_decision_has_a_case() -> None:
    """The others are of reading a file: tests/stories/test_firmware.py."""
    found_when_opened = {"unreadable", "plain_format", "not_for_us"}
    assert {code for _, code in CASES.values()} == set(REFUSALS) - found_when_opened


def test_the_floor_only_rises() -> None:
    assert trust.floor_after(release(floor="0.1.5"), BOX) == "0.1.5"
    assert trust.floor_after(release(floor="0.0.1"), BOX) == "0.1.0"


def test_an_older_list_of_revoked_keys_never_replaces_a_newer_one() -> None:
    assert trust.newest_list({"bundle": 6}, 5) == "bundle"
    assert trust.newest_list({"bundle": 5}, 5) == ""
    assert trust.newest_list({"bundle": 4, "stick": 9, "other": 7}, 5) == "stick"
