"""Two engines are one box: messages, receipts on either's binds, searches, keys; and one that dies holds up nobody and loses nothing."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.message import id_octets, shard_of
from tests.support.appliance import Appliance, wait_for

pytestmark = pytest.mark.stories
COUNT = 2_000
TWO = "[engine]\nshards = 2\n"


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance(TWO) as box:
        yield box


def owner(message_id: str) -> int:
    octets = id_octets(message_id)
    assert octets is not None
    return shard_of(octets)


def batch(box: Appliance, first: int, count: int, headers: dict[str, str] | None = None, **more: Any) -> list[str]:
    rows = [{"to": f"+3933300{n:05}", "text": f"Movimento {n}", **more} for n in range(first, first + count)]
    answer = box.api.post("/v1/messages/batch", json={"messages": rows}, headers=headers or {})
    assert answer.status_code == 202, answer.text
    assert not answer.json()["rejected"]
    return [each["id"] for each in answer.json()["accepted"]]


def test_both_take_send_and_hear(box: Appliance) -> None:
    """Every message ends, although the operator delivers receipts on whatever bind it likes."""
    ids = [i for n in range(0, COUNT, 100) for i in batch(box, n, 100)]
    shares = Counter(map(owner, ids))
    assert set(shares) == {0, 1} and min(shares.values()) > COUNT // 4, shares
    status = box.settled(60)
    assert {status[i] for i in ids} == {"delivered"}
    texts = Counter(m["text"] for m in box.received())
    assert texts == Counter(f"Movimento {n}" for n in range(COUNT)), "each once"
    state = box.state()
    assert state["ready"] and [row["shard"] for row in state["shards"]] == [0, 1]
    assert (state["statuses"]["delivered"], state["segments"]["receipted"]) == (COUNT, COUNT)
    assert state["parked"] == 0, "no receipt was kept where its message is not"
    (link,) = state["links"]
    assert link["state"] == "up" and [bind["shard"] for bind in link["binds"]] == [0, 1]
    both = [box.ask(f"engine-{n}", "state")["segments"]["receipted"] for n in (0, 1)]
    assert both == [shares[0], shares[1]], "whoever heard a receipt, its owner has it"


def test_searches_are_one(box: Appliance) -> None:
    rows = list(box.all_messages())
    assert len(rows) == len({row["id"] for row in rows}) >= COUNT
    times = [row["accepted_at"] for row in rows]
    assert times == sorted(times, reverse=True)
    assert {owner(row["id"]) for row in rows[:400]} == {0, 1}
    found = box.api.get("/v1/messages", params={"number": "+393330000007"}).json()["messages"]
    assert [row["to"] for row in found] == ["+393330000007"]


def test_acts_find_the_owner(box: Appliance) -> None:
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3_600))
    waiting: dict[int, str] = {}
    for n in range(40):
        if len(waiting) < 2:
            told = box.send(to="+393331234567", text=f"Domani {n}", send_at=later)
            waiting[owner(told["id"])] = told["id"]
    assert set(waiting) == {0, 1}
    for message_id in waiting.values():
        assert box.api.post(f"/v1/messages/{message_id}/cancel").status_code == 200
        assert box.message(message_id)["status"] == "cancelled"
        assert box.api.post(f"/v1/messages/{message_id}/redact").status_code == 200
        assert box.message(message_id)["text"] is None


def test_a_key_is_known_whoever_is_asked(box: Appliance) -> None:
    for _ in range(12):
        key = {"idempotency-key": str(uuid.uuid4())}
        body = {"to": "+393471112255", "text": "Una volta sola"}
        first = box.api.post("/v1/messages", json=body, headers=key)
        again = box.api.post("/v1/messages", json=body, headers=key)
        assert (first.status_code, again.status_code) == (202, 202)
        assert again.json()["id"] == first.json()["id"] and again.headers["idempotency-replayed"] == "true"
        assert box.api.post("/v1/messages", json={**body, "text": "Altro"}, headers=key).status_code == 409


def test_a_stop_holds_on_both(box: Appliance) -> None:
    number = "+393339998877"
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3_600))
    sent = [box.send(to=number, text=f"Offerta {n}", class_="bulk", send_at=later)["id"] for n in range(8)]
    assert {owner(i) for i in sent} == {0, 1}
    assert box.operator.post("/inbound", json={"from": number, "to": "12345", "text": "STOP"}).status_code < 300
    wait_for("all to be cancelled", lambda: all(box.message(i)["status"] == "cancelled" for i in sent), 20)
    for n in range(4):  # customers' messages come on either's bind and are kept by one
        box.operator.post("/inbound", json={"from": f"+39333555000{n}", "to": "12345", "text": f"Ciao {n}"})
    wait_for(
        "what customers wrote",
        lambda: {f"Ciao {n}" for n in range(4)} <= {m["text"] for m in box.api.get("/v1/inbound").json()["messages"]},
    )


def test_people_see_each(box: Appliance) -> None:
    told = box.casemate("status")
    assert "engine-0" in told.stdout and "engine-1" in told.stdout and told.returncode == 0, told.stdout + told.stderr
    checks = box.api.get("/readyz").json()["checks"]
    assert checks["engine-0"] == checks["engine-1"] == "ok"
    metrics = box.api.get("/metrics").text
    assert 'casemate_ready{process="engine-1"} 1.0' in metrics
    assert box.casemate("link", "drain", "simulated").returncode == 0
    wait_for("both to be drained", lambda: box.state()["links"][0]["state"] == "drained")
    assert box.casemate("link", "resume", "simulated").returncode == 0
    wait_for("both to be up", lambda: box.state()["links"][0]["state"] == "up")


def test_one_is_killed_while_all_is_under_way(box: Appliance) -> None:
    """Nothing accepted is lost; the other goes on meanwhile; a key whose engine is away waits for it."""
    before = box.state()["statuses"]["delivered"]
    box.behave(latency_ms="5..50", receipt_delay_ms="100..2000")
    ids = [i for n in range(10_000, 12_000, 100) for i in batch(box, n, 100)]
    pid = box.kill("engine-1")
    gone = time.monotonic()
    taken = 0
    while box.processes().get("engine-1") in (None, pid) and time.monotonic() - gone < 20:
        answer = box.api.post("/v1/messages", json={"to": "+393331110000", "text": "Nel frattempo", "class": "otp"})
        if answer.status_code == 202:
            assert owner(answer.json()["id"]) == 0 or time.monotonic() - gone > 0
            ids.append(answer.json()["id"])
            taken += 1
        time.sleep(0.02)
    assert taken, "the other engine took messages meanwhile"
    box.until_ready()
    wait_for("both engines", lambda: len(box.state()["shards"]) == 2 and box.state()["ready"], 30)
    box.behave(latency_ms="1", receipt_delay_ms="10")
    status = box.settled(60, also=frozenset({"indeterminate"}))
    ended = Counter(status[i] for i in ids)
    assert set(ended) <= {"delivered", "indeterminate"}, ended
    assert len(ids) - ended["indeterminate"] == ended["delivered"] and ended["delivered"] > len(ids) * 0.6, ended
    texts = Counter(m["text"] for m in box.received() if m["text"].startswith("Movimento 1"))
    twice = {text for text, n in texts.items() if n > 1}
    assert not twice, f"{len(twice)} reached a handset twice"
    assert before


def test_an_engine_with_something_to_do_does_not_leave() -> None:
    with Appliance(TWO) as box:
        later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3_600))
        ids = [box.send(to="+393331234567", text=f"Domani {n}", send_at=later)["id"] for n in range(4)]
        assert {owner(i) for i in ids} == {0, 1}
        box.stop()
        box.config.write_text("[engine]\nshards = 1\n", encoding="utf-8")
        refused = box.casemate("up", "--demo", "--config", str(box.config), seconds=30)
        assert refused.returncode == 2 and "engine-1, which still has" in refused.stderr, refused.stderr
        assert "engine.spread" in refused.stderr
        box.config.write_text("[engine]\nshards = 2\nspread = 1\n", encoding="utf-8")
        box.start()
        assert {owner(box.send(to="+393331234567", text=f"Poi {n}")["id"]) for n in range(6)} == {0}
        for message_id in ids:
            assert box.api.post(f"/v1/messages/{message_id}/cancel").status_code == 200
        box.settled(30)
        time.sleep(1)
        box.stop()
        box.config.write_text("[engine]\nshards = 1\n", encoding="utf-8")
        box.start()
        assert {box.message(i)["status"] for i in ids} == {"cancelled"}, "what it left can be read"
        assert len(list(box.all_messages())) == 10
        gone = next(i for i in ids if owner(i) == 1)
        assert box.api.post(f"/v1/messages/{gone}/redact").status_code == 404
