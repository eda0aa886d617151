"""Hostile bodies by the thousand: each gets a clear problem, echoes nothing, changes nothing; the next good one goes through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.api.problems import STATUS
from appliance.limits import BODY_OCTETS_MAX, SINGLE_BODY_OCTETS_MAX
from tests.support.api_alone import Alone, Reply

GOOD = {"to": "+393331234567", "text": "Your code is 123456"}
MANY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
ADDRESSES = st.sampled_from(["/v1/messages", "/v1/messages/batch", "/v1/preview"])
MARK = "Zq7Xv9"  # in every hostile value; no answer may hold it


@pytest.fixture(scope="module")
def one() -> Iterator[Alone]:
    made = Alone()
    yield made
    assert made.post("/v1/messages", GOOD).status == 202
    made.close()


def refused(reply: Reply, *statuses: int) -> dict[str, Any]:
    assert reply.status in statuses, (reply.status, reply.body)
    said: dict[str, Any] = reply.json
    assert reply.headers["content-type"] == "application/problem+json"
    assert STATUS[said["code"]] == said["status"] == reply.status
    assert said["detail"]
    assert said["title"]
    assert MARK.encode() not in reply.body
    return said


def cut(text: str) -> st.SearchStrategy[bytes]:
    whole = text.encode()
    return st.integers(0, len(whole) - 1).map(lambda n: whole[:n])


MALFORMED = st.one_of(
    st.binary(max_size=200).filter(lambda b: not _json(b)),
    cut(json.dumps(GOOD | {"text": MARK, "metadata": {"a": "b"}})),
    st.text(max_size=40).map(lambda t: json.dumps(GOOD)[:-1].encode() + t.encode("utf-8", "surrogatepass")).filter(lambda b: not _json(b)),
    st.sampled_from([b"NaN", b"Infinity", b"-Infinity", b"'x'", b"01", b"1.", b"tru", b"\xff", b'"\xed\xa0\x80"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\x"', b'"\t"', b"undefined"])
    .map(lambda v: b'{"to":"+393331234567","text":' + v + b"}"),
    st.integers(1, 100_000).map(lambda n: b'{"metadata":' + b"[" * n),
    st.integers(1, 100_000).map(lambda n: b'{"to":' + b'{"a":' * n),
)  # fmt: skip


def _json(octets: bytes) -> bool:
    try:
        json.loads(octets)
    except (ValueError, RecursionError):
        return False
    return True


@MANY
@given(MALFORMED, ADDRESSES)
def test_malformed(one: Alone, body: bytes, address: str) -> None:
    before = len(one.engine.batches)
    # A document may already be refused for its shape when the reader has not come to what is malformed yet.
    refused(one.post(address, body), 400, 413, 422)
    assert len(one.engine.batches) == before


@MANY
@given(st.integers(2, 6).map(lambda d: 10**d), st.sampled_from("[{"), st.booleans())
def test_nesting(one: Alone, depth: int, bracket: str, closed: bool) -> None:
    depth = min(depth, 100_000)
    opening, closing = ("[", "]") if bracket == "[" else ('{"a":', "}")
    body = opening * depth + ("1" + closing * depth if closed else "")
    reply = one.post("/v1/messages/batch", f'{{"messages":[{body}]}}'.encode())
    if reply.status == 202:
        assert [r["code"] for r in reply.json["rejected"]] == ["invalid"]
    else:
        refused(reply, 400, 413, 422)
    refused(one.post("/v1/preview", body.encode()), 400, 413, 422)


NAMES = st.text(min_size=1, max_size=30).map(lambda t: t + MARK)


@MANY
@given(
    NAMES | st.sampled_from([MARK, "TO", "To", "to ", "text\0", "templates", "param", "language", "__class__"]),
    st.none() | st.text() | st.integers(),
    ADDRESSES,
)
def test_unknown_fields(one: Alone, name: str, value: Any, address: str) -> None:
    row = {"text": "x"} if address == "/v1/preview" else dict(GOOD)
    body = {"messages": [row], name: value} if address == "/v1/messages/batch" else row | {name: value}
    reply = one.post(address, body)
    if MARK in name and name.isascii() and name.isidentifier():
        # A plain identifier is named: it is the caller's spelling mistake.
        assert reply.status == 422
        return
    said = refused(reply, 422)
    assert said["code"] == "invalid"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8).map(lambda t: t + MARK),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
TYPED = ["to", "text", "from", "class", "channel", "reference", "validity_s", "send_at", "callback_url", "metadata"]


@MANY
@given(st.sampled_from(TYPED), VALUES)
def test_wrong_types(one: Alone, field: str, value: Any) -> None:
    if (isinstance(value, str) and field in ("text", "from", "reference")) or value is None:
        value = [value]
    if field == "metadata" and isinstance(value, dict):
        value = {"a": 1} if all(isinstance(v, str) for v in value.values()) else value
    if field == "validity_s" and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    before = len(one.engine.rows)
    said = refused(one.post("/v1/messages", GOOD | {field: value}), 403, 422)
    assert said["field"] == field
    batch = one.post("/v1/messages/batch", {"messages": [GOOD | {field: value}]})
    assert (batch.status, len(batch.json["rejected"]), batch.json["accepted"]) == (202, 1, [])
    assert MARK.encode() not in batch.body
    assert len(one.engine.rows) == before


@MANY
@given(st.integers(1, 40), st.integers(0, 1 << 20), st.booleans(), st.binary(min_size=1, max_size=4))
def test_large_bodies(one: Alone, pieces: int, over: int, told: bool, filling: bytes) -> None:
    most = SINGLE_BODY_OCTETS_MAX
    headers = {"content-length": str(most + 1 + over)} if told else {}
    body = [filling * (most // len(filling) // pieces + 1)] * pieces + [b"x" * 5]
    said = refused(one.post("/v1/messages", body, headers), 413)
    assert said["code"] == "too_large"


def test_ten_megabytes_of_everything(one: Alone) -> None:
    ten = 10 * 1024 * 1024
    for body in (
        b" " * ten,
        b"[" * ten,
        b'{"messages":[' + b"1," * (ten // 2) + b"1]}",
        b'{"messages":"' + b"x" * ten + b'"}',
        b"\xff" * ten,
    ):
        refused(one.post("/v1/messages/batch", body), 400, 413, 422)
        refused(one.post("/v1/messages", body), 413)
    refused(one.post("/v1/messages/batch", b" " * (BODY_OCTETS_MAX + 1)), 413)


NUMBERS = st.one_of(
    st.text(max_size=20).map(lambda t: f"{t}{MARK}"),
    st.text("0123456789", max_size=20).map(lambda t: t.lstrip("0")),
    st.text("0123456789 +-()", max_size=5).map(lambda t: f"+39{t[:3]}"),
    st.text("٠١٢٣٤٥٦٧٨٩０１２", min_size=6, max_size=12).map(lambda t: f"+39{t}"),
    st.integers(10**16, 10**60).map(lambda n: f"+{n}"),
    st.sampled_from(["", "+", "++393331234567", "+39333123456\n", "+39\x003331234567", "+0393331234567", "+39333+1234567", "tel:+393331234567", "+999123456789"]),
)  # fmt: skip


@MANY
@given(NUMBERS)
def test_invalid_numbers(one: Alone, number: str) -> None:
    body = json.dumps(GOOD | {"to": number}).encode()
    reply = one.post("/v1/messages", body)
    said = refused(reply, 422)
    assert (said["code"], said["field"]) == ("number_invalid", "to")
    digits = "".join(c for c in number if c.isdigit())
    assert len(digits) < 5 or digits not in reply.body.decode()


SURROGATES = st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3).filter(lambda t: not _paired(t))


def _paired(text: str) -> bool:
    try:
        text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return False
    return True


@MANY
@given(st.text(max_size=10), SURROGATES, st.text("ab", max_size=10), st.booleans())
def test_unmappable_text(one: Alone, before: str, broken: str, after: str, escaped: bool) -> None:
    """No encoding carries half a surrogate pair; JSON can spell one as an escape, UTF-8 as octets that are not UTF-8."""
    text = before + broken + after
    body = json.dumps({"to": GOOD["to"], "text": text}, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    said = refused(one.post("/v1/messages", body), 400, 422)
    assert said["code"] in ("malformed", "text_unmappable")


@MANY
@given(st.text(min_size=1, max_size=50))
def test_any_well_formed_text_goes_and_comes_back(one: Alone, text: str) -> None:
    reply = one.post("/v1/messages", GOOD | {"text": text})
    assert reply.status == 202
    assert one.get(f"/v1/messages/{reply.json['id']}").json["text"] == text


@MANY
@given(st.sampled_from(sorted(GOOD)), st.text(max_size=5), st.booleans())
def test_a_member_written_twice(one: Alone, name: str, value: str, batch: bool) -> None:
    row = json.dumps(GOOD)[:-1] + f', "{name}" : {json.dumps(value)}}}'
    body = f'{{"messages":[{row}]}}' if batch else row
    said = refused(one.post("/v1/messages/batch" if batch else "/v1/messages", body.encode()), 400)
    assert said["code"] == "malformed"


@MANY
@given(st.text(max_size=60), st.binary(max_size=30))
def test_any_query_and_address(one: Alone, query: str, octets: bytes) -> None:
    from urllib.parse import quote

    assert one.get(f"/v1/messages?{quote(query, safe='=&%+')}").status in (200, 422)
    assert one.get(f"/v1/messages/{quote(octets)}").status in (404, 200)
