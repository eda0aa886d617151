"""The same message and the same code by a second operator: when the first is silent, at once when it says undelivered, not at all when a receipt came; and through a kill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.stories.test_flows import Bank, code_in, run_of
from tests.support.appliance import Appliance, wait_for
from tests.support.operator_process import Control, simulated_operator

pytestmark = pytest.mark.stories

CONFIG = """
[webhook]
allow_loopback = true

[[link]]
name = "first"
host = "127.0.0.1"
port = {first}

[[link]]
name = "second"
host = "127.0.0.1"
port = {second}

[[route]]
links = ["first"]

[[route]]
senders = ["MYBANK2"]
links = ["second"]
sender_for = {{ MYBANK2 = "MYBANK" }}

[[channel]]
name = "sms-second"
sender = "MYBANK2"
wait_s = 3600
"""
SILENT, WELL = {"receipt_delay_ms": "3600000"}, {"receipt_delay_ms": "50", "fail_rate": 0.0}


@pytest.fixture(scope="module")
def first() -> Iterator[Control]:
    with simulated_operator() as control:
        yield control


@pytest.fixture(scope="module")
def second() -> Iterator[Control]:
    with simulated_operator() as control:
        yield control


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.close()


@pytest.fixture(scope="module")
def box(first: Control, second: Control) -> Iterator[Appliance]:
    with Appliance(CONFIG.format(first=first.port, second=second.port)) as box:
        yield box


def sent(box: Appliance, to: str, after_s: int, **more: Any) -> str:
    """Its run."""
    body = {
        "to": to,
        "text": "Your card was sent.",
        "fallback": [{"channel": "sms-second", "after_s": after_s}],
        **more,
    }
    answer = box.api.post("/v1/messages", json=body)
    assert answer.status_code == 202, answer.text
    return str(box.message(answer.json()["id"])["run"])


def code(box: Appliance, to: str, after_s: int, key: str = "") -> dict[str, Any]:
    """The verification as it stands."""
    body = {"to": to, "purpose": "login", "channels": ["sms", {"channel": "sms-second", "after_s": after_s}]}
    answer = box.api.post("/v1/verifications", json=body, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 201, answer.text
    view: dict[str, Any] = box.api.get(f"/v1/verifications/{answer.json()['id']}").json()
    return view


def seen(operator: Control, number: str) -> list[tuple[str, str]]:
    """(sender, text) as the handset has them."""
    return [(row["from"], row["text"]) for row in operator.received(number, 0)]


def ends(box: Appliance, run: str) -> dict[str, Any]:
    found: dict[str, Any] = wait_for("an end", lambda: (v := run_of(box, run))["status"] == "ended" and v, 120)
    return found


def heard(view: dict[str, Any]) -> list[str]:
    return [step["heard"] for step in view["story"]]


def test_a_silent_operator_is_not_waited_for_longer_than_was_said(
    box: Appliance, first: Control, second: Control, bank: Bank
) -> None:
    first.behave(**SILENT)
    number = "+393331000701"
    run = sent(box, number, 1, callback_url=bank.url, reference="r-1")
    view = ends(box, run)
    assert (view["outcome"], view["workflow"]) == ("delivered", "message-fallback")
    assert seen(second, number) == [("MYBANK", "Your card was sent.")]
    told = heard(view)
    assert told.index("taken") < told.index("late") < told.index("taken: sms-second") < told.index("delivered")
    assert bank.events(run) == ["message.delivered"]


def test_a_receipt_in_time_is_the_end_of_it(box: Appliance, first: Control, second: Control) -> None:
    first.behave(**WELL)
    number = "+393331000702"
    view = ends(box, sent(box, number, 3_600))
    assert (view["outcome"], seen(second, number)) == ("delivered", [])
    assert seen(first, number) != [] and "late" not in heard(view)


def test_what_is_undelivered_goes_the_other_way_at_once(box: Appliance, first: Control, second: Control) -> None:
    first.behave(**(WELL | {"fail_rate": 1.0}))
    number = "+393331000703"
    view = ends(box, sent(box, number, 3_600))
    first.behave(**WELL)
    assert view["outcome"] == "delivered" and [text for _, text in seen(second, number)] == ["Your card was sent."]
    assert "undelivered" in heard(view) and "late" not in heard(view)


def test_a_code_goes_the_other_way_and_the_newest_counts(box: Appliance, first: Control, second: Control) -> None:
    first.behave(**SILENT)
    number = "+393331000704"
    view = code(box, number, 1)
    newest = code_in(wait_for("a code", lambda: seen(second, number), 120)[-1][1])
    check = box.api.post(f"/v1/verifications/{view['id']}/check", json={"code": newest})
    assert check.json() == {"status": "approved"}
    assert (ends(box, view["run"])["outcome"], len(seen(second, number))) == ("approved", 1)
    files = box.api.post(f"/v1/verifications/{view['id']}/evidence", json={}).json()["files"]
    assert (
        '"channel": "sms-second"' in files["authentication.json"]
        and '"because": "late"' in files["authentication.json"]
    )


def test_a_kill_in_between_loses_no_way_and_takes_none_twice(box: Appliance, first: Control, second: Control) -> None:
    """The gateway that runs them and the courier that hears the receipts are killed while both wait; each way is taken once."""
    first.behave(**SILENT)
    numbers = [f"+3933310007{n}" for n in range(10, 20)]
    messages = {number: sent(box, number, 3) for number in numbers[:5]}
    codes = {number: code(box, number, 3, key=f"of-{number}") for number in numbers[5:]}
    for process in ("gateway", "courier"):
        box.kill(process)
    box.until_ready()
    for run in messages.values():
        assert ends(box, run)["outcome"] == "delivered"
    for number, view in codes.items():
        wait_for("a code", lambda number=number: seen(second, number), 120)
        newest = code_in(seen(second, number)[-1][1])
        check = box.api.post(f"/v1/verifications/{view['id']}/check", json={"code": newest})
        assert check.json() == {"status": "approved"}
        assert ends(box, view["run"])["outcome"] == "approved"
    assert [len(seen(second, number)) for number in numbers] == [1] * len(numbers)
    first.behave(**WELL)


def test_what_is_used_or_cancelled_goes_no_other_way_and_unknown_channels_are_named(
    box: Appliance, first: Control, second: Control
) -> None:
    first.behave(**WELL)
    number = "+393331000720"
    view = code(box, number, 3_600)
    entered = code_in(wait_for("a code", lambda: seen(first, number), 60)[-1][1])
    assert box.api.post(f"/v1/verifications/{view['id']}/check", json={"code": entered}).json() == {
        "status": "approved"
    }
    assert ends(box, view["run"])["outcome"] == "approved" and seen(second, number) == []
    other = code(box, "+393331000721", 3_600)
    assert box.api.post(f"/v1/verifications/{other['id']}/cancel").json()["status"] == "cancelled"
    assert ends(box, other["run"])["outcome"] == "failed" and seen(second, "+393331000721") == []
    wrong = box.api.post("/v1/messages", json={"to": number, "text": "x", "channel": "pigeon"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid") and "sms, sms-second" in wrong.text
