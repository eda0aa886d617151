"""The archive of evidence: whole, without a number, bound to the audit log; every change of it is found."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import encode as json_encode

from appliance.clock import now_ms
from appliance.consent import START, STOP, Book
from appliance.errors import Error
from appliance.evidence import EvidenceBook, Policy, checked, write
from appliance.evidence.archive import MANIFEST, PROOF, README
from appliance.message import new_ids
from appliance.router import InUse, Kept
from appliance.senders import SenderBook
from appliance.senders.registration import Details
from appliance.settings import Settings, parse

ONE, OTHER = b"1" * 16, b"2" * 16
AT = 1_800_000_000_000


class Log:
    """Recorder and auditor in one: keeps what is recorded, gives it back with something like a proof."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def record(self, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> None:
        self.entries.append({"who": who, "what": what, "on": on, "detail": detail})

    def call(self, op: str, payload: Any) -> Any:
        if op == "state":
            return {"vkey": "casemate+00000000+AA=="}
        if op == "entries":
            return {"entries": [{"index": n, "entry": e} for n, e in reversed(list(enumerate(self.entries)))]}
        extra = b64encode(json.dumps(self.entries[payload["index"]]).encode()).decode()
        return {"tlog_proof": f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex {payload['index']}\n"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = parse({"senders": {"mandatory": ["IT"]}}, tmp_path, "t")
    book = Book(tmp_path / "consent.db")
    (message,) = new_ids(1, AT)
    book.heard(ONE, b"sealed", ["marketing"], STOP, "stop", message, AT, "process:engine-0")
    book.decide([(OTHER, b"sealed")], "", STOP, "import", AT + 5, "cli:anna")
    book.decide([(ONE, b"sealed")], "marketing", START, "person", AT + 10, "console:bruno")
    book.close()
    senders = SenderBook(settings)
    made = senders.request("BANCA", "IT", Details(evidence="PEC 12"), "cli:anna", AT)
    senders.confirm(made.id, Details(), AT, 0, "cli:anna", AT + 1)
    senders.close()
    evidence = EvidenceBook(settings)
    evidence.began(Policy.of(settings), "gateway-0", AT)
    evidence.refused({("content_refused", "card"): 4}, "gateway-0", AT)
    evidence.close()
    kept = [Kept(n, f"{n}" * 64, 5 * n, AT, "cli:anna") for n in (1, 2)]
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "active").write_bytes(json_encode(InUse({"it": kept[1]}, [{}, {"it": kept[0]}])))
    return settings


def made(settings: Settings, out: Path, subject: bytes | None = None, to_ms: int = AT + 1_000) -> dict[str, Any]:
    log = Log()
    return write(out, settings, log, log, "cli:anna", AT, to_ms, subject, now_ms(), lambda name, rows: None)


def rows(path: Path, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return list(csv.DictReader(io.StringIO(archive.read(name).decode())))


def test_a_span_of_time_has_all_desks_and_no_number(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "all.zip"
    manifest = made(settings, out)
    assert {name: said["rows"] for name, said in manifest["files"].items()} == {
        "consent.csv": 3, "senders.csv": 2, "refusals.csv": 1, "policies.csv": 1, "routes.csv": 0, "ported.csv": 2, "templates.csv": 0,
    }  # fmt: skip
    first = rows(out, "consent.csv")[0]
    assert (first["action"], first["source"], first["word"], len(first["message"])) == ("stop", "keyword", "stop", 36)
    assert rows(out, "refusals.csv")[0]["messages"] == "4" and rows(out, "senders.csv")[1]["state"] == "confirmed"
    assert json.loads(rows(out, "policies.csv")[0]["policy"])["settings"]["senders.mandatory"] == ["IT"]
    assert [(row["book"], row["version"], row["numbers"], row["in_use"]) for row in rows(out, "ported.csv")] == [
        ("it", "1", "5", "0"), ("it", "2", "10", "1"),
    ]  # fmt: skip
    assert checked(out)[2] == [] and "verify" in README
    with zipfile.ZipFile(out) as archive:
        assert not any(b"sealed" in archive.read(name) for name in archive.namelist())


def test_one_number_has_its_own_history_only(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "one.zip"
    manifest = made(settings, out, ONE)
    assert manifest["subject"] == ONE.hex() and sorted(manifest["files"]) == ["consent.csv", "messages.csv"]
    assert [r["action"] for r in rows(out, "consent.csv")] == ["stop", "start"]
    assert made(settings, tmp_path / "early.zip", to_ms=AT + 5)["files"]["consent.csv"]["rows"] == 1


@pytest.mark.parametrize("name", ["consent.csv", MANIFEST, PROOF])
def test_every_change_is_found(settings: Settings, tmp_path: Path, name: str) -> None:
    out, bad = tmp_path / "all.zip", tmp_path / "bad.zip"
    made(settings, out)
    with zipfile.ZipFile(out) as whole, zipfile.ZipFile(bad, "w") as changed:
        for each in whole.namelist():
            octets = whole.read(each)
            if each == name:
                octets = octets.replace(b"import", b"person").replace(b"cli:anna", b"cli:eva0")
                octets = octets if name != PROOF else b"c2sp.org/tlog-proof@v1\nextra bm8=\nindex 0\n"
            changed.writestr(each, octets)
    assert checked(bad)[2] != []


def test_what_is_no_archive_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(Error, match="no archive"):
        checked(tmp_path / "x.zip")


def test_a_file_that_stops_at_its_bound_says_so(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.evidence.archive.ROWS_MAX", {"consent.csv": 2, "senders.csv": 2})
    said = made(settings, tmp_path / "cut.zip")["files"]
    assert (said["consent.csv"]["rows"], said["consent.csv"]["more"]) == (2, True)
    assert said["senders.csv"]["rows"] == 2 and "more" not in said["senders.csv"]
    assert checked(tmp_path / "cut.zip")[2] == [] and len(rows(tmp_path / "cut.zip", "consent.csv")) == 2
