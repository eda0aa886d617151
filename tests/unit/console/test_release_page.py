"""The page of releases: an upload in pieces, what a process apart found in it, asked for by one and approved by another; nobody else may."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from appliance.access import Access
from appliance.limits import OFFER_PIECE_OCTETS_MAX
from appliance.settings import Settings
from appliance.updates import Cabinets, Machine, Updates
from tests.support.cabinets import plain
from tests.unit.updates.test_cabinets import VENDOR
from tests.unit.updates.test_cabinets import Played as Hardware
from tests.unit.updates.test_updates import Recorded

from .conftest import NOW, PASSWORD, Played, csrf_for, sign_in

NAME = "casemate-0.2.0.raucb"
FOUND = {
    "version": "0.2.0",
    "bundle": "ab" * 32,
    "fingerprint": "cd" * 32,
    "needs": "0.1.0",
    "floor": "0.1.0",
    "signer": "CN=Release <2026>",
    "notes": "Second release.",
    "approvals": [],
    "confined": "landlock 6",
}


class Person:
    """Signed in, with what its forms carry."""

    def __init__(self, client: FlaskClient, name: str) -> None:
        sign_in(client, name)
        self.client, self.csrf = client, csrf_for(client)

    def post(self, path: str, **fields: Any) -> Any:
        return self.client.post(path, data={"csrf": self.csrf, **fields})

    def piece(self, at: int, octets: bytes) -> Any:
        head = {"X-CSRF-Token": self.csrf, "Content-Type": "application/octet-stream"}
        return self.client.post(f"/release/upload/piece?at={at}", data=octets, headers=head)

    def page(self) -> str:
        return self.client.get("/release").text


def test_an_upload_goes_on_where_it_was(anna: Person, settings: Settings, peers: Played) -> None:
    assert anna.post("/release/upload", name=NAME, octets="10").json == {"here": 0}
    assert anna.piece(0, b"abcd").json == {"here": 4}
    refused = anna.piece(7, b"xyz")
    assert refused.status_code == 422 and "The next octet is 4" in refused.text
    assert anna.post("/release/upload/end").status_code == 409, "it is not whole"
    assert "40 % of it here" in anna.page()
    assert anna.post("/release/upload", name=NAME, octets="10").json == {"here": 4}, "the same file goes on"
    assert anna.piece(4, b"efghij").json == {"here": 10}
    assert anna.piece(10, b"k").status_code == 422, "more than it has"
    done = anna.post("/release/upload/end")
    assert done.json["sha256"] == "72399361da6a7754fec986dca5b7cbaf1c810a28ded4abaf56b2106d06cb78b0"
    assert (settings.home / "updates/offered" / NAME).read_bytes() == b"abcdefghij"
    assert peers.log[-1][1] == "firmware.offered" and peers.log[-1][4]["octets_count"] == 10
    assert "looked into by a process that can do nothing else" in anna.page()


@pytest.mark.parametrize(
    "name, octets, status",
    [
        ("../x.raucb", "10", 422),
        ("casemate.exe", "10", 422),
        (".raucb", "10", 422),
        (NAME, "0", 413),
        (NAME, str(3 << 30), 413),
        (NAME, "-1", 422),
        (NAME, "ten", 422),
    ],
)
def test_what_is_no_upload(anna: Person, name: str, octets: str, status: int) -> None:
    assert anna.post("/release/upload", name=name, octets=octets).status_code == status
    assert "Nothing is here" in anna.page()


def test_a_piece_is_bounded(anna: Person) -> None:
    anna.post("/release/upload", name=NAME, octets=str(1 << 20))
    assert anna.piece(0, b"x" * (OFFER_PIECE_OCTETS_MAX + 1)).status_code == 413
    assert anna.piece(0, b"x" * OFFER_PIECE_OCTETS_MAX).json == {"here": OFFER_PIECE_OCTETS_MAX}


def test_one_asks_another_approves(anna: Person, katja: Person, settings: Settings, peers: Played) -> None:
    _whole(anna, settings, FOUND)
    page = anna.page()
    assert "CN=Release &lt;2026&gt;" in page and "0.2.0" in page and "Ask for it" in page
    assert anna.post("/release/ask", reason=" ").status_code == 422
    assert anna.post("/release/ask", reason="release of November").status_code == 303
    assert "Another person approves it" in anna.page()
    assert anna.post("/release/requests/1", outcome="yes").status_code == 403, "who asked never approves"
    assert anna.post("/release/leave").status_code == 409, "a request is open"
    assert "Ask for it" not in katja.page() and "Approve" in katja.page()
    assert katja.post("/release/ask", reason="x").status_code == 403
    assert katja.post("/release/requests/1", outcome="perhaps").status_code == 422
    assert katja.post("/release/requests/1", outcome="yes").status_code == 303
    assert "The box begins within five minutes" in katja.page()
    said = [(who, what, outcome) for who, what, _, outcome, _ in peers.log if what.startswith("approval.")]
    assert said == [
        ("console:anna", "approval.asked", "ok"),
        ("console:anna", "approval.decided", "refused"),
        ("console:katja", "approval.decided", "ok"),
    ]


def test_what_was_refused_cannot_be_asked_for(anna: Person, settings: Settings) -> None:
    _whole(anna, settings, {"refused": "downgrade", "why": "0.0.9", "confined": "landlock 6"})
    page = anna.page()
    assert "Refused: the release is older than what this box runs" in page and "[downgrade]" in page
    assert "What to do: to run the release in the other slot again: casemate firmware rollback" in page
    assert anna.post("/release/ask", reason="all the same").status_code == 409
    assert anna.post("/release/leave").status_code == 303
    assert "Nothing is here" in anna.page()


def test_an_inspection_that_did_not_end_says_what_to_do(anna: Person, settings: Settings) -> None:
    _whole(anna, settings, {"refused": "inspection", "why": "", "confined": ""})
    assert "nothing that looked into the file came to an end. What to do: take it away" in anna.page()


def test_an_officers_signature_is_laid_beside(anna: Person, katja: Person, settings: Settings, peers: Played) -> None:
    _whole(anna, settings, FOUND)
    approval = {"approval": (io.BytesIO(b"\x30\x80signed"), "a.approval")}
    assert katja.post("/release/approval", **approval).status_code == 303
    assert (settings.home / f"updates/offered/{NAME}.approval").read_bytes() == b"\x30\x80signed"
    assert peers.log[-1][1] == "firmware.signature_added"
    assert not (settings.home / "updates/offered/verdict.json").exists(), "it is looked into again"
    assert katja.post("/release/approval", approval=(io.BytesIO(b"text"), "a.approval")).status_code == 422


def test_how_an_installation_goes_is_shown(anna: Person, settings: Settings) -> None:
    _whole(anna, settings, FOUND)
    note = settings.home / "updates/progress.json"
    note.write_text(json.dumps({"step": "writing root", "percent": 40}))
    assert "It is being installed: writing root." in anna.page()
    note.write_text(json.dumps({"step": "", "version": "0.2.0", "refused": ""}))
    assert "Release 0.2.0 is written and read back" in anna.page()


def test_a_field_engineer_looks_and_an_operator_does_not(client: FlaskClient, access: Access) -> None:
    for name, role, status in (("fred", "field", 200), ("olga", "operator", 403)):
        access.create_user(name, PASSWORD, role)
        fresh = client.application.test_client()
        sign_in(fresh, name)
        assert fresh.get("/release").status_code == status


# --- put together -------------------------------------------------------------------------------------------------


def _whole(anna: Person, settings: Settings, verdict: dict[str, Any]) -> None:
    """Uploaded, and looked into with this result."""
    anna.post("/release/upload", name=NAME, octets="4")
    anna.piece(0, b"abcd")
    anna.post("/release/upload/end")
    (settings.home / "updates/offered/verdict.json").write_text(json.dumps(verdict))


@pytest.fixture(autouse=True)
def _nobody_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.console.page_release.begun", lambda *_: None)


@pytest.fixture
def anna(client: FlaskClient) -> Person:
    return Person(client, "anna")


@pytest.fixture
def katja(client: FlaskClient, access: Access) -> Person:
    access.create_user("katja", PASSWORD, "security")
    return Person(client.application.test_client(), "katja")


def test_firmware_of_hardware_is_approved_by_another(
    anna: Person, katja: Person, settings: Settings, peers: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for at the box; what is shown is what was shown there."""
    monkeypatch.setattr("firmware.cabinet.signer", lambda read, authority: VENDOR)
    assert "Firmware of hardware" not in anna.page()
    (tmp_path / "webcam.cab").write_bytes(plain())
    updates = Updates(settings, Machine(tmp_path), Recorded(), lambda: NOW)  # type: ignore[arg-type]
    cabinets = Cabinets(updates, Hardware().start, lambda: True)  # type: ignore[arg-type]
    number = cabinets.ask(tmp_path / "webcam.cab", "the vendor closed a hole", "console:anna")
    page = katja.page()
    for words in (
        "FakeDevice 1.2.4",
        "Webcam: 1.2.2 → 1.2.4",
        "CN=Vendor firmware 2026",
        "the vendor closed a hole",
        "power cut",
    ):
        assert words in page
    assert 'value="yes"' not in anna.page() and "Another person approves it" in anna.page()
    assert anna.post(f"/release/hardware/{number}", outcome="yes").status_code == 403, "who asked never approves"
    assert katja.post(f"/release/hardware/{number}", outcome="perhaps").status_code == 422
    assert katja.post(f"/release/requests/{number}", outcome="yes").status_code == 404, "it is no release"
    assert katja.post(f"/release/hardware/{number}", outcome="yes").status_code == 303
    assert peers.log[-1][:3] == ("console:katja", "approval.decided", f"request:{number}")
    assert (settings.home / "updates/hardware/approved").exists(), "the box is woken"
    cabinets.apply(number, "cli:root", lambda _: {})
    assert "written" in katja.page() and 'value="yes"' not in katja.page()
