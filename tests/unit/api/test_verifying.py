"""Verifications over REST: begin, check, cancel, resend; every denial the same; a message that was cut off; the log without a value."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.api.handing_on import HandingOn
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.message import id_octets
from appliance.store import DatabaseError
from appliance.text import decode
from appliance.verify import REASONS
from tests.support.api_alone import Alone, Reply

NUMBER = "+393331234567"
LOGIN = {"to": NUMBER, "purpose": "login"}
PAYMENT = {"payee": "Rossi S.r.l.", "amount": "10.00", "currency": "EUR"}
OPEN = {"per_number_hour": 0, "block_s": 0}
UNKNOWN = "019ab1c2-7b1e-7000-8a3f-5f0c2d9e4b6a"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    made = Alone(tmp_path, verify=OPEN, api={"saves_templates": True})
    yield made
    made.close()


def texts(alone: Alone) -> list[str]:
    """What was handed to the engine, as customers read it."""
    return [
        decode(e, p) for batch in alone.engine.batches for e, p in zip(batch.encodings, batch.payloads, strict=True)
    ]


def newest(alone: Alone) -> str:
    """The newest code."""
    found = re.search(r"\b\d{4,10}\b", texts(alone)[-1])
    assert found is not None
    return found[0]


def begun(alone: Alone, **more: Any) -> str:
    made = alone.post("/v1/verifications", LOGIN | more)
    assert (made.status, made.json["status"]) == (201, "pending"), made.body
    assert made.headers["location"] == f"/v1/verifications/{made.json['id']}"
    return str(made.json["id"])


def checked(alone: Alone, verification: str, code: str, token: str = "cm_1_anna", **payment: Any) -> Reply:
    return alone.post(f"/v1/verifications/{verification}/check", {"code": code, **payment}, token=token)


def wrong(code: str) -> str:
    return str((int(code) + 1) % 10 ** len(code)).zfill(len(code))


def reasons(alone: Alone) -> list[str]:
    """Of the checks on the audit log."""
    return [e[4].get("reason", "") for e in audited(alone) if e[1] == "verification.checked"]


def fails(*_: Any) -> Any:
    raise DatabaseError("disk I/O error")


def audited(alone: Alone) -> list[Any]:
    return list(alone.auditor.entries)


def test_a_code_is_sent_checked_and_used_up(alone: Alone) -> None:
    verification = begun(alone)
    code = newest(alone)
    assert len(code) == 6 and alone.engine.batches[-1].classes == [0]
    batch = alone.engine.batches[-1]
    assert 599_000 <= batch.expires_ms[0] - now_ms() <= 600_000, "it does not arrive after its end"
    view = alone.get(f"/v1/verifications/{verification}").json
    assert (view["status"], view["purpose"], view["sends"], view["tries"], view["bound"]) == (
        "pending",
        "login",
        1,
        0,
        False,
    )
    assert checked(alone, verification, wrong(code)).body == b'{"status":"denied"}'
    assert checked(alone, verification, code).body == b'{"status":"approved"}'
    assert checked(alone, verification, code).json == {"status": "denied"}
    assert alone.get(f"/v1/verifications/{verification}").json["status"] == "approved"
    assert reasons(alone) == ["code", "", "used"]
    said = alone.get("/metrics").body.decode()
    for outcome, count in (("created", 1), ("denied", 2), ("approved", 1)):
        line = f'casemate_verifications_total{{gateway="0",outcome="{outcome}",purpose="login"}} {count}.0'
        assert line in said, outcome


def test_another_payment_is_denied(alone: Alone) -> None:
    verification = begun(alone, purpose="payment", **PAYMENT)
    code, text = newest(alone), texts(alone)[-1]
    assert "€10.00" in text and "Rossi S.r.l." in text
    for other in (
        PAYMENT | {"amount": "10.01"},
        PAYMENT | {"payee": "Bianchi S.r.l."},
        PAYMENT | {"currency": "USD"},
        {},
    ):
        assert checked(alone, verification, code, **other).json == {"status": "denied"}
    assert reasons(alone) == ["payment"] * 4
    assert checked(alone, verification, code, **PAYMENT | {"amount": "10.0"}).json == {"status": "approved"}
    assert alone.get(f"/v1/verifications/{verification}").json["bound"] is True


def test_every_denial_is_the_same(alone: Alone) -> None:
    replies: list[Reply] = []
    used = begun(alone)
    code = newest(alone)
    checked(alone, used, code)
    replies.append(checked(alone, used, code))
    failed = begun(alone)
    code = newest(alone)
    replies += [checked(alone, failed, wrong(code)) for _ in range(5)]
    replies.append(checked(alone, failed, code))
    cancelled = begun(alone)
    code = newest(alone)
    assert alone.post(f"/v1/verifications/{cancelled}/cancel").json["status"] == "cancelled"
    replies.append(checked(alone, cancelled, code))
    others = begun(alone)
    code = newest(alone)
    replies.append(checked(alone, others, code, token="cm_2_bruno"))
    expired = begun(alone, life_s=60)
    late = newest(alone)
    octets = id_octets(expired)
    alone.loop.run_until_complete(
        alone.gateway.verifications.act(
            lambda b: b.conn.execute("UPDATE verification SET expires_ms = ? WHERE id = ?", (now_ms() - 1, octets))
        )
    )
    replies.append(checked(alone, expired, late))
    replies += [
        checked(alone, UNKNOWN, code),
        checked(alone, others, "not a code"),
        checked(alone, others, "", **PAYMENT),
    ]
    strange = {"payee": "x" * 999, "amount": "lots", "currency": "\u20ac"}
    replies.append(checked(alone, others, code, **strange))
    assert {(r.status, r.body, tuple(sorted(r.headers.items()))) for r in replies} == {
        (200, replies[0].body, tuple(sorted(replies[0].headers.items())))
    }
    assert set(REASONS) - set(reasons(alone)) == {"blocked"}
    assert checked(alone, others, code).json == {"status": "approved"}


def test_the_audit_log_says_it_all_and_no_value(alone: Alone) -> None:
    verification = begun(alone, purpose="payment", locale="it-CH", **PAYMENT)
    code = newest(alone)
    alone.post(f"/v1/verifications/{verification}/resend")
    other = newest(alone)
    checked(alone, verification, code, **PAYMENT)
    checked(alone, verification, other, **PAYMENT)
    begun(alone)
    entries = [e for e in audited(alone) if e[1].startswith("verification.")]
    assert [e[1].partition(".")[2] for e in entries] == ["created", "resent", "checked", "checked", "created"]
    assert [e[3] for e in entries] == ["ok", "ok", "refused", "ok", "ok"]
    assert {e[2] for e in entries[:4]} == {f"verification:{verification}"}
    details = [e[4] for e in entries]
    assert len({d["digest"] for d in details[:4]}) == 1 and re.fullmatch("[0-9a-f]{64}", details[0]["digest"])
    assert details[0]["template"] == "built-in it" and details[2]["reason"] == "code" and "reason" not in details[3]
    assert (details[4]["bound"], "digest" in details[4]) == (False, False)
    whole = json.dumps(entries)
    assert not any(value in whole for value in (NUMBER[1:], code, other, "Rossi", "10.00", "EUR"))


def test_a_check_that_comes_at_once_is_behind_its_code_on_the_log(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the auditor has an earlier call, and nothing was handed on yet."""
    begun(alone)
    slow, call = asyncio.Event(), alone.auditor.call

    async def held(op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        if op == "append":
            await slow.wait()
        return await call(op, payload, timeout_s)

    async def at_once() -> Reply:
        monkeypatch.setattr(alone.auditor, "call", held)
        await alone.request("POST", "/v1/verifications", json.dumps(LOGIN).encode())  # the auditor has it in hand
        made = await alone.request("POST", "/v1/verifications", json.dumps(LOGIN).encode())
        where = f"/v1/verifications/{json.loads(made.body)['id']}"
        check = asyncio.ensure_future(alone.request("POST", f"{where}/check", b'{"code": "1"}'))
        cancel = asyncio.ensure_future(alone.request("POST", f"{where}/cancel"))
        ours, watch = id_octets(json.loads(made.body)["id"]), alone.gateway.verifications
        while (await watch.do(lambda book: book.one(ours, 1))).state != "cancelled":
            """Both are in the book before the log has any of it."""
        slow.set()
        assert (await check).json == {"status": "denied"}
        return await cancel

    assert alone.loop.run_until_complete(at_once()).json["status"] == "cancelled"
    alone.hand_on()
    newest_on = audited(alone)[-1][2]
    said = [e[1].partition(".")[2] for e in audited(alone) if e[2] == newest_on]
    assert said[0] == "created" and sorted(said[1:]) == ["cancelled", "checked"]


def test_a_check_does_not_wait_for_a_store_that_fails(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.api.handing_on._next", fails)
    verification = begun(alone)
    assert checked(alone, verification, "1").json == {"status": "denied"}
    assert [e[1] for e in audited(alone)] == ["verification.checked"]
    monkeypatch.undo()
    looks(alone)
    assert [e[1].partition(".")[2] for e in audited(alone)] == ["checked", "created"], "late, and there"


def test_nothing_is_readable_on_disk(tmp_path: Path) -> None:
    for policy in ("new", "same"):
        home = tmp_path / policy
        alone = Alone(home, verify=OPEN | {"resend": policy})
        verification = begun(alone, purpose="payment", **PAYMENT)
        code = newest(alone)
        checked(alone, verification, wrong(code), **PAYMENT)
        files = b"".join(path.read_bytes() for path in home.glob("verify.db*"))
        assert b"payment" in files, "the purpose is there"
        assert not any(value.encode() in files for value in (NUMBER[1:], code, "Rossi", "10.00", "EUR"))
        alone.close()


def test_the_same_request_again_is_the_same_verification(alone: Alone) -> None:
    key = {"idempotency-key": "one"}
    first = alone.post("/v1/verifications", LOGIN, key)
    again = alone.post("/v1/verifications", LOGIN, key)
    assert (again.status, again.body, again.headers["idempotency-replayed"]) == (201, first.body, "true")
    assert len(texts(alone)) == 1
    conflict = alone.post("/v1/verifications", LOGIN | {"length": 8}, key)
    assert (conflict.status, conflict.json["code"]) == (409, "idempotency_conflict")
    other = alone.post("/v1/verifications", LOGIN, key, token="cm_2_bruno")
    assert other.status == 201 and other.json["id"] != first.json["id"]

    async def both() -> list[Reply]:
        body, key = json.dumps(LOGIN).encode(), {"idempotency-key": "two"}
        return await asyncio.gather(*(alone.request("POST", "/v1/verifications", body, key) for _ in range(2)))

    sent = len(texts(alone))
    one, two = alone.loop.run_until_complete(both())
    assert one.body == two.body and one.status == 201 and len(texts(alone)) == sent + 1


def looks(alone: Alone) -> None:
    """The look at what was left, that is taken once a second."""
    assert alone.gateway.handing is not None
    alone.loop.run_until_complete(alone.gateway.handing.look())
    alone.hand_on()


def test_what_the_engine_could_not_take_reaches_it_once_it_can(alone: Alone) -> None:
    key = {"idempotency-key": "one"}
    alone.engine.down = Error("peer_unavailable", "the engine went", process="engine-0")
    made = alone.post("/v1/verifications", LOGIN, key)
    assert made.status == 201 and texts(alone) == [], "the message is on disk"
    looks(alone)
    alone.engine.down = None
    again = alone.post("/v1/verifications", LOGIN, key)
    assert (again.body, again.headers["idempotency-replayed"], texts(alone)) == (made.body, "true", [])
    for _ in range(2):
        looks(alone)
        assert len(texts(alone)) == 1
    view = alone.get(f"/v1/verifications/{made.json['id']}").json
    assert view["sends"] == 1 and checked(alone, made.json["id"], newest(alone)).json == {"status": "approved"}


@pytest.mark.parametrize("engine_had_it", [False, True])
def test_a_message_that_a_dead_gateway_had_in_hand_is_handed_on_by_the_next_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine_had_it: bool
) -> None:
    """Killed after the commit: before the engine had it, or after that and before the book knew."""
    first, second = Alone(tmp_path, verify=OPEN), Alone(tmp_path, verify=OPEN)

    async def killed(*_: Any) -> None:
        """Nothing more is done."""

    with monkeypatch.context() as patch:
        patch.setattr(HandingOn, "_done" if engine_had_it else "_hand_on", killed)
        verification = begun(first)
    assert len(texts(first)) == engine_had_it
    second.engine = second.gateway.engine = first.engine  # type: ignore[assignment]
    second.ring.keys.update(first.ring.keys)
    for _ in range(2):
        looks(second)
        assert len(first.engine.rows) == 1, "once, whoever hands it on"
    assert checked(second, verification, newest(second)).json == {"status": "approved"}
    second.close()
    first.close()


def test_a_message_whose_code_is_over_does_not_leave_any_more(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    alone.engine.down = Error("peer_unavailable", "the engine went", process="engine-0")
    verification = begun(alone, life_s=60)
    cancelled = begun(alone)
    assert alone.post(f"/v1/verifications/{cancelled}/cancel").json["status"] == "cancelled"
    alone.engine.down = None
    later_ms = now_ms() + 60_000
    monkeypatch.setattr("appliance.api.handing_on.now_ms", lambda: later_ms)
    looks(alone)
    assert texts(alone) == [] and alone.get(f"/v1/verifications/{verification}").status == 200


def test_without_the_audit_log_nothing_is_sent_and_nothing_approved(alone: Alone) -> None:
    verification = begun(alone)
    code, sent = newest(alone), len(texts(alone))
    alone.auditor.down = True
    alone.loop.run_until_complete(alone.gateway.peers.look())
    for address, body in ((f"/v1/verifications/{verification}/check", {"code": code}), ("/v1/verifications", LOGIN)):
        reply = alone.post(address, body)
        assert (reply.status, reply.json["code"]) == (503, "audit_unavailable")
    alone.auditor.down = False
    alone.loop.run_until_complete(alone.gateway.peers.look())
    assert len(texts(alone)) == sent
    assert checked(alone, verification, code).json == {"status": "denied"}, "an approval without evidence is none"


def test_of_a_code_that_left_as_the_log_went_the_log_is_told_and_no_other_leaves_before(alone: Alone) -> None:
    alone.auditor.down = True  # and nobody has looked yet
    verification = begun(alone)
    assert len(texts(alone)) == 1 and audited(alone) == []
    refused = alone.post("/v1/verifications", LOGIN)
    again = alone.post(f"/v1/verifications/{verification}/resend")
    assert {(reply.status, reply.json["code"]) for reply in (refused, again)} == {(503, "audit_unavailable")}
    looks(alone)
    alone.auditor.down = False
    looks(alone)
    assert [(e[1], e[2]) for e in audited(alone)] == [("verification.created", f"verification:{verification}")]
    begun(alone)
    assert [e[1] for e in audited(alone)] == ["verification.created"] * 2, "each once"


def test_without_the_hsm_codes_are_drawn_until_those_in_memory_are_used_up(alone: Alone) -> None:
    begun(alone)
    alone.ring.well = (False, "away")
    said = [alone.post("/v1/verifications", LOGIN | {"length": 10}) for _ in range(110)]
    assert said[0].status == 201 and (said[-1].status, said[-1].json["code"]) == (503, "hsm_unavailable")
    assert len(texts(alone)) == 1 + sum(reply.status == 201 for reply in said)


def test_a_resend_makes_a_new_code(alone: Alone) -> None:
    verification = begun(alone, length=10)
    codes = [newest(alone)]
    key = {"idempotency-key": "again"}
    for n in range(2, 6):
        view = alone.post(f"/v1/verifications/{verification}/resend", headers=key if n == 2 else None)
        assert (view.status, view.json["sends"], view.json["status"]) == (200, n, "pending")
        if n == 2:
            assert alone.post(f"/v1/verifications/{verification}/resend", headers=key).body == view.body
        codes.append(newest(alone))
    assert len(set(codes)) == len(texts(alone)) == 5
    assert alone.post(f"/v1/verifications/{verification}/resend").status == 429
    assert [checked(alone, verification, code).json["status"] for code in codes] == ["denied"] * 4 + ["approved"]
    ended = alone.post(f"/v1/verifications/{verification}/resend")
    assert (ended.status, ended.json["code"]) == (409, "verification_ended")
    assert alone.post(f"/v1/verifications/{verification}/cancel").json["code"] == "verification_ended"


def test_or_the_same_code_by_setting(tmp_path: Path) -> None:
    alone = Alone(tmp_path, verify=OPEN | {"resend": "same"})
    verification = begun(alone)
    code, before = newest(alone), alone.get(f"/v1/verifications/{verification}").json["expires_at"]
    view = alone.post(f"/v1/verifications/{verification}/resend").json
    assert newest(alone) == code and len(texts(alone)) == 2 and view["expires_at"] == before
    assert checked(alone, verification, code).json == {"status": "approved"}
    alone.close()


def test_what_is_wrong_is_told_and_nothing_is_kept(alone: Alone) -> None:
    for body, code, field in (
        (LOGIN | {"to": "123"}, "number_invalid", "to"),
        (LOGIN | {"purpose": "Tel 393331234567"}, "invalid", "purpose"),
        (LOGIN | {"purpose": "t39333-1234567"}, "invalid", "purpose"),
        (LOGIN | {"length": 3}, "invalid", "length"),
        (LOGIN | {"length": 11}, "invalid", "length"),
        (LOGIN | {"life_s": 59}, "invalid", "life_s"),
        (LOGIN | {"channels": ["fax"]}, "invalid", "channels"),
        (LOGIN | {"channels": []}, "invalid", "channels"),
        (LOGIN | {"amount": "10.00"}, "invalid", "payee"),
        (LOGIN | PAYMENT | {"currency": None}, "invalid", "currency"),
        (LOGIN | PAYMENT | {"amount": 10}, "invalid", "amount"),
        (LOGIN | PAYMENT | {"amount": "10.001"}, "invalid", "amount"),
        (LOGIN | PAYMENT | {"amount": "10,00"}, "invalid", "amount"),
        (LOGIN | {"text": "x"}, "invalid", "text"),
        ({"to": NUMBER}, "invalid", "purpose"),
    ):
        reply = alone.post("/v1/verifications", body)
        assert (reply.json["code"], reply.json["field"]) == (code, field), body
    for method, last in (("GET", ""), ("POST", "/check"), ("POST", "/cancel"), ("POST", "/resend")):
        for name in ("x", "019AB1C2"):
            assert alone.ask(method, f"/v1/verifications/{name}{last}", {"code": "1"}).status == 404
        if last != "/check":
            assert alone.ask(method, f"/v1/verifications/{UNKNOWN}{last}").json["code"] == "not_found"
    assert not texts(alone) and not audited(alone)
    tallies = alone.loop.run_until_complete(alone.gateway.verifications.do(lambda book: book.tallies()))
    assert tallies == {}


def test_a_saved_template_is_what_the_customer_reads(alone: Alone) -> None:
    bad = alone.ask("PUT", "/v1/templates/verify.payment", {"locale": "en", "texts": {"en": "Code {code} to {payee}"}})
    assert (bad.status, bad.json["code"]) == (422, "template_invalid") and "amount" in bad.json["detail"]
    good = {"locale": "en", "texts": {"en": "Pay {payee} {amount, number, currency}: {code}"}}
    assert alone.ask("PUT", "/v1/templates/verify.payment", good).status == 200
    begun(alone, purpose="Payment", **PAYMENT)
    assert re.fullmatch(r"Pay Rossi S\.r\.l\. €10\.00: \d{6}", texts(alone)[-1])
    refused = alone.post("/v1/verifications", LOGIN | {"purpose": "payment"})
    assert (refused.status, refused.json["field"]) == (422, "purpose")
    assert audited(alone)[-1][4]["template"] == "verify.payment@1 en"


def test_a_request_names_another_template_of_codes_and_a_resend_keeps_to_it(alone: Alone) -> None:
    for name, text in (("verify.login", "Login {code}"), ("verify.app", "App {code}"), ("promo", "Buy {code}")):
        assert alone.ask("PUT", f"/v1/templates/{name}", {"texts": {"en": text}, "locale": "en"}).status in (200, 201)
    verification = begun(alone, template="verify.app")
    assert alone.post(f"/v1/verifications/{verification}/resend").status == 200
    begun(alone)
    assert [text.split()[0] for text in texts(alone)] == ["App", "App", "Login"]
    shown = [e[4]["template"] for e in audited(alone) if e[1].startswith("verification.")]
    assert shown == ["verify.app@1 en"] * 2 + ["verify.login@1 en"]
    for wrong_one in ("promo", "verify.none"):
        said = alone.post("/v1/verifications", LOGIN | {"template": wrong_one})
        assert (said.status, said.json["code"], said.json["field"]) == (422, "template_invalid", "template")
    said = alone.post("/v1/verifications", LOGIN | PAYMENT | {"template": "verify.app"})
    assert (said.json["code"], said.json["field"]) == ("template_invalid", "template")


def test_limits_of_a_number_are_kept(tmp_path: Path) -> None:
    alone = Alone(tmp_path, verify={"per_number_hour": 2})
    begun(alone)
    verification = begun(alone, purpose="other")
    limited = alone.post("/v1/verifications", LOGIN)
    assert limited.status == 429 and 1_700 < int(limited.headers["retry-after"]) <= 1_801
    assert alone.post(f"/v1/verifications/{verification}/resend").status == 429
    assert len(texts(alone)) == 2 and begun(alone, to="+393331234568")
    code = newest(alone)
    alone.close()
    assert code


def test_purposes_beyond_fifty_share_a_metric(alone: Alone) -> None:
    for n in range(60):
        alone.gateway.numbers.verified(f"p{n}", "created")
    said = alone.get("/metrics").body.decode()
    assert len(re.findall(r"casemate_verifications_total\{", said)) == 51 and 'purpose="other"} 10.0' in said


def test_codes_go_to_the_home_country_alone(tmp_path: Path) -> None:
    alone = Alone(tmp_path, verify=OPEN, bank={"country": "DE"})
    try:
        refused = alone.post("/v1/verifications", LOGIN)
        assert (refused.status, refused.json["code"], refused.json["rule"]) == (403, "destination_blocked", "country")
        assert NUMBER not in refused.body.decode() and not alone.engine.batches
    finally:
        alone.close()


def test_who_asks_is_limited(tmp_path: Path) -> None:
    alone = Alone(tmp_path, verify=OPEN | {"per_user_hour": 1, "per_address_hour": 1})
    try:
        begun(alone, user="customer-77")
        assert alone.post("/v1/verifications", LOGIN | {"user": "customer-77"}).status == 429
        begun(alone, address="2001:db8::7")
        assert alone.post("/v1/verifications", LOGIN | {"address": "2001:db8::7"}).status == 429
        wrong_address = alone.post("/v1/verifications", LOGIN | {"address": "somewhere"})
        assert (wrong_address.status, wrong_address.json["field"]) == (422, "address")
        assert "customer-77" not in str(audited(alone))
    finally:
        alone.close()


def test_a_pumped_prefix_is_blocked_on_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Alone(tmp_path, verify=OPEN | {"guard_least": 10, "per_user_hour": 0})
    verifying = importlib.import_module("appliance.api.verifying")
    try:
        at_ms = now_ms()
        monkeypatch.setattr(verifying, "now_ms", lambda: at_ms)
        for _ in range(10):
            begun(alone)
        at_ms += 300_000
        for _ in range(10):
            begun(alone)
        refused = alone.post("/v1/verifications", LOGIN)
        assert (refused.status, refused.json["code"], refused.json["rule"]) == (403, "destination_blocked", "prefix")
        (entry,) = [e for e in audited(alone) if e[1] == "verification.prefix_blocked"]
        assert entry[2] == "prefix:+39333" and entry[4]["why"] == "conversion"
        numbers = alone.gateway.numbers.text().decode()
        assert 'casemate_verification_blocks_total{gateway="0",why="conversion"} 1.0' in numbers
    finally:
        alone.close()


def test_a_batch_is_its_total_and_all_its_payees_in_any_order(alone: Alone) -> None:
    """Delegated Regulation (EU) 2018/389 article 5(3)(b)."""
    batch = {"payees": ["Rossi S.r.l.", "Bianchi S.r.l.", "Bianchi S.r.l."], "amount": "940.00", "currency": "EUR"}
    verification = begun(alone, purpose="payment", **batch)
    code, text = newest(alone), texts(alone)[-1]
    assert "Bianchi S.r.l., Bianchi S.r.l., Rossi S.r.l." in text and "940.00" in text
    for other in ({"payees": batch["payees"][:2]}, {"payees": ["Rossi S.r.l."]}, {"amount": "940.01"}):
        assert checked(alone, verification, code, **(batch | other)).json == {"status": "denied"}
    assert checked(alone, verification, code, **(batch | {"payees": batch["payees"][::-1]})).json == {
        "status": "approved"
    }
    many = {"payees": [f"Payee number {n:03}" for n in range(200)], "amount": "1", "currency": "EUR"}
    begun(alone, purpose="payment", **many)
    assert "Payee number 006 + 193" in texts(alone)[-1]
    both = alone.post("/v1/verifications", LOGIN | batch | {"payee": "x"}).json
    assert (both["code"], both["field"]) == ("invalid", "payees")


def test_the_evidence_of_an_authentication_is_its_own_api_keys(alone: Alone) -> None:
    verification = begun(alone)
    answered = alone.auditor.call

    async def call(op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        """The log's answers, out of what was recorded."""
        if op == "entries":
            rows = [(n, e) for n, e in enumerate(alone.auditor.entries) if e[2] == payload["on"]]
            told = [
                {"index": n, "entry": {"at": "", "who": e[0], "what": e[1], "outcome": e[3], "detail": e[4]}}
                for n, e in rows
            ]
            return {"entries": told[::-1]}
        said = {"proof": {"tlog_proof": "proof"}, "state": {"vkey": "key+1"}}.get(op)
        return said if said is not None else await answered(op, payload, timeout_s)

    alone.auditor.call = call  # type: ignore[method-assign]
    assert alone.post(f"/v1/verifications/{verification}/evidence", {}, token="cm_2_bruno").status == 404
    told = alone.post(f"/v1/verifications/{verification}/evidence", {}).json
    assert (
        json.loads(told["files"]["authentication.json"])["entries"] == [0]
        and told["files"]["entry-0.tlog-proof"] == "proof"
    )
    assert alone.auditor.entries[-1][1] == "evidence.exported" and NUMBER[1:] not in str(told)
    assert alone.post("/v1/verifications/no-id/evidence", {}).status == 404
