"""The webhook's body and signature, checked with the verifier that Standard Webhooks publishes."""

from __future__ import annotations

import json

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from appliance.clock import now_ms
from appliance.courier.letter import body, headers, secret_text, webhook_id
from appliance.message import DELIVERED, FAILED, id_text, new_ids

KEY = bytes(range(32))
ID = new_ids(1, 1_800_000_000_000)[0]


def test_the_published_verifier_agrees() -> None:
    octets = body(ID, DELIVERED, 1_800_000_000_123, "", "pagamento № 7", {"filiale": "Milano"})
    signed = headers(KEY, webhook_id(ID, DELIVERED), now_ms(), octets)
    told = Webhook(secret_text(KEY)).verify(octets, signed)
    assert told["type"] == "message.status"
    assert told["data"]["status"] == "delivered"
    assert told["data"]["metadata"] == {"filiale": "Milano"}


def test_one_changed_octet_is_refused() -> None:
    octets = body(ID, DELIVERED, 0, "", None, None)
    signed = headers(KEY, webhook_id(ID, DELIVERED), now_ms(), octets)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(KEY)).verify(octets.replace(b"delivered", b"undeliver"), signed)


def test_the_body_says_what_happened_and_nothing_more() -> None:
    told = json.loads(body(ID, FAILED, 1_800_000_000_123, "no_route", "r1", None))
    assert told == {
        "type": "message.status",
        "timestamp": "2027-01-15T08:00:00.123Z",
        "data": {
            "id": id_text(ID),
            "status": "failed",
            "reference": "r1",
            "error": "no_route",
            "at": "2027-01-15T08:00:00.123Z",
        },
    }


def test_the_name_is_stable_per_message_and_status_and_has_no_dot() -> None:
    assert webhook_id(ID, DELIVERED) == webhook_id(ID, DELIVERED) != webhook_id(ID, FAILED)
    assert "." not in webhook_id(ID, DELIVERED)
