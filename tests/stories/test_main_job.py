"""The main job: notifications go in at the API, reach handsets as they were written, and their status comes back. Nothing is clear on disk."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.message import DELIVERED, id_octets
from appliance.store import Reader
from appliance.text import encode
from tests.support import go
from tests.support.appliance import Appliance, wait_for
from tests.support.notifications import MARKS, notifications

pytestmark = pytest.mark.stories
COUNT = 10_000


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance() as box:
        yield box


def test_the_first_message_of_the_readme_is_delivered_in_five_seconds(box: Appliance) -> None:
    """As a person does it: demo.env, curl, and a look at the status."""
    began = time.monotonic()
    told = subprocess.run(
        """. "$CASEMATE_HOME/demo.env"
        curl -sS -H "Authorization: Bearer $CASEMATE_API_KEY" -H "Content-Type: application/json" \\
          -d '{"to": "+393331234567", "text": "Buongiorno dalla tua banca", "class": "alert"}' $CASEMATE_API/v1/messages""",
        shell=True,
        env=box.environ(),
        capture_output=True,
        text=True,
        timeout=20,
    )
    accepted = json.loads(told.stdout)
    found = box.until(accepted["id"], "delivered", seconds=60)
    assert time.monotonic() - began < 5
    assert [e["status"] for e in found["events"]][-1] == "delivered"
    assert (
        box.operator.get("/received", params={"to": "+393331234567"}).json()[0]["text"] == "Buongiorno dalla tua banca"
    )


def test_ten_thousand_notifications_from_a_file(box: Appliance, tmp_path: Path) -> None:
    """Every one ends as its operator said; what handsets show is what was written, character for character."""
    rows = notifications(1, COUNT)
    path, results = tmp_path / "day.jsonl", tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    box.operator.delete("/received")
    box.behave(fail_rate=0.02)
    sent = box.casemate("send", "--file", str(path), "--results", str(results))
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert f"accepted {COUNT:,} messages" in sent.stdout

    ids = {line["id"]: rows[line["line"] - 1] for line in map(json.loads, results.read_text().splitlines())}
    assert len(ids) == COUNT
    status = box.settled(seconds=90)
    box.behave(fail_rate=0.0)
    ended = Counter(status[id_] for id_ in ids)
    assert set(ended) <= {"delivered", "undelivered", "expired", "rejected"}, ended  # as receipts say it
    assert COUNT * 0.90 < ended["delivered"] < COUNT, ended

    wanted = Counter((ids[i]["to"], ids[i]["text"]) for i in ids if status[i] == "delivered")
    shown = Counter((m["to"], m["text"]) for m in box.received())
    assert not shown - wanted, f"{(shown - wanted).total()} texts were shown that were not reported as delivered"
    assert not wanted - shown, f"{(wanted - shown).total()} texts were reported as delivered and not shown so"


def test_the_same_file_again_sends_nothing_twice(box: Appliance, tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in notifications(2, 1_500)))
    runs = []
    for n in range(2):
        results = tmp_path / f"results-{n}.jsonl"
        assert box.casemate("send", "--file", str(path), "--results", str(results)).returncode == 0
        runs.append(results.read_text())
        box.settled()
        if n == 0:
            before = box.operator.get("/counters").json()["accepted"]
    assert runs[0] == runs[1]
    assert box.operator.get("/counters").json()["accepted"] == before


def test_every_character_of_every_alphabet_arrives(box: Appliance) -> None:
    texts = [
        "@£$¥èéùìòÇ Øø Åå Δ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ ¤ ¡ÄÖÑÜ§¿äöñüà ^{}\\[~]|€",
        "😀" * 200,
        "€" * 500,
        "ñ" * 160,
        "ñ" * 161,
        "字" * 71,
    ]
    sent = {box.send(to=f"+39347000000{n}", text=text)["id"]: (n, text) for n, text in enumerate(texts)}
    for id_, (n, text) in sent.items():
        found = box.until(id_, "delivered")
        assert found["text"] == text
        assert box.operator.get("/received", params={"to": f"+39347000000{n}"}).json()[-1]["text"] == text


def test_a_scheduled_message_waits_for_its_time(box: Appliance) -> None:
    at = datetime.now(UTC) + timedelta(seconds=2)
    told = box.send(to="+393471112233", text="Appuntamento", send_at=at.isoformat())
    assert told["status"] == "scheduled"
    assert box.message(told["id"])["status"] == "scheduled"
    found = box.until(told["id"], "delivered", seconds=60)
    submitted = datetime.fromisoformat(found["parts"][0]["submitted_at"])
    assert at - timedelta(milliseconds=5) <= submitted < at + timedelta(seconds=30)


def test_what_has_not_left_can_be_cancelled_and_what_has_cannot(box: Appliance) -> None:
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    later, now = box.send(to="+393471112233", text="Domani", send_at=at), box.send(to="+393471112233", text="Oggi")
    answer = box.api.post(f"/v1/messages/{later['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert box.message(later["id"])["status"] == "cancelled"
    box.until(now["id"], "delivered")
    answer = box.api.post(f"/v1/messages/{now['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_cancellable")


def test_a_redacted_message_has_no_content_any_more(box: Appliance) -> None:
    told = box.send(to="+393471119876", text="Da dimenticare", reference="r", metadata={"k": "v"})
    box.until(told["id"], "delivered")
    assert box.api.post(f"/v1/messages/{told['id']}/redact").status_code == 200
    found = box.message(told["id"])
    assert (found["text"], found["reference"], found["metadata"], found["status"]) == (None, None, None, "delivered")


def test_validity_ends_on_the_box_itself(box: Appliance) -> None:
    box.behave(throttle_rate=1.0)
    try:
        told = box.send(to="+393471112244", text="Scade subito", class_="bulk", validity_s=10)
        found = box.until(told["id"], "expired", seconds=60)
    finally:
        box.behave(throttle_rate=0.0)
    lived = datetime.fromisoformat(found["events"][-1]["at"]) - datetime.fromisoformat(found["accepted_at"])
    assert timedelta(seconds=9.9) < lived < timedelta(seconds=30)
    assert not [m for m in box.received() if m["text"] == "Scade subito"]
    later = box.send(to="+393471112244", text="Dopo")
    box.until(later["id"], "delivered", seconds=60)


def test_a_one_time_code_overtakes_a_backlog_of_bulk(box: Appliance) -> None:
    box.behave(latency_ms="200")
    try:
        for batch in range(3):
            rows = [{"to": f"+39348{batch}{n:06}", "text": f"Novità {n}", "class": "bulk"} for n in range(1_000)]
            assert box.api.post("/v1/messages/batch", json={"messages": rows}).status_code == 202
        codes = [box.send(to=f"+3934999{n:05}", text=f"Codice {n:06}", class_="otp")["id"] for n in range(10)]
        for id_ in codes:
            box.until(id_, "sent", "delivered", seconds=60)
        waiting = box.state()["queues"]
        assert waiting["otp"] == 0 and waiting["bulk"] > 500, waiting
    finally:
        box.behave(latency_ms="0")
    box.settled()


def test_idempotency_outlives_the_processes(box: Appliance) -> None:
    key = {"idempotency-key": str(uuid.uuid4())}
    body = {"to": "+393471112255", "text": "Una volta sola"}
    first = box.api.post("/v1/messages", json=body, headers=key)
    assert first.status_code == 202
    for name in ("gateway", "engine"):
        pid = box.kill(name)
        wait_for(f"a new {name}", lambda n=name, p=pid: box.processes().get(n) not in (None, p), 20)  # type: ignore[misc]
    box.until_ready()
    again = wait_for("the gateway", lambda: _posted(box, body, key), 20)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = box.api.post("/v1/messages", json={**body, "text": "Un'altra"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    box.until(first.json()["id"], "delivered", "indeterminate")
    assert len([m for m in box.received() if m["text"] == "Una volta sola"]) == 1


def _posted(box: Appliance, body: dict[str, Any], headers: dict[str, str]) -> Any:
    answer = box.api.post("/v1/messages", json=body, headers=headers)
    return answer if answer.status_code == 202 else None


def test_the_audit_log_verifies_with_two_programs(box: Appliance, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    done = box.casemate("audit", "export", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    done = box.casemate("audit", "verify", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    if go.missing():
        pytest.skip(go.missing())
    code, said = go.run(go.build(tmp_path), folder, (folder / "verifier.vkey").read_text().strip())
    assert code == 0, said


# --- nothing clear at rest --------------------------------------------------------------------------------
def packed(septets: bytes, shift: int) -> bytes:
    """Septets as 3GPP TS 23.038 section 6.1.2.1 packs them, beginning at bit `shift`; only whole octets of their own."""
    bits = 0
    for n, septet in enumerate(septets):
        bits |= septet << (7 * n + shift)
    octets = bits.to_bytes((7 * len(septets) + shift + 7) // 8, "little")
    return octets[1:-1]


def forms(text: str) -> set[bytes]:
    """How `text` could lie on a disk: UTF-8, UTF-16, septets unpacked and packed from any bit."""
    out = {text.encode(), text.encode("utf-16-be"), text.encode("utf-16-le"), json.dumps(text)[1:-1].encode()}
    encoding, payload, _ = encode(text)
    if encoding == 0:
        out |= {payload, *(packed(payload, shift) for shift in range(8))}
    return {form for form in out if len(form) >= 6}


def test_no_number_and_no_text_is_clear_on_disk(box: Appliance) -> None:
    """Every file of the state folder and all that was printed, while it runs and with its write-ahead logs."""
    rows = notifications(1, COUNT)
    needles = {form for text in (*MARKS, "Buongiorno dalla tua banca", "Una volta sola") for form in forms(text)}
    needles |= {form for row in rows[:: COUNT // 10] for form in forms(row["text"][:24])}
    numbers = {row["to"][1:].encode() for row in rows} | {b"393471112255", b"393471119876"}
    tails = {number[2:] for number in numbers}
    bcd = bytes(int(f"{b}{a}", 16) for a, b in zip("393471112255"[::2], "393471112255"[1::2], strict=True))
    files = [p for p in (*box.home.rglob("*"), box.base / "up.log") if p.is_file()]
    assert len(files) > 10
    octets = 0
    for path in files:
        try:
            held = path.read_bytes()
        except FileNotFoundError:
            continue
        octets += len(held)
        name = path.relative_to(box.base)
        for needle in needles:
            assert needle not in held, f"{name} holds a text in clear"
        assert bcd not in held, f"{name} holds a number in semi-octets"
        for run in set(re.findall(rb"[0-9]{9,}", held)):
            found = [run[a:b] for a in range(len(run)) for b in range(a + 9, min(a + 15, len(run)) + 1)]
            assert not any(part in numbers or part in tails for part in found), f"{name} holds a number in clear"
    assert octets > 5_000_000, "the store is not where this test looks"


def test_metrics_count_what_happened(box: Appliance) -> None:
    text = box.api.get("/metrics").text
    for wanted in (
        'casemate_messages_total{status="delivered"}',
        'casemate_segments_total{event="receipted"}',
        "casemate_link_up",
    ):
        assert wanted in text
    assert "+39" not in text


def test_nothing_is_left_in_the_way_of_a_second_start(box: Appliance) -> None:
    """SIGTERM, exit 0 within ten seconds, start again on the same folder: what was there is there."""
    told = box.send(to="+393471112266", text="Prima della pausa")
    box.until(told["id"], "delivered")
    assert box.stop() == 0
    box.start()
    # The demo makes itself a new API key at each start, and messages belong to the key that sent them: the store is asked.
    message_id = id_octets(told["id"])
    assert message_id is not None
    found = Reader(box.settings.store).message(message_id)
    assert found is not None and found.status == DELIVERED
    again = box.send(to="+393471112266", text="Dopo la pausa")
    box.until(again["id"], "delivered")


if shutil.which("curl") is None:  # the first test is about what a person types
    pytest.skip("curl is missing", allow_module_level=True)
