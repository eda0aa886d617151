"""One-time codes through the whole box: read from the handset, tried right and wrong, bound to a payment, sent again, and a gateway killed."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.appliance import Appliance, wait_for

pytestmark = pytest.mark.stories

PAYMENT = {"payee": "Rossi S.r.l.", "amount": "940.00", "currency": "EUR"}


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance('[verify]\nwebotp_host = "bank.example"\n') as box:
        yield box


def begun(box: Appliance, number: str, key: str = "", **more: Any) -> str:
    headers = {"Idempotency-Key": key} if key else {}
    made = box.api.post("/v1/verifications", json={"to": number, "purpose": "login", **more}, headers=headers)
    assert (made.status_code, made.json()["status"]) == (201, "pending"), made.text
    return str(made.json()["id"])


def handset(box: Appliance, number: str, count: int = 1) -> str:
    """The newest of `count` texts that a telephone shows."""

    def look() -> str | None:
        texts = [m["text"] for m in box.operator.get("/received", params={"to": number}).json()]
        return texts[-1] if len(texts) >= count else None

    return str(wait_for(f"text {count}", look))


def code_in(text: str) -> str:
    found = re.search(r"\b\d{4,10}\b", text)
    assert found is not None
    return found[0]


def checked(box: Appliance, verification: str, code: str, **payment: str) -> str:
    answer = box.api.post(f"/v1/verifications/{verification}/check", json={"code": code, **payment})
    assert answer.status_code == 200 and list(answer.json()) == ["status"]
    return str(answer.json()["status"])


def test_the_code_on_the_handset_is_approved_once(box: Appliance) -> None:
    number = "+393331000301"
    verification = begun(box, number, locale="it")
    text = handset(box, number)
    code = code_in(text)
    assert text.splitlines()[-1] == f"@bank.example #{code}" and "nemmeno a noi" in text
    assert checked(box, verification, code[::-1] if code != code[::-1] else "0") == "denied"
    assert [checked(box, verification, code) for _ in range(3)] == ["approved", "denied", "denied"]
    assert box.api.get(f"/v1/verifications/{verification}").json()["status"] == "approved"


def test_a_payments_code_is_worth_nothing_for_another_payment(box: Appliance) -> None:
    number = "+393331000302"
    verification = begun(box, number, purpose="payment", locale="de", **PAYMENT)
    text = handset(box, number)
    code = code_in(text)
    assert "940,00 €" in text and "Rossi S.r.l." in text
    for other in ({"amount": "940.01"}, {"payee": "Bianchi S.r.l."}, {"currency": "USD"}):
        assert checked(box, verification, code, **(PAYMENT | other)) == "denied"
    assert checked(box, verification, code) == "denied"
    assert checked(box, verification, code, **(PAYMENT | {"amount": "940"})) == "approved"
    again = begun(box, number, purpose="payment", **PAYMENT)
    handset(box, number, 2)
    assert checked(box, again, code, **PAYMENT) == "denied", "a code of before is worth nothing"


def test_five_wrong_codes_are_the_end(box: Appliance) -> None:
    number = "+393331000303"
    verification = begun(box, number, length=4)
    code = code_in(handset(box, number))
    assert [checked(box, verification, "abcd") for _ in range(5)] == ["denied"] * 5
    assert checked(box, verification, code) == "denied"
    assert box.api.get(f"/v1/verifications/{verification}").json()["status"] == "failed"


def test_a_killed_gateway_loses_nothing_and_approves_nothing_twice(box: Appliance) -> None:
    number = "+393331000304"
    verification = begun(box, number, key="story-1")
    first = code_in(handset(box, number))
    box.kill("gateway")
    box.until_ready()

    def again() -> httpx.Response | None:
        try:
            body, headers = {"to": number, "purpose": "login"}, {"Idempotency-Key": "story-1"}
            return box.api.post("/v1/verifications", json=body, headers=headers)
        except httpx.TransportError:
            return None

    repeated = wait_for("the same answer", again)
    assert (repeated.status_code, repeated.json()["id"]) == (201, verification)
    assert repeated.headers["idempotency-replayed"] == "true"
    view = box.api.post(f"/v1/verifications/{verification}/resend").json()
    assert (view["sends"], view["status"]) == (2, "pending")
    second = code_in(handset(box, number, 2))
    assert [checked(box, verification, code) for code in (first, second, second)] == [
        "denied",
        "approved",
        "denied",
    ] or (first == second)
    box.kill("gateway")
    box.until_ready()
    assert checked(box, verification, second) == "denied"
    entries = [e for e in entries_of(box) if e["on"] == f"verification:{verification}"]
    outcomes = [(e["what"].partition(".")[2], e["outcome"]) for e in entries]
    assert outcomes == [
        ("created", "ok"),
        ("resent", "ok"),
        ("checked", "refused"),
        ("checked", "ok"),
        ("checked", "refused"),
        ("checked", "refused"),
    ]
    assert number[1:] not in str(entries) and second not in str([e["detail"] for e in entries])


def test_codes_that_were_begun_as_the_gateway_died_arrive_once(box: Appliance) -> None:
    """Whoever had an answer has a code on its way, and whoever had none repeats: it is one code either way, and the log has each once."""
    numbers = [f"+3933310004{n:02}" for n in range(40)]
    answered = threading.Semaphore(0)

    def begin(number: str) -> httpx.Response | None:
        body, headers = {"to": number, "purpose": "login"}, {"Idempotency-Key": f"of-{number}"}
        try:
            answer = box.api.post("/v1/verifications", json=body, headers=headers)
        except httpx.TransportError:
            return None
        answered.release()
        return answer if answer.status_code == 201 else None  # it was stopping, or is starting

    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(begin, number) for number in numbers]
        for _ in range(10):
            assert answered.acquire(timeout=60)
        box.kill("gateway")
        told = [made.result() for made in first]
    box.until_ready()
    for number, answer in zip(numbers, told, strict=True):
        again = wait_for("an answer", lambda number=number: begin(number), 60)
        assert answer is None or again.json()["id"] == answer.json()["id"]
        code = code_in(handset(box, number))
        assert [checked(box, again.json()["id"], code) for _ in range(2)] == ["approved", "denied"]
    assert [len(box.operator.get("/received", params={"to": number}).json()) for number in numbers] == [1] * len(
        numbers
    )
    entries = box.ask("auditor", "entries", {"what": "verification.created", "limit": 1_000})["entries"]
    made = [each["entry"]["on"] for each in entries]
    assert len(made) == len(set(made)), "each once"


def entries_of(box: Appliance) -> list[dict[str, Any]]:
    """The newest entries of the audit log, oldest of these first."""
    told: dict[str, Any] = box.ask("auditor", "entries", {"limit": 200})
    return [found["entry"] for found in reversed(told["entries"])]


def test_a_cancelled_one_is_over(box: Appliance) -> None:
    number = "+393331000305"
    verification = begun(box, number)
    code = code_in(handset(box, number))
    assert box.api.post(f"/v1/verifications/{verification}/cancel").json()["status"] == "cancelled"
    assert checked(box, verification, code) == "denied"
