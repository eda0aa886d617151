"""Evidence in the console: what was refused is shown, the archive is handed out whole, and nothing of a number stays anywhere."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from flask.testing import FlaskClient

from appliance.evidence import EvidenceBook

from .conftest import NOW, Played, csrf_for, sign_in

NUMBER = "+393331000099"


def test_what_was_refused_is_shown_and_an_archive_is_handed_out(
    client: FlaskClient, peers: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests: list[str] = []
    record = type(peers).record

    def noted(self: Played, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> None:
        digests.append(str(detail.get("digest", "")))
        record(self, who, what, on, outcome, **detail)

    def call(self: Played, op: str, payload: Any) -> Any:
        if op == "state":
            return {"vkey": "casemate+00000000+AA=="}
        if op == "entries":
            return {"entries": [{"index": 0, "entry": {"detail": {"digest": digests[-1]}}}]}
        return {"tlog_proof": "c2sp.org/tlog-proof@v1\nindex 0\n"}

    monkeypatch.setattr(type(peers), "record", noted)
    monkeypatch.setattr(type(peers), "call", call, raising=False)
    sign_in(client)
    book = EvidenceBook(client.application.extensions["casemate"].settings)
    book.refused({("content_refused", "card"): 1_234}, "gateway-0", NOW)
    book.close()
    page = client.get("/evidence").text
    assert "content_refused" in page and "1,234" in page
    form = {"csrf": csrf_for(client), "first": "2023-11-01", "last": "2023-11-30"}
    answer = client.post("/evidence", data=form)
    assert answer.status_code == 200 and answer.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert b"1234" in archive.read("refusals.csv") and "manifest.tlog-proof" in archive.namelist()
    one = client.post("/evidence", data=form | {"csrf": csrf_for(client), "number": NUMBER})
    with zipfile.ZipFile(io.BytesIO(one.data)) as archive:
        assert not any(NUMBER[1:].encode() in archive.read(name) for name in archive.namelist())
    assert [e[1] for e in peers.log if e[1].startswith("evidence.")] == ["evidence.exported"] * 2
    assert NUMBER[1:] not in str(peers.log)


@pytest.mark.parametrize("wrong", [{"first": "yesterday"}, {"first": "2024-01-01"}, {"number": "x"}])
def test_nonsense_is_told(client: FlaskClient, wrong: dict[str, str]) -> None:
    sign_in(client)
    form = {"csrf": csrf_for(client), "first": "2023-11-01", "last": "2023-11-30"} | wrong
    assert client.post("/evidence", data=form).status_code == 422
