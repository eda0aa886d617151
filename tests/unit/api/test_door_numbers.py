"""The metrics of the SMPP door, read from the state that a door's own parts tell."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.access import DoorAccount, DoorAccounts
from appliance.api.numbers import Numbers
from appliance.door.numbers import Numbers as DoorNumbers
from appliance.door.post import Post
from appliance.intercom import Peer
from appliance.message import DELIVERED, NOTIFY_ACCOUNT_SHIFT, NOTIFY_DOOR, new_ids
from tests.support.engine_alone import Ring

NOW = 1_800_000_000_000


def test_letters_and_binds_of_the_door_are_metrics(tmp_path: Path) -> None:
    accounts = DoorAccounts([DoorAccount(3, "core", 7)])
    post = Post(tmp_path / "door.db", Ring(), accounts, {}, 30, clock_ms=lambda: NOW)
    notify = NOTIFY_DOOR | 3 << NOTIFY_ACCOUNT_SHIFT
    events = [[new_ids(1, NOW)[0], 1, b"x" * 40, DELIVERED, NOW, "", 7, notify] for _ in range(2)]
    asyncio.run(post.events({"source": "e", "first": 1, "events": events}, Peer(1, 1, 1)))
    counted = DoorNumbers()
    counted.binds["receiver"], counted.accepted = 2, 5
    counted.refused[0x58] += 4
    numbers = Numbers()
    numbers.door = {**counted.state(), **post.state()}
    asyncio.run(post.take(3, 1))  # it does not open, so it is set aside
    post.flush()
    said = numbers.text().decode()
    assert 'casemate_door_letters{state="due",system_id="core"} 2.0' in said
    assert 'casemate_door_oldest_letter_time_seconds{system_id="core"} 1.8e+09' in said
    numbers.door |= post.state()
    said = numbers.text().decode()
    assert 'casemate_door_letters{state="due",system_id="core"} 0.0' in said
    assert 'casemate_door_letters{state="aside",system_id="core"} 2.0' in said
    assert 'casemate_door_letters_ended_total{end="refused"} 2.0' in said
    assert "casemate_door_oldest_letter_time_seconds{" not in said
    assert 'casemate_door_binds{kind="receiver"} 2.0' in said
    assert "casemate_door_accepted_messages_total 5.0" in said
    assert 'casemate_door_refused_total{status="ESME_RTHROTTLED"} 4.0' in said


def test_without_a_door_there_is_nothing_of_it() -> None:
    assert "casemate_door" not in Numbers().text().decode()
