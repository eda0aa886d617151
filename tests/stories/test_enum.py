"""Whom a number moved to, by ENUM: Debian's NSD answers right and wrong, another server worse; messages take the link it says, or wait for none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest

from appliance.numbering import domain_of
from tests.support.appliance import Appliance
from tests.support.name_server import Liar, nsd
from tests.support.operator_process import Control, simulated_operator

pytestmark = pytest.mark.stories

ZONE = "e164.example"
MOVED, STAYED, ABSENT, BROKEN, LOOP, ONWARD, MANY, BACK = (f"+39333123456{n}" for n in range(8))
CONFIG = """
[[link]]
name = "home"
host = "127.0.0.1"
port = {port}

[[link]]
name = "direct"
host = "127.0.0.1"
port = {port}

[[operator]]
name = "tim"
codes = ["39123", "222001"]

[[operator]]
name = "vf"
prefixes = ["39", "44"]

[[route]]
operator = "tim"
links = ["direct"]

[[route]]
links = ["home"]

[[enum]]
prefix = "39"
apex = "e164.example"
servers = ["127.0.0.1:{nsd}"]
wait_ms = 2000

[[enum]]
prefix = "44"
apex = "e164.example"
servers = ["127.0.0.1:{liar}"]
timeout_ms = 150
tries = 2
wait_ms = 1000
"""


def record(number: str, rest: str) -> str:
    return f"{domain_of(number, ZONE)}. IN NAPTR {rest}"


TEL = '100 10 "u" "E2U+pstn:tel"'
RECORDS = "\n".join(
    [
        record(MOVED, f'{TEL} "!^(.*)$!tel:\\\\1;npdi;rn=+39-123!" .'),
        record(STAYED, f'{TEL} "!^.*$!tel:+39333;npdi!" .'),
        record(BROKEN, f'{TEL} "!^(.*$!tel:" .'),
        record(LOOP, '100 10 "" "E2U+pstn" "" loop.e164.example.'),
        f'loop.e164.example. IN NAPTR 100 10 "" "E2U+pstn" "" {domain_of(LOOP, ZONE)}.',
        record(ONWARD, '100 10 "" "E2U+pstn" "" there.e164.example.'),
        f'there.e164.example. IN NAPTR {TEL} "!^.*$!tel:+39;npdi;rn=39123!" .',
        *(record(MANY, f'{n} 10 "u" "E2U+sip" "!^.*$!sip:x{n}@{"y" * 100}.example!" .') for n in range(40)),
        record(MANY, '99 1 "u" "E2U+sip" "!^.*$!sip:x@ims.mnc001.mcc222.3gppnetwork.org!" .'),
        record(BACK, f'{TEL} "!^.*$!tel:+39;npdi;rn=nobody!" .'),
    ]
)


def lie(name: str, question: dns.message.Message) -> bytes | None:
    """By the number's last digit."""
    answer = dns.message.make_response(question)
    which = name[0]
    if which == "0":
        return None
    if which == "1":
        answer.set_rcode(dns.rcode.SERVFAIL)
    elif which == "2":
        return b"\x00\x01 not a message"
    elif which == "3":
        answer.id ^= 1  # to another question: nobody is to believe it
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "NAPTR", f'{TEL} "!^.*$!tel:+44;npdi;rn=39123!" .'))
    elif which == "4":
        answer.set_rcode(dns.rcode.REFUSED)
    else:
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "NAPTR", f'{TEL} "!^.*$!tel:+44;npdi;rn=39123!" .'))
    return answer.to_wire()


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    server = Liar(lie)
    yield server
    server.close()


@pytest.fixture(scope="module")
def operator() -> Iterator[Control]:
    with simulated_operator() as control:
        yield control


@pytest.fixture(scope="module")
def box(operator: Control, liar: Liar) -> Iterator[Appliance]:
    with nsd(ZONE, RECORDS) as port:
        config = CONFIG.format(port=operator.port, nsd=port, liar=liar.port)
        with Appliance(config) as box:
            yield box


def told(box: Appliance, number: str) -> dict[str, Any]:
    answer = box.api.get(f"/v1/lookup/{number}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("number", "name", "ported", "code"),
    [
        (MOVED, "tim", True, "39123"),
        (STAYED, "vf", False, None),
        (ABSENT, "vf", None, None),  # NXDOMAIN
        (BROKEN, "vf", None, None),
        (LOOP, "vf", None, None),
        (ONWARD, "tim", True, "39123"),
        (MANY, "tim", True, "222001"),  # cut over UDP, whole over TCP
        (BACK, None, True, "nobody"),
        ("+4915112345678", None, None, None),  # no row [[enum]]
    ],
)
def test_a_look_up_says_what_the_name_server_says(
    box: Appliance, number: str, name: str | None, ported: bool | None, code: str | None
) -> None:
    said = told(box, number)
    assert (said["operator"], said["ported"], said["code"]) == (name, ported, code), said


def test_messages_take_the_link_of_the_operator_that_enum_names(box: Appliance) -> None:
    rows = [{"to": number, "text": "x", "class": "otp"} for number in (MOVED, STAYED, ABSENT, ONWARD)]
    answer = box.api.post("/v1/messages/batch", json={"messages": rows}).json()
    assert not answer["rejected"]
    links = [box.until(row["id"], "sent", "delivered")["link"] for row in answer["accepted"]]
    assert links == ["direct", "home", "home", "direct"]
    preview = box.api.post("/v1/preview", json={"to": MOVED, "text": "x"}).json()
    assert preview["route"] == ["direct"] and "ENUM" in str(preview["steps"])


def test_bad_answers_hold_no_message_up_and_are_not_believed(box: Appliance, liar: Liar) -> None:
    for last in range(5):
        began = time.monotonic()
        said = told(box, f"+4420794601{last}{last}"[:13])
        assert (said["operator"], said["code"]) == ("vf", None)
        assert time.monotonic() - began < 1.5
    asked = len(liar.asked)
    answer = box.api.post("/v1/messages", json={"to": "+442079460155", "text": "x", "class": "otp"})
    assert answer.status_code == 202
    assert len(liar.asked) == asked, "after five failures in a row the tree is left alone"
    assert box.ask("courier", "state", {})["enum"]["trees"][1]["paused"]


def test_no_number_is_in_a_log(box: Appliance) -> None:
    logs = "".join(path.read_text(errors="replace") for path in (box.home / "log").glob("*.log"))
    assert not any(number[1:] in logs or number[4:] in logs for number in (MOVED, STAYED, BROKEN, LOOP))
