"""On every token there is: one person erased by two, with nothing left in any file of the box; and the drill after a key was compromised."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from appliance.access import Access
from appliance.cli.program import main
from appliance.clock import day_of, now_ms, rfc3339
from appliance.consent import Book
from appliance.message import id_text
from appliance.store import Readers, wrote
from tests.support.appliance import Appliance, wait_for
from tests.support.tokens import TOKENS

pytestmark = pytest.mark.stories
ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery staple"
ANNA, BRUNO, CARLA = "+393471000117", "+393471000118", "+393471000119"
SECRET = "Quartz-Mellow-4711"


class Office:
    """A demo on its own token, with two people."""

    def __init__(self, box: Appliance) -> None:
        self.box = box
        self.password, self.number = box.base / "password", box.base / "number"
        self.password.write_text(PASSWORD)
        self.number.write_text(ANNA)
        access = Access(box.settings)
        for name, role in (("ann", "administrator"), ("bob", "compliance")):
            access.create_user(name, PASSWORD, role)

    def casemate(self, *words: str) -> tuple[int, str, str]:
        """The command as a person gives it, within this process: each start of another is mostly imports."""
        out, err = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, {**self.box.env, "CASEMATE_HOME": str(self.box.home)}),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = main([*words])
        return code, out.getvalue(), err.getvalue()

    def subject(self, *words: str) -> tuple[int, str, str]:
        return self.casemate("subject", *words, "--number-file", str(self.number))

    def erase(self, *words: str) -> tuple[int, str, str]:
        return self.subject("erase", *words, "--user", "ann", "--password-file", str(self.password))

    def both(self, act: str, on: int) -> Any:
        """Straight at the keys process, as the commands ask it."""
        number = self.box.ask("keys", "ask", {"act": act, "on": on, "reason": "drill", "who": "console:ann"})["request"]
        self.box.ask("keys", "decide", {"request": number, "yes": True, "who": "console:bob"})
        return self.box.ask("keys", "do", {"request": number, "who": "console:ann"})

    def files(self) -> bytes:
        """Every file of the box: stores with their free pages and logs, what processes wrote, settings, the audit log."""
        out = [(self.box.base / "up.log").read_bytes()]
        for path in self.box.home.rglob("*"):
            if path.is_file() and not path.name.endswith("-shm"):
                with suppress(FileNotFoundError):  # a tile of the audit log gets its name this instant
                    out.append(path.read_bytes())
        return b"\0".join(out)


@pytest.fixture(scope="module", params=TOKENS)
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One box for both stories on a token: each start of it is some seconds of processor time."""
    made = TOKENS[request.param](tmp_path_factory.mktemp(request.param) / "token")
    with patch.dict(os.environ, made.environment), Appliance(made.settings) as box:
        yield Office(box)


def _sealed_of(box: Appliance, subject: bytes) -> list[bytes]:
    """Pieces of what is sealed of one person: with their day's key they could be read from a free page."""
    readers = Readers(box.settings.stores)
    rows = [readers.message(found.id) for found in readers.search(number_index=subject, limit=50)[0]]
    readers.close()
    blobs = [blob for row in rows if row is not None for blob in (row.number, row.content)]
    for each in wrote(box.settings.store, subject):
        blobs += [each.number, each.content]
    book = Book(box.home / "consent.db")
    blobs += [decided.number for decided in book.history(subject)]
    book.close()
    return [blob[12:44] for blob in blobs if blob]


def _written(box: Appliance, number: str, text: str) -> None:
    box.operator.post("/inbound", json={"from": number, "to": "43210", "text": text}).raise_for_status()


@pytest.mark.timeout(300)
def test_a_person_is_erased_by_two_and_certified(office: Office) -> None:
    box = office.box
    sent = [box.send(to=ANNA, text=f"{SECRET} {n}")["id"] for n in range(2)]
    sent.append(box.send(to=ANNA, text=f"{SECRET} " * 20)["id"])
    for message_id in sent:
        box.until(message_id, "delivered", seconds=60)
    kept = box.send(to=BRUNO, text="yours")["id"]
    sent.append(box.send(to=ANNA, text=SECRET, send_at=rfc3339(now_ms() + 3_600_000))["id"])
    asked = {"to": ANNA, "purpose": "login"}
    assert box.api.post("/v1/verifications", json=asked).status_code == 201
    _written(box, ANNA, "STOP")
    _written(box, ANNA, f"{SECRET} from me")
    wait_for("both of her messages", lambda: len(box.api.get("/v1/inbound").json()["messages"]) == 2, 60)
    subject = box.ask("keys", "blind_index", {"number": ANNA})["index"]
    wait_for("nothing to wait", lambda: not any(box.state()["queues"].values()), 60)
    pieces = _sealed_of(box, subject)
    assert len(pieces) >= 14 and all(piece in office.files() for piece in pieces)

    # a hold on the day refuses, before anybody is asked and after
    today = day_of(now_ms())
    days = {"first_day": today - 1, "last_day": today + 1, "reason": "case 7", "who": "console:bob"}
    hold = box.ask("keys", "hold", days)["hold"]
    code, _, err = office.erase("--reason", "case 12")
    assert (code, "[legal_hold]" in err) == (1, True), err
    office.both("lift-hold", hold)

    # one alone gets nowhere, and the number has to be the same
    code, out, err = office.erase("--reason", "case 12", "--json")
    assert code == 0, err
    request = json.loads(out)["request"]
    code, _, err = office.erase("--request", str(request))
    assert (code, "[forbidden]" in err) == (1, True), err
    box.ask("keys", "decide", {"request": request, "yes": True, "who": "console:bob"})
    office.number.write_text(BRUNO)
    code, _, err = office.erase("--request", str(request))
    assert (code, "[invalid]" in err) == (2, True), err
    office.number.write_text(ANNA)

    folder = box.base / "certificate"
    code, out, err = office.erase("--request", str(request), "--out", str(folder))
    assert code == 0, err
    files = office.files()
    for what in (ANNA.encode(), ANNA[3:].encode(), SECRET.encode(), *pieces):
        assert what not in files, "something of her is left"
    for form in (subject, subject.hex().encode(), base64.b64encode(subject)):
        assert files.count(form) <= 8, "only in consent.db, where the STOP is, and in the digest of nothing else"
    holders = [path.name for path in box.home.rglob("*.db*") if subject in path.read_bytes()]
    assert [name for name in holders if not name.startswith("consent.db")] == []

    _what_stays(box, sent, kept)
    _certified(office, folder)


def _what_stays(box: Appliance, sent: list[str], kept: str) -> None:
    """The skeletons, everybody else's messages, and the STOP."""
    found = [box.message(message_id) for message_id in sent]
    assert [(each.get("to"), each.get("text")) for each in found] == [(None, None)] * 4
    assert [each["status"] for each in found] == ["delivered"] * 3 + ["cancelled"]
    assert box.api.get("/v1/messages", params={"number": ANNA}).json()["messages"] == []
    assert (box.message(kept)["to"], box.message(kept)["text"]) == (BRUNO, "yours")
    answer = box.api.post("/v1/messages", json={"to": ANNA, "text": "x", "class": "bulk", "from": "BANK"})
    assert (answer.status_code, answer.json()["code"]) == (403, "suppressed")


def _certified(office: Office, folder: Path) -> None:
    code, out, err = office.casemate("subject", "verify-certificate", str(folder))
    assert code == 0 and out.rstrip().endswith("VERIFIES"), out + err
    said = json.loads((folder / "certificate.json").read_text())
    assert said["erased"]["engine-0"]["messages"] >= 5 and said["erased"]["engine-0"]["cancelled"] == 1
    assert said["erased"]["engine-0"]["inbound"] == 2 and said["erased"]["verify"]["verifications"] == 1
    assert said["erased"]["consent"] == {"numbers of decisions": 1}
    assert [said[name] for name in ("asked_by", "approved_by", "reason")] == ["console:ann", "console:bob", "case 12"]
    assert ANNA[1:] not in "".join(path.read_text(errors="replace") for path in folder.iterdir())
    verifier = [
        sys.executable,
        "appliance/audit/verify.py",
        str(folder / "entry.tlog-proof"),
        "--key",
        str(folder / "verifier.vkey"),
    ]
    assert subprocess.run(verifier, capture_output=True, timeout=60).returncode == 0
    if shutil.which("openssl"):
        words = (
            "openssl pkeyutl -verify -pubin -inkey verifier.pem -rawin -in certificate.json -sigfile certificate.sig"
        )
        assert subprocess.run(words.split(), cwd=folder, capture_output=True, timeout=60).returncode == 0
    (folder / "certificate.json").write_bytes(
        (folder / "certificate.json").read_bytes().replace(b"case 12", b"case 13")
    )
    code, _, err = office.casemate("subject", "verify-certificate", str(folder))
    assert (code, "[audit_invalid]" in err) == (1, True), err


@pytest.mark.timeout(300)
def test_a_compromised_key_is_replaced_and_everything_sealed_anew(office: Office) -> None:
    """The drill: processes change at once, the re-sealing is killed and goes on, the old key is destroyed, all is readable."""
    box = office.box
    sent = [box.send(to=CARLA, text=f"{SECRET} {n}")["id"] for n in range(40)]
    later = box.send(to=CARLA, text=SECRET, send_at=rfc3339(now_ms() + 3_600_000))["id"]
    _written(box, CARLA, SECRET)
    wait_for("her message", lambda: _from(box, CARLA), 60)
    box.until(sent[-1], "delivered", seconds=60)
    old = box.ask("keys", "data_key", {"day": day_of(now_ms())})["key_id"]
    assert _keys_of(box) == {old}
    code, _, err = office.casemate("keys", "reseal", str(old), "--user", "ann", "--password-file", str(office.password))
    assert (code, "[key_state]" in err) == (1, True), "it is not compromised: " + err

    new = office.both("compromised-key", old)["successor"]
    wait_for("the gateway to put it down", lambda: _key_of(box, box.send(to=CARLA, text=SECRET)["id"]) == new, 60)
    _written(box, CARLA, SECRET)
    wait_for("her second message", lambda: len(_from(box, CARLA)) == 2, 60)
    wait_for("the engine to put it down", lambda: _engine_seals(box, new), 60)

    command = [sys.executable, "-m", "appliance.cli", "keys", "reseal", str(old), "--user", "ann"]
    command += ["--password-file", str(office.password)]
    environ = {**box.environ(), **box.env}
    cut_off = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("it to have begun", lambda: new in _keys_of(box, sent) or cut_off.poll() is not None, 60)
    cut_off.kill()
    cut_off.wait(30)
    box.kill("engine")
    box.until_ready(60)
    code, out, err = office.casemate(*command[3:], "--json")
    assert code == 0, err
    assert json.loads(out)["unreadable"] == 0
    assert _keys_of(box) == {new}
    assert office.both("destroy-key", old)["state"] == "destroyed"
    assert [box.message(message_id)["text"] for message_id in sent] == [f"{SECRET} {n}" for n in range(40)]
    assert _from(box, CARLA) == [SECRET] * 2
    assert box.message(later)["status"] == "scheduled" and box.message(later)["to"] == CARLA


def _keys_of(box: Appliance, ids: list[str] | None = None) -> set[int]:
    """The keys that messages, or what customers wrote, are sealed under."""
    readers = Readers(box.settings.stores)
    found = readers.search(limit=200)[0]
    readers.close()
    if ids is not None:
        return {row.key_id for row in found if id_text(row.id) in ids}
    subject = box.ask("keys", "blind_index", {"number": CARLA})["index"]
    return {row.key_id for row in found} | {each.key_id for each in wrote(box.settings.store, subject)}


def _key_of(box: Appliance, message_id: str) -> int:
    (key,) = _keys_of(box, [message_id])
    return key


def _engine_seals(box: Appliance, key: int) -> bool:
    """Whether what a customer writes now is sealed under a key."""
    _written(box, BRUNO, "ciao")
    subject = box.ask("keys", "blind_index", {"number": BRUNO})["index"]
    return key in {each.key_id for each in wrote(box.settings.store, subject)}


def _from(box: Appliance, number: str) -> list[str]:
    """Texts that the bank has from a customer."""
    return [each["text"] for each in box.api.get("/v1/inbound").json()["messages"] if each["from"] == number]
