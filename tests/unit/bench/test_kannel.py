"""What is asked of Kannel, and what its answers mean: no socket."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from appliance.bench.callbacks import Receipts
from appliance.bench.kannel import DELIVERED, Kannel, told_kannel


@pytest.mark.parametrize(("text", "coding"), [("caffè & tè", "0"), ("ciao", "0"), ("你好", "2")])
def test_a_request_says_where_its_receipt_goes(text: str, coding: str) -> None:
    kannel = object.__new__(Kannel)
    kannel.address = "127.0.0.1:9"
    kannel._receipts = Receipts(DELIVERED)
    kannel._receipts.port = 8
    head = kannel.request(5, "+39347", text).decode().split(" ")[1]
    query = parse_qs(urlsplit(head).query)
    assert query["to"] == ["+39347"] and query["text"] == [text]
    assert query["coding"] == [coding], "a text of one segment stays one"
    assert query["dlr-url"] == ["http://127.0.0.1:8/r?i=5&s=%d"]


def test_what_answers_mean() -> None:
    assert told_kannel(202, b"0: Accepted") == (1, 1, 0) and told_kannel(503, b"") is None
