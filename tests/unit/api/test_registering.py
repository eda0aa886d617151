"""Senders over REST, and what the register does to a message and a preview."""

from __future__ import annotations

from pathlib import Path

from tests.support.api_alone import Alone

GOOD = {"to": "+393331234567", "text": "x", "from": "MYBANK"}


def test_the_life_of_a_sender_over_rest(tmp_path: Path) -> None:
    alone = Alone(tmp_path, senders={"mandatory": ["IT"]})
    alone.loop.run_until_complete(alone.gateway.senders.look())
    refused = alone.post("/v1/messages", GOOD)
    assert (refused.status, refused.json["code"], refused.json["field"]) == (422, "sender_unregistered", "from")
    assert "alias.agcom.it" in refused.json["hint"] and not alone.engine.rows
    made = alone.post("/v1/senders", {"sender": "MYBANK", "country": "IT"})
    assert (made.status, made.json["state"], made.headers["location"]) == (201, "requested", "/v1/senders/1")
    assert alone.post("/v1/preview", GOOD).json["code"] == "sender_unregistered"
    assert alone.ask("PUT", "/v1/senders/1", {"state": "confirmed"}).json["field"] == "evidence"
    details = {"evidence": "mail of yesterday"}
    change = {"state": "confirmed", "expires": "2999-01-01", "details": details}
    assert alone.ask("PUT", "/v1/senders/1", change).json["expires"] == "2999-01-01T00:00:00.000Z"
    assert alone.post("/v1/messages", GOOD).status == 202
    assert alone.post("/v1/preview", GOOD).json["rules"] == ["sender_registered_IT"]
    batch = alone.post("/v1/messages/batch", {"messages": [GOOD, GOOD | {"from": "MyBank"}]}).json
    assert [r["code"] for r in batch["rejected"]] == ["sender_unregistered"] and len(batch["accepted"]) == 1
    assert "`MYBANK`" in batch["rejected"][0]["hint"]
    assert alone.ask("PUT", "/v1/senders/1", {"state": "expired"}).json["state"] == "expired"
    assert alone.post("/v1/messages", GOOD).status == 422
    assert [s["sender"] for s in alone.get("/v1/senders").json["senders"]] == ["MYBANK"]
    assert alone.get("/v1/senders/1").json["details"] == details
    assert alone.get("/v1/senders/2").status == alone.get("/v1/senders/x").status == 404
    acts = [entry[1] for entry in alone.auditor.entries]
    assert acts == ["sender.requested", "sender.confirmed", "sender.expired"]
    alone.close()


def test_a_text_to_india_is_one_of_its_headers_templates(tmp_path: Path) -> None:
    links = [{"name": "one", "host": "127.0.0.1", "default_sender": "MYBANK"}]
    alone = Alone(tmp_path, senders={"mandatory": ["IN"]}, link=links, route=[{"links": ["one"]}])
    details = {"evidence": "mail", "entity_id": "1001", "templates": {"1107001": "{#numeric#} is your OTP. -BANK"}}
    alone.post("/v1/senders", {"sender": "MYBANK", "country": "IN"})
    assert alone.ask("PUT", "/v1/senders/1", {"state": "confirmed", "details": details}).status == 200
    alone.loop.run_until_complete(alone.gateway.senders.look())
    right = {"to": "+919876543210", "text": "123456 is your OTP. -BANK"}
    assert alone.post("/v1/messages", right).status == 202, "the link's own sender leaves"
    assert alone.post("/v1/preview", right).json["rules"] == ["sender_registered_IN"]
    named = alone.post("/v1/preview", right | {"from": "MYBANK"}).json["rules"]
    assert named == ["sender_registered_IN", "dlt_template_1107001"]
    for address in ("/v1/messages", "/v1/preview"):
        refused = alone.post(address, right | {"text": "123456 is your code. -BANK"})
        assert (refused.status, refused.json["code"], refused.json["rule"]) == (422, "content_refused", "dlt_template")
        assert "the nearest is 1107001" in refused.json["hint"] and "123456" not in refused.body.decode()
    alone.close()


def test_without_the_audit_log_nothing_changes(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    alone.auditor.down = True
    assert alone.post("/v1/senders", {"sender": "MYBANK", "country": "IT"}).status == 503
    assert alone.get("/v1/senders").json == {"senders": [], "next": None}
    alone.close()


def test_wrong_requests_are_told(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    for body, code in (
        ({"sender": "12 34", "country": "IT"}, "sender_invalid"),
        ({"sender": "MYBANK", "country": "it"}, "invalid"),
        ({"sender": "MYBANK", "country": "XX"}, "invalid"),
        ({"sender": "MYBANK", "country": "IT", "details": {"wrong": 1}}, "invalid"),
    ):
        assert alone.post("/v1/senders", body).json["code"] == code, body
    many = "&".join(f"a{n}=1" for n in range(20))
    for query in ("cursor=x", "cursor=1&cursor=2", many):
        assert alone.get(f"/v1/senders?{query}").status == 422
    for address in ("templates", "suppressions", "inbound"):
        assert alone.get(f"/v1/{address}?{many}").status == 422, address
    assert alone.post("/v1/messages", GOOD).status == 202  # no country asks by default
    alone.close()
