"""A customer says STOP, HELP and START: what is refused, what still passes, what is answered, also after the engine was killed."""

from __future__ import annotations

import json
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


def inbound(box: Appliance, cursor: str | None = None) -> list[dict[str, Any]]:
    """All pages, oldest first."""
    out: list[dict[str, Any]] = []
    while True:
        page = box.api.get("/v1/inbound", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        out += page["messages"]
        cursor = page["next"]
        if cursor is None:
            return out


def test_what_customers_write_is_read_whole_and_in_order(box: Appliance) -> None:
    number, long = "+393331000094", "Vorrei sapere il saldo del mio conto € {grazie} 😀. " * 8
    wrote(box, number, long)
    wait_for("the long message", lambda: any(m["from"] == number for m in inbound(box)))
    wrote(box, number, "Seconda")
    found = wait_for("both", lambda: [m for m in inbound(box) if m["from"] == number][1:] and inbound(box))
    mine = [m for m in found if m["from"] == number]
    assert [(m["text"], m["to"], m["complete"], m["missing"]) for m in mine] == [
        (long, "43210", True, []),
        ("Seconda", "43210", True, []),
    ]
    assert mine[0]["parts"] > 3 and len({m["id"] for m in found}) == len(found)


def test_a_system_of_the_banks_suppresses_a_number_and_ends_it(box: Appliance) -> None:
    number = "+393331000095"
    asked = {"number": "+39 333 100 0095", "programme": "marketing"}
    made = box.api.post("/v1/suppressions", json=asked)
    assert made.status_code == 201 and made.json()["number"] == number
    assert box.api.post("/v1/suppressions", json=asked).json()["id"] == made.json()["id"]
    assert refused(box, number) and told(box, number, "transaction").status_code == 202
    assert number in [s["number"] for s in box.api.get("/v1/suppressions").json()["suppressions"]]
    ended = box.api.delete(f"/v1/suppressions/{made.json()['id']}")
    assert ended.status_code == 200
    assert told(box, number, "bulk").status_code == 202
    assert box.api.delete(f"/v1/suppressions/{made.json()['id']}").status_code == 404


def test_lists_come_in_and_go_out_by_command(box: Appliance) -> None:
    listed = box.base / "list.csv"
    listed.write_text("number,programme\n+393331000096,marketing\n+393331000097,\nnobody,\n", encoding="utf-8")
    brought = box.casemate("consent", "import", str(listed))
    assert brought.returncode == 2 and "2 suppressed, 0 were before, 1 lines refused" in brought.stdout
    wait_for("the refusal", lambda: refused(box, "+393331000096"), 5)
    assert told(box, "+393331000097", "transaction").json()["rule"] == "all"
    assert told(box, "+393331000097", "alert").status_code == 202
    out = box.base / "out.csv"
    assert box.casemate("consent", "export", str(out)).returncode == 0
    rows = out.read_text(encoding="utf-8").splitlines()
    assert any(r.startswith("+393331000097,all,") and ",import," in r for r in rows)


def test_a_sentence_with_stop_in_it_waits_for_a_person(box: Appliance) -> None:
    number = "+393331000098"
    wrote(box, number, "could you please stop sending me these")
    (message,) = wait_for("the message", lambda: [m for m in inbound(box) if m["from"] == number])

    def listed() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(box.casemate("consent", "reviews", "--json").stdout)
        return [row for row in rows if row["message"] == message["id"]]

    (entry,) = wait_for("the entry", listed)
    assert entry["word"] == "stop" and told(box, number, "bulk").status_code == 202
    assert box.casemate("consent", "decide", str(entry["n"]), "stop").returncode == 0
    wait_for("the refusal", lambda: refused(box, number), 5)
    assert listed() == [] and answers(box, number, STOP_WORDS) == 0
