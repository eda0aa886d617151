"""Codes after the operator's word on the number: a stand-in that takes only what CAMARA's documents allow, right answers and bad ones, refused, sent, and on the log."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.appliance import ROOT, Appliance, wait_for
from tests.support.camara_operator import CamaraOperator
from tests.support.certificate import self_signed

pytestmark = pytest.mark.stories

CONFIG = """
[[camara]]
prefix = "39"
api = "{root}"
tenure = "kyc-tenure/v0.2"
token_url = "{root}/token"
client_id = "bank"
key_file = "{folder}/client.pem"
ca = "{folder}/authority.pem"
timeout_ms = 10000

[[camara]]
prefix = "49"
api = "{root}"
token_url = "{root}/token"
grant = "jwt-bearer"
client_id = "bank"
key_file = "{folder}/client.pem"
ca = "{folder}/authority.pem"
timeout_ms = 10000

[[number_check]]
purposes = ["transfer"]
tenure_days = 30
unknown = "refuse"

[[number_check]]
purposes = ["login"]
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cm-camara-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def operator(folder: Path) -> Iterator[CamaraOperator]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "client.pem").write_bytes(pem)
    operator = CamaraOperator(*self_signed(folder), key.public_key())
    yield operator
    operator.close()


@pytest.fixture(scope="module")
def box(operator: CamaraOperator, folder: Path) -> Iterator[Appliance]:
    with Appliance(CONFIG.format(root=operator.root, folder=folder)) as box:
        yield box


def begin(box: Appliance, number: str, purpose: str) -> tuple[int, str]:
    made = box.api.post("/v1/verifications", json={"to": number, "purpose": purpose})
    said = made.json()
    return made.status_code, str(said.get("rule") or said.get("code") or "")


def received(box: Appliance, number: str) -> int:
    return len(box.operator.get("/received", params={"to": number}).json())


def logged(box: Appliance, event: str) -> list[dict[str, str]]:
    found = box.ask("auditor", "entries", {"what": event, "limit": 1_000})["entries"]
    return [each["entry"]["detail"] for each in sorted(found, key=lambda each: int(each["index"]))]


def test_a_code_goes_to_a_number_that_is_well_and_not_to_one_at_risk(box: Appliance, operator: CamaraOperator) -> None:
    assert begin(box, "+393331000500", "transfer") == (201, "")
    wait_for("the code", lambda: received(box, "+393331000500"))
    assert begin(box, "+393331000501", "transfer") == (403, "sim_changed")
    assert begin(box, "+393331000502", "transfer") == (403, "tenure_short")
    assert begin(box, "+393331000501", "login") == (403, "sim_changed")
    assert begin(box, "+393331000501", "newsletter") == (201, ""), "a purpose that no row names"
    assert begin(box, "+4915112345670", "login") == (201, "") and begin(box, "+4915112345671", "login") == (
        403,
        "sim_changed",
    )
    assert operator.faults == [], "the stand-in takes what the documents allow"
    # Both questions are under way at once: either may come first.
    assert {"phoneNumber", "maxAge", "tenureDate"} == set(operator.asked[0][1]) | set(operator.asked[1][1])
    assert operator.asked[-1] == ("/sim-swap/v2/check", {"maxAge": 72}), "the token says which number"
    refused = logged(box, "verification.refused")
    assert [(e["sim"], e.get("tenure", "")) for e in refused] == [
        ("changed", "long"), ("unchanged", "short"), ("changed", ""), ("changed", ""),
    ]  # fmt: skip
    assert received(box, "+393331000502") == 0 and "333100050" not in json.dumps(refused)


def test_bad_answers_are_refused_or_sent_by_purpose(box: Appliance, operator: CamaraOperator) -> None:
    reasons = {"3": "not_its_number", "4": "malformed", "5": "failed", "6": "failed"}
    for digit in reasons:
        assert begin(box, f"+39333100051{digit}", "login") == (201, ""), digit
    sent = list(reasons.values())
    # An entry is committed with its code, and on the log a moment later.
    wait_for(
        "the entries",
        lambda: [e.get("unknown_why") for e in logged(box, "verification.created")[-len(sent) :]] == sent,
    )
    assert begin(box, "+393331000613", "transfer") == (503, "number_unchecked")
    assert begin(box, "+34612345678", "transfer") == (503, "number_unchecked"), "nobody to ask"
    assert logged(box, "verification.refused")[-1]["unknown_why"] == "no_operator"
    assert operator.faults == []


def test_a_person_asks_what_would_become_of_a_code(box: Appliance) -> None:
    def asked(number: str) -> tuple[int, dict[str, str]]:
        env = os.environ | {"CASEMATE_HOME": str(box.home), "CASEMATE_CONFIG": str(box.config)}
        done = subprocess.run(
            [ROOT / ".venv/bin/casemate", "verification", "operator", "--purpose", "transfer", "--json"],
            input=number, env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)[0]

    code, well = asked("+393331000520")
    assert (code, well["sim"], well["tenure"], well["code"]) == (0, "unchanged", "long", "sent")
    code, risk = asked("+393331000521")
    assert (code, risk["sim"], risk["code"]) == (2, "changed", "number_at_risk")


def test_no_number_is_in_a_log(box: Appliance) -> None:
    for log in (box.home / "log").glob("*.log"):
        said = log.read_text(errors="replace")
        assert "3331000" not in said and "client.pem" not in said, log.name
