"""Quiet hours and explanations through the API: held, told beforehand, refused when too late; by which rule, on the timeline too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.api import sending
from tests.support.api_alone import Alone

NIGHT_MS = int(datetime(2026, 11, 27, 22, 30, tzinfo=UTC).timestamp() * 1000)  # 23:30 in Rome
BULK: dict[str, Any] = {"to": "+393331234567", "text": "Offer", "class": "bulk", "from": "BANK"}


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Alone]:
    monkeypatch.setattr(sending, "now_ms", lambda: NIGHT_MS)
    made = Alone(tmp_path, quiet_hours=[{"name": "night"}])
    yield made
    made.close()


def ruling(answer: Any, desk: str) -> dict[str, Any]:
    (found,) = [r for r in answer["explanation"] if r["desk"] == desk]
    return dict(found)


def test_it_waits_for_the_morning_where_its_recipient_lives(alone: Alone) -> None:
    sent = alone.post("/v1/messages", BULK)
    assert (sent.status, sent.json["status"]) == (202, "scheduled")
    assert (sent.json["held_until"], sent.json["rule"]) == ("2026-11-28T07:00:00.000Z", "night")
    view = alone.get(f"/v1/messages/{sent.json['id']}").json
    assert view["send_at"] == "2026-11-28T07:00:00.000Z"
    assert view["expires_at"] == "2026-11-29T22:30:00.000Z", "its validity counts from when it was given"
    held = ruling(view, "quiet_hours")
    assert (held["rule"], held["outcome"], held["version"]) == ("night", "held", alone.gateway.evidence.policy.digest)
    assert ruling(view, "consent")["rule"] == "programmes all, marketing"


@pytest.mark.parametrize("name", ["otp", "alert", "transaction"])
def test_other_classes_leave_at_once(alone: Alone, name: str) -> None:
    sent = alone.post("/v1/messages", BULK | {"class": name})
    assert sent.json["status"] == "accepted" and "held_until" not in sent.json
    exempt = ruling(alone.get(f"/v1/messages/{sent.json['id']}").json, "quiet_hours")
    assert exempt["outcome"] == ("passed" if name == "transaction" else "exempt")


def test_too_late_is_refused_with_the_rule_in_message_batch_and_preview(alone: Alone) -> None:
    short = BULK | {"validity_s": 3600}
    refused = alone.post("/v1/messages", short)
    assert (refused.status, refused.json["code"], refused.json["rule"]) == (422, "quiet_hours", "night")
    assert alone.post("/v1/preview", short).json["code"] == "quiet_hours"
    batch = alone.post("/v1/messages/batch", {"messages": [short, BULK, BULK | {"to": "+819012345678"}]}).json
    assert [(r["index"], r["code"]) for r in batch["rejected"]] == [(0, "quiet_hours")]
    assert [m.get("held_until") for m in batch["accepted"]] == ["2026-11-28T07:00:00.000Z", "2026-11-27T23:00:00.000Z"]
    assert dict(alone.gateway.evidence._counts) == {("quiet_hours", "night"): 2}


def test_a_time_asked_for_moves_only_when_it_is_quiet_then(alone: Alone) -> None:
    noon = alone.post("/v1/messages", BULK | {"send_at": "2026-11-28T11:00:00Z"}).json
    night = alone.post("/v1/messages", BULK | {"send_at": "2026-11-28T23:00:00Z"}).json
    assert "held_until" not in noon and night["held_until"] == "2026-11-29T07:00:00.000Z"


def test_the_preview_says_what_each_desk_would_say(alone: Alone) -> None:
    told = alone.post("/v1/preview", BULK).json
    assert told["held_until"] == "2026-11-28T07:00:00.000Z"
    assert [r["desk"] for r in told["explanation"]] == [
        "number",
        "content",
        "consent",
        "quiet_hours",
        "sender",
        "route",
    ]
    assert ruling(told, "route")["why"] == "over link one, then two"
    only_text = alone.post("/v1/preview", {"text": "Hello"}).json
    assert [r["desk"] for r in only_text["explanation"]] == ["content"] and only_text["held_until"] is None


def test_what_the_guard_masked_is_told(tmp_path: Path) -> None:
    alone = Alone(tmp_path, content={"cards": "mask"})
    try:
        sent = alone.post("/v1/messages", BULK | {"text": "Card 4111 1111 1111 1111"}).json
        masked = ruling(alone.get(f"/v1/messages/{sent['id']}").json, "content")
        assert (masked["rule"], masked["outcome"]) == ("card_masked", "changed")
        assert alone.post(f"/v1/messages/{sent['id']}/redact").status == 200
        after = alone.get(f"/v1/messages/{sent['id']}").json
        assert "content" not in [r["desk"] for r in after["explanation"]], "what is not known any more is not told"
    finally:
        alone.close()
