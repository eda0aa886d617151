"""What of a confined child's words is believed, and what becomes of a child that dies, says too much or never ends."""

from __future__ import annotations

import json
import os

import pytest

from appliance.updates.inspecting import believed, told
from appliance.updates.machine import apart

RIGHT = {
    "version": "0.2.0",
    "bundle": "ab" * 32,
    "signer": "CN=Release",
    "fingerprint": "cd" * 32,
    "needs": "0.1.0",
    "floor": "0.1.0",
    "approvals": ["CN=olga"],
    "notes": "one\ntwo",
    "octets": 7,
    "confined": "landlock 6",
}


def test_words_in_their_shape_are_believed() -> None:
    found = believed(json.dumps(RIGHT).encode())
    assert found["version"] == "0.2.0" and found["approvals"] == ["CN=olga"] and found["notes"] == "one\ntwo"
    assert "octets" not in found, "nothing else is taken over"
    assert told(found) == "0.2.0 may be installed (landlock 6)"
    refused = believed(b'{"refused": "downgrade", "why": "0.0.9\\u001b[2J", "confined": "bounds"}')
    assert refused == {"refused": "downgrade", "why": "0.0.9[2J", "confined": "bounds"}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"null",
        b"[1]",
        b"{",
        json.dumps({**RIGHT, "bundle": "ab" * 31}).encode(),
        json.dumps({**RIGHT, "version": "0.2.0; rm"}).encode(),
        json.dumps({**RIGHT, "fingerprint": ""}).encode(),
        json.dumps({**RIGHT, "needs": ["x"]}).encode(),
        b'{"refused": "because"}',
    ],
)
def test_everything_else_is_no_verdict(said: bytes) -> None:
    assert believed(said)["refused"] == "inspection"


def test_a_child_apart() -> None:
    assert apart(lambda: b"well", 100, 30.0) == b"well"
    assert apart(lambda: b"x" * 101, 100, 30.0) == b"x" * 100
    assert apart(lambda: os._exit(7), 100, 30.0) == b"", "it died"
    assert apart(lambda: 1 / 0, 100, 30.0) == b"", "it failed"  # type: ignore[arg-type,return-value]
