"""What operators may answer, right and wrong: only what CAMARA's documents say is believed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.courier import camara_reading as reading
from appliance.courier.camara_reading import Said

AT = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp() * 1000)


def octets(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (octets({"swapped": True}), Said("changed")),
        (octets({"swapped": False, "more": 1}), Said("unchanged")),
        *[
            (body, Said("unknown", "malformed"))
            for body in (
                b"", b"{", b"null", b"[]", b"\xff\xfe", b"<html>", b"[" * 100_000, octets({}), octets({"swapped": "true"}),
                octets({"swapped": 1}), octets({"swapped": None}), octets([{"swapped": True}]),
            )
        ],
    ],
)  # fmt: skip
def test_whether_the_sim_was_changed(body: bytes, said: Said) -> None:
    assert reading.swapped(200, body) == said


@pytest.mark.parametrize(
    ("status", "code", "why"),
    [
        (400, "INVALID_ARGUMENT", "asked_wrongly"), (400, "OUT_OF_RANGE", "period_too_long"), (400, ["OUT_OF_RANGE"], "asked_wrongly"),
        (401, "UNAUTHENTICATED", "unauthorized"), (403, "PERMISSION_DENIED", "forbidden"), (404, "IDENTIFIER_NOT_FOUND", "not_its_number"),
        (404, "NOT_FOUND", "not_its_number"), (422, "SERVICE_NOT_APPLICABLE", "not_for_this_number"),
        (422, "UNNECESSARY_IDENTIFIER", "not_for_this_number"), (429, "QUOTA_EXCEEDED", "limited"), (500, "INTERNAL", "failed"),
        (302, "", "failed"), (204, "", "failed"), (418, "OUT_OF_RANGE", "failed"),
    ],
)  # fmt: skip
def test_every_error_has_its_reason(status: int, code: Any, why: str) -> None:
    body = octets({"status": status, "code": code, "message": "+393331234567", "swapped": False})
    for said in (
        reading.swapped(status, body),
        reading.tenure(status, body),
        reading.swap_date(status, body, 72, AT),
    ):
        assert said == Said("unknown", why)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"latestSimChange": "2026-11-26T11:00:00Z"}, Said("changed")),
        ({"latestSimChange": "2026-11-23T12:00:00.471829447Z"}, Said("changed")),
        ({"latestSimChange": "2026-11-23T14:00:00+02:00"}, Said("unchanged")),
        ({"latestSimChange": "2023-07-03T14:27:08.312+02:00", "monitoredPeriod": 120}, Said("unchanged")),
        ({"latestSimChange": "2031-01-01T00:00:00Z"}, Said("changed")),
        ({"latestSimChange": None, "monitoredPeriod": 3}, Said("unchanged")),
        ({"latestSimChange": None, "monitoredPeriod": 2}, Said("unknown", "period_too_long")),
        ({"latestSimChange": None}, Said("unknown", "not_kept")),
        *[
            (answer, Said("unknown", "malformed"))
            for answer in (
                {}, {"monitoredPeriod": 120}, {"latestSimChange": 1_700_000_000}, {"latestSimChange": "yesterday"}, {"latestSimChange": "2026-11-26"},
                {"latestSimChange": "2026-11-26T11:00:00"}, {"latestSimChange": "2026-13-26T11:00:00Z"}, {"latestSimChange": "0001-01-01T00:00:00+14:00"},
                {"latestSimChange": "2026-11-26T11:00:00Z" + " " * 100}, {"latestSimChange": None, "monitoredPeriod": True},
                {"latestSimChange": None, "monitoredPeriod": "120"}, {"latestSimChange": None, "monitoredPeriod": -1},
                {"latestSimChange": None, "monitoredPeriod": 1e9},
            )
        ],
    ],
)  # fmt: skip
def test_when_the_sim_was_changed(answer: dict[str, Any], said: Said) -> None:
    found = reading.swap_date(200, octets(answer), 72, AT)
    assert found == said or (
        said.why == "malformed" and found.word in ("unknown", "unchanged") and "0001" in str(answer)
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"tenureDateCheck": True, "contractType": "PAYM"}, Said("long")), ({"tenureDateCheck": False}, Said("short")),
        ({"contractType": "PAYG"}, Said("unknown", "malformed")), ({"tenureDateCheck": "true"}, Said("unknown", "malformed")),
    ],
)  # fmt: skip
def test_how_long_it_was_a_customer(answer: dict[str, Any], said: Said) -> None:
    assert reading.tenure(200, octets(answer)) == said


def test_the_day_since_which_it_must_have_been_one() -> None:
    assert (reading.tenure_date(0, AT), reading.tenure_date(30, AT), reading.tenure_date(365, AT)) == (
        "2026-11-26", "2026-10-27", "2025-11-26",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "life_s"),
    [
        ({"access_token": "abc", "token_type": "Bearer", "expires_in": 300}, 300),
        ({"access_token": "abc", "token_type": "bearer", "expires_in": 10**12}, 3_600),
        ({"access_token": "abc", "token_type": "Bearer"}, 0),
        ({"access_token": "abc", "token_type": "Bearer", "expires_in": "300"}, 0),
        ({"access_token": "abc", "token_type": "Bearer", "expires_in": -5}, 0),
        ({"access_token": "abc", "token_type": "DPoP", "expires_in": 300}, None),
        ({"access_token": "a\r\nx: y", "token_type": "Bearer"}, None),
        ({"access_token": "", "token_type": "Bearer"}, None),
        ({"access_token": "a" * 9_000, "token_type": "Bearer"}, None),
        ({"access_token": 7, "token_type": "Bearer"}, None),
        ({"token_type": "Bearer"}, None),
        ({"error": "invalid_client"}, None),
    ],
)
def test_a_token_is_one_or_none(answer: dict[str, Any], life_s: int | None) -> None:
    found = reading.token(200, octets(answer), 3_600)
    assert (found.life_s if found is not None else None) == life_s
    assert reading.token(400, octets(answer), 3_600) is None
    assert found is None or "abc" not in repr(found)


@given(st.integers(100, 599), st.binary(max_size=200))
def test_nothing_that_comes_breaks_it(status: int, body: bytes) -> None:
    for said in (reading.swapped(status, body), reading.tenure(status, body), reading.swap_date(status, body, 72, AT)):
        assert said.word == "unknown" and said.why
    assert reading.token(status, body, 3_600) is None
