"""What happened to a message, step by step: from what is kept, down to PDUs that a trace has or that are packed once more."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from appliance.access import Access
from appliance.access.passwords import Passwords
from appliance.console import create_app
from appliance.console.course import PARTS_SHOWN
from appliance.console.rebuilt import Submits, answer
from appliance.message import BULK, FAILED, NOTIFY_DOOR, NOTIFY_WEBHOOK, Content, id_text, new_ids
from appliance.settings import Settings, parse
from appliance.smpp import LinkPacker, PduError, explain
from appliance.store import Found, Part
from appliance.text import Cutter, encode, sender_octets, shape_of

from .conftest import NOW, PASSWORD, Played, csrf_for, found, sign_in

LINK = {"name": "simulated", "host": "127.0.0.1", "port": 2775}
NUMBER = "+393471234567"
ROUTES = [
    {"prefix": "39", "links": ["simulated"]},
    {"prefix": "49", "links": ["simulated"]},
    {"prefix": "4917", "links": ["simulated"]},
]


def part(n: int = 1, **changes: Any) -> Part:
    row = {"part": n, "status": "delivered", "link": "simulated", "submitted_ms": NOW + 4, "answered_ms": NOW + 5}
    return Part(**(row | {"receipted_ms": NOW + 900, "error": None, "operator_id": f"op{n}"} | changes))  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    given = {"console": {"second_factor": False, "two_people": []}, "link": [LINK], "route": ROUTES}
    return parse(given, tmp_path, "test")


def one(peers: Played, **changes: Any) -> Found:
    row = found(
        new_ids(1, NOW)[0], **({"parts": [part()], "basis": "policy=3f2a consent=17 senders=4 routes=0"} | changes)
    )
    peers.rows = [row]
    return row


def page(client: FlaskClient, row: Found) -> str:
    return client.get(f"/messages/{id_text(row.id)}").text


def events(text: str) -> list[str]:
    return re.findall(r'<li class="\w+"><span class="event">([^<]+)</span>', text)


def test_every_step_is_there_in_order_and_nothing_of_the_customer(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    text = page(client, one(peers, notify=NOTIFY_WEBHOOK))
    assert events(text) == [
        "accepted", "sealed", "let through", "routed", "submitted", "taken by the operator", "sent", "receipt", "delivered", "webhook",
    ]  # fmt: skip
    assert (
        "policy 3f2a" in text
        and "consent up to 17" in text
        and "by version 0 of the routes, which is still active" in text
    )
    assert "prefix 39" in text, "the rules that were asked"
    assert "submit_sm" in text and "&#34;MYBANK&#34;" in text and "data_coding" in text and "&#34;op1&#34;" in text
    assert re.search(r"destination_addr +sealed", text) and re.search(r"short_message +sealed", text)
    assert "the PDU itself is not kept" in text and "no trace of the link ran" in text
    assert "3900000000" not in text, "the number that stands in is not shown"


def test_the_submit_that_is_rebuilt_is_the_one_that_the_engine_packs(client: FlaskClient, peers: Played) -> None:
    link = parse({"link": [LINK | {"validity": "absolute", "user_message_reference": True}]}, peers_home(), "t").links[
        0
    ]
    coding, payload, _ = encode("Your code is 123456")
    row = found(new_ids(1, NOW)[0], class_=BULK, parts=[part()])
    shape = shape_of(link)
    packer = LinkPacker(link, Cutter(shape).cut, sender_octets, shape)
    left_s = (row.expires_ms - NOW - 4) // 1000
    reference = row.id[-2] << 8 | row.id[-1]
    frame = packer.pack(7, "MYBANK", NUMBER, packer.prepare(coding, payload, 0), 1, BULK, left_s, NOW + 4, reference)
    open_lines = Submits(link, row, "MYBANK", NUMBER, Content(coding, payload)).lines(row.parts[0])
    assert open_lines[1:] == explain(frame, False)[1:]
    masked = Submits(link, row, "MYBANK", None, None).lines(row.parts[0])
    hidden = ("  destination_addr", "  short_message")
    assert [x for x in masked[1:] if not x.startswith(hidden)] == [
        x for x in explain(frame, True)[1:] if not x.startswith(hidden)
    ]


def peers_home() -> Any:
    from pathlib import Path

    return Path("/nonexistent")


def test_a_long_message_has_a_header_in_each_part_and_only_some_are_shown(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    many = PARTS_SHOWN + 3
    text = page(client, one(peers, segments=many, parts=[part(n) for n in range(1, many + 1)]))
    assert f"segment 1 of {many}" in text and f"segment {PARTS_SHOWN + 1} of" not in text
    assert "3 segments more" in text and "user data header" in text


def test_a_route_that_looks_at_more_than_the_country_is_said_after_revealing(
    client: FlaskClient, peers: Played
) -> None:
    sign_in(client, "carlo")
    row = one(peers, calling_code=49, expires_ms=NOW - 1)
    assert "reveal it, or ask with it" in page(client, row) and "prefix 49" not in page(client, row)
    form = {"csrf": csrf_for(client), "why": "complaint 17"}
    text = client.post(f"/messages/{id_text(row.id)}/reveal", data=form).text
    assert NUMBER in text and "loan-4711" in text and "Your code is 123456" in text
    assert "reveal it, or ask with it" not in text and f"&#34;{NUMBER[1:]}&#34;" in text


def test_a_code_that_still_works_is_in_no_rebuilt_pdu_either(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    row = one(peers)
    text = client.post(f"/messages/{id_text(row.id)}/reveal", data={"csrf": csrf_for(client), "why": "complaint"}).text
    assert NUMBER in text and "123456" not in text.replace(NUMBER, "") and re.search(r"short_message +sealed", text)


def test_a_trace_is_joined_where_one_ran(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    row = one(peers)
    for name in ("submit_sm", "submit_sm_resp", "deliver_sm"):
        peers.wire.append({"name": name, "ids": ["op1"], "lines": [f"{name}, as it passed"]})
    text = page(client, row)
    assert text.count("as it passed: a trace of the link ran") == 3 and "not kept" not in text
    peers.down.add("engine")
    assert "the PDU itself is not kept" in page(client, row), "without the engine there is what is kept"


def test_what_went_wrong_is_said_where_it_did(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    bad = part(status="rejected", answered_ms=NOW + 5, receipted_ms=None, error="ESME_RINVDSTADR", operator_id=None)
    row = one(peers, status=FAILED, parts=[bad], events=[(NOW, "accepted", ""), (NOW + 5, "failed", "ESME_RINVDSTADR")])
    text = page(client, row)
    assert "refused by the operator" in events(text) and "ESME_RINVDSTADR (invalid destination address)" in text
    gone = one(peers, parts=[part(link="of-last-year")])
    assert "The link is not in the settings any more" in page(client, gone)


def test_what_waits_to_be_told_to_the_bank(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    row = one(peers, notify=NOTIFY_WEBHOOK | NOTIFY_DOOR)
    peers.due = [(2, row.id, row.status)]
    text = page(client, row)
    assert "waits to be told to core.bank.example:443: 2 attempts so far" in text and "at the SMPP door" in text
    peers.down.add("courier")
    assert "The courier does not answer" in page(client, row)
    assert "no webhook was wanted" in page(client, one(peers))


def test_nothing_is_rebuilt_that_this_link_could_not_carry() -> None:
    link = parse({"link": [LINK | {"long_message": "payload"}]}, peers_home(), "t").links[0]
    row = found(new_ids(1, NOW)[0], segments=3, parts=[part(n) for n in (1, 2, 3)])
    with pytest.raises(PduError):
        Submits(link, row, "MYBANK", None, None)
    assert answer(part(operator_id=None)) == []
    assert answer(part(operator_id=None, error="ESME_RTHROTTLED"))[0].startswith("submit_sm_resp ESME_RTHROTTLED")


def test_what_is_erased_stays_unknown(settings: Settings, peers: Played) -> None:
    access = Access(settings, passwords=Passwords(memory_kib=64, passes=1))
    access.create_user("anna", PASSWORD, "administrator", at_ms=NOW)
    client = create_app(settings, access, peers, clock=lambda: NOW).test_client()  # type: ignore[arg-type]
    sign_in(client)
    row = msgspec.structs.replace(one(peers), number=None, content=None, parts=[], link=None, basis="")
    peers.rows = [row]
    text = page(client, row)
    assert "erased" in text and "let through" not in text and "routed" not in text
