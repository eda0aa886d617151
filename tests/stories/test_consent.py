"""A customer says STOP, HELP and START: what is refused, what still passes, what is answered, also after the engine was killed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.clock import now_ms, rfc3339
from tests.support.appliance import Appliance, wait_for

pytestmark = pytest.mark.stories

STOP_WORDS = "You will receive no more messages of this kind"
START_WORDS = "You will receive our messages again"


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance() as box:
        yield box


def wrote(box: Appliance, number: str, text: str, to: str = "43210") -> None:
    box.operator.post("/inbound", json={"from": number, "to": to, "text": text}).raise_for_status()


def answers(box: Appliance, number: str, words: str) -> int:
    received = box.operator.get("/received", params={"to": number}).json()
    return sum(words in message["text"] for message in received)


def told(box: Appliance, number: str, class_: str) -> Any:
    message = {"to": number, "text": "Hello", "class": class_, "from": "BANK"}
    return box.api.post("/v1/messages", json=message)


def refused(box: Appliance, number: str) -> bool:
    answer = told(box, number, "bulk")
    return answer.status_code == 403 and (answer.json()["code"], answer.json()["rule"]) == ("suppressed", "marketing")


def test_stop_ends_bulk_before_its_one_confirmation_and_start_begins_it_again(box: Appliance) -> None:
    number = "+393331000091"
    assert told(box, number, "bulk").status_code == 202
    wrote(box, number, " Stop! ")
    wait_for("the confirmation", lambda: answers(box, number, STOP_WORDS))
    wait_for("the refusal", lambda: refused(box, number), 2)
    assert [told(box, number, name).status_code for name in ("otp", "alert", "transaction")] == [202] * 3
    preview = box.api.post("/v1/preview", json={"to": number, "text": "Hello", "class": "bulk"})
    assert preview.status_code == 403 and preview.json()["rule"] == "marketing"
    batch = box.api.post(
        "/v1/messages/batch",
        json={"messages": [{"to": n, "text": "x", "class": "bulk"} for n in (number, "+393331000092")]},
    ).json()
    assert [r["code"] for r in batch["rejected"]] == ["suppressed"] and len(batch["accepted"]) == 1

    wrote(box, number, "STOP")
    wrote(box, number, "please stop calling me at work")
    box.kill("engine")
    box.until_ready()
    assert refused(box, number)
    wrote(box, number, "HELP")
    wait_for("help", lambda: answers(box, number, "Reply STOP to receive no more"))
    assert answers(box, number, STOP_WORDS) == 1

    wrote(box, number, "START")
    wait_for("the welcome", lambda: answers(box, number, START_WORDS))
    wait_for("bulk again", lambda: told(box, number, "bulk").status_code == 202, 2)
    assert (answers(box, number, STOP_WORDS), answers(box, number, START_WORDS)) == (1, 1)


def test_what_was_scheduled_is_cancelled(box: Appliance) -> None:
    number = "+393331000093"
    message = {
        "to": number,
        "text": "Offer",
        "class": "bulk",
        "from": "BANK",
        "send_at": rfc3339(now_ms() + 86_400_000),
    }
    later = box.api.post("/v1/messages", json=message).json()
    wrote(box, number, "ＳＴＯＰ")
    view = box.until(later["id"], "cancelled")
    assert view["error"] == "suppressed: marketing"
    wait_for("the confirmation", lambda: answers(box, number, STOP_WORDS))
