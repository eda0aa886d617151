"""Messages by the bank's reference: sealed, so each is opened; recorded first, bounded, and the reference on no page's address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from appliance.clock import day_of
from appliance.console import peers as peers_module
from appliance.console.peers import Peers
from appliance.errors import Error
from appliance.keys import DataKey
from appliance.message import Content, id_text, new_ids
from appliance.settings import parse
from appliance.store import Partition, Work, link_numbers

from .conftest import NOW, Played, csrf_for, sign_in

KEYS = {1: DataKey(1, b"a" * 32), 2: DataKey(2, b"b" * 32)}


class Ring:
    """Key 2 was destroyed."""

    def __init__(self, *_: Any) -> None:
        self.closed = False

    def by_id(self, key_id: int) -> DataKey:
        if key_id == 2:
            raise Error("key_destroyed", "key 2 was destroyed")
        return KEYS[key_id]

    def close(self) -> None:
        self.closed = True


def test_it_is_recorded_first_and_says_how_far_it_looked(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    peers.cursor = "older"
    form = {"csrf": csrf, "reference": "loan-4711", "from": "2023-11-14T00:00", "to": ""}
    text = client.post("/messages/by-reference", data=form).text
    assert id_text(peers.rows[0].id) in text and "4,500 messages were looked through" in text
    assert peers.acts[-2:] == ["message.searched_by_reference", "search"]
    assert "loan-4711" not in str(peers.log[-1]) and peers.searched[-1]["from_ms"] == 1_699_920_000_000
    peers.cursor = None
    again = client.post("/messages/by-reference", data=form | {"reference": "none", "cursor": "older"}).text
    assert "No messages" in again and "Look on" not in again and peers.log[-1][-1] == {"page": 2}
    for wrong in ({"reference": ""}, {"reference": "x" * 129}, {"from": "yesterday"}):
        assert client.post("/messages/by-reference", data=form | wrong).status_code == 422
    peers.down.add("auditor")
    searched = len(peers.searched)
    assert client.post("/messages/by-reference", data=form).status_code == 503 and len(peers.searched) == searched


def test_who_may_not_search_by_number_may_not_by_reference(client: FlaskClient) -> None:
    sign_in(client, "vera")
    assert "by-reference" not in client.get("/messages").text
    form = {"csrf": csrf_for(client), "reference": "loan-4711"}
    assert client.post("/messages/by-reference", data=form).status_code == 403


def test_what_opens_is_compared_and_what_does_not_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers_module, "BlockingKeyring", Ring)
    monkeypatch.setattr(peers_module, "REFERENCE_ROWS", 4)
    monkeypatch.setattr(peers_module, "REFERENCE_LOOKED_MAX", 8)
    settings = parse({}, tmp_path, "test")
    partition = Partition(settings.store, day_of(NOW))
    link_numbers(partition, ["simulated"])
    ids = new_ids(12, NOW)
    work = Work()
    for seq, id_ in enumerate(ids, 1):
        content = KEYS[1].seal(
            msgspec.msgpack.encode(Content(0, b"x", "wanted" if seq in (2, 10) else None)), b"c" + id_
        )
        sealed = None if seq == 11 else b"torn" if seq == 9 else content
        row = (
            seq,
            id_,
            1,
            0,
            0,
            1,
            "BANK",
            39,
            b"i" * 16,
            b"n",
            sealed,
            2 if seq == 12 else 1,
            NOW + seq,
            0,
            NOW + 99,
            0,
        )
        work.messages.append(row)
        work.progress_new.append((seq, 2, NOW + seq))
    partition.write(work)
    partition.commit()
    partition.close()
    asked = Peers(settings)
    rows, cursor, looked = asked.by_reference("wanted", None, None, None)
    assert [row.id for row in rows] == [ids[9]] and cursor is not None and looked == 8
    rows, cursor, looked = asked.by_reference("wanted", None, None, cursor)
    assert [row.id for row in rows] == [ids[1]] and cursor is None and looked == 4
    hasty = asked.by_reference("wanted", None, None, None, patience_s=-1.0)
    assert hasty[1:] == (asked.search(limit=4)[1], 4), "it goes on by some at least"
    assert asked.by_reference("wanted", NOW + 5, None, None)[0][0].id == ids[9]
