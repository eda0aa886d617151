"""A number looked up over REST: plan, operator, ported; recorded without the number, counted as a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.router import Bookshelf, Layout
from tests.support.api_alone import Alone

NUMBER = "+393331234567"


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    csv = tmp_path / "ported.csv"
    csv.write_text("393331234567,22210\n")
    shelf = Bookshelf(tmp_path)
    with shelf.changing():
        shelf.put("IT", shelf.bind(csv, "IT", Layout(), "cli:me", 7, lambda done, of: None)[0])
    operators = [{"name": "tim", "prefixes": ["39333"]}, {"name": "vf", "codes": ["22210"]}]
    return Alone(tmp_path, operator=operators)


def test_a_ported_number_and_one_that_is_not(alone: Alone) -> None:
    said = alone.get("/v1/lookup/" + NUMBER)
    assert said.json == {
        "number": NUMBER, "country": "IT", "calling_code": 39, "valid": True, "type": "mobile", "operator": "vf", "ported": True,
        "code": "22210", "rule": "ported to 22210 (book IT, version 1)",
    }  # fmt: skip
    other = alone.get("/v1/lookup/+393331234568").json
    assert (other["operator"], other["ported"]) == ("tim", False)
    assert alone.get("/v1/lookup/+14165550100").json["country"] == "CA"
    assert [entry[1] for entry in alone.auditor.entries] == ["number.looked_up"] * 3
    assert "39333" not in str(alone.auditor.entries)
    alone.close()


def test_without_operators_nothing_is_claimed() -> None:
    alone = Alone()
    said = alone.get("/v1/lookup/" + NUMBER).json
    assert (said["operator"], said["ported"], said["code"], said["rule"]) == (
        None,
        None,
        None,
        "no operators are known",
    )
    alone.close()


def test_what_is_no_number_is_said_and_not_recorded(alone: Alone) -> None:
    for wrong in ("393331234567", "+39", "+999123456789", "abc"):
        reply = alone.get("/v1/lookup/" + wrong)
        assert (reply.status, reply.json["code"]) == (422, "number_invalid") and wrong not in reply.json["detail"]
    assert alone.auditor.entries == []
    alone.close()


def test_it_counts_for_the_rate_and_needs_the_audit_log(alone: Alone) -> None:
    statuses = [alone.get("/v1/lookup/" + NUMBER, token="cm_3_slow").status for _ in range(4)]
    assert statuses[0] == 200 and statuses[-1] == 429
    alone.auditor.down = True
    assert alone.get("/v1/lookup/" + NUMBER).status == 503
    alone.close()
