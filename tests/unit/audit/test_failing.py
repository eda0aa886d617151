"""The alarm of an audit store that takes nothing: told once, loudly, with since when; damage is told apart."""

from __future__ import annotations

import logging

import pytest

from appliance.audit.failing import Failing, told
from appliance.errors import Error

FULL = Error("store_full", "the audit store cannot be written: disk I/O error")
DAMAGED = Error("store_damaged", "the audit store is damaged")


def test_a_failure_is_told_once_and_keeps_its_beginning(caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing()
    with caplog.at_level(logging.CRITICAL):
        for at_ms in (1_000, 2_000, 3_000):
            failing.failed(FULL, at_ms)
        assert failing.now is not None and failing.now.since_ms == 1_000 and not failing.now.damaged
        failing.failed(DAMAGED, 4_000)
        failing.failed(FULL, 5_000)
        assert failing.now.since_ms == 1_000 and failing.now.damaged
        failing.mended(11_000)
        failing.mended(12_000)
    said = [r.getMessage() for r in caplog.records]
    assert [s.split(",")[0] for s in said] == [
        "audit: NOTHING IS RECORDED",
        "audit: NOTHING IS RECORDED",
        "audit: entries are recorded again after 10 s",
    ]
    assert failing.now is None
    assert told(FULL).startswith("store_full: ") and told(None) == ""
