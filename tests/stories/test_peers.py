"""Jasmin as the bench drives it, for real where it is installed: a message's receipt comes to the caller, and again after `kill -9`."""

from __future__ import annotations

import hashlib
import http.client
import threading
from pathlib import Path

import pytest

from appliance.bench.callbacks import Receipts
from appliance.bench.gateway import Gateway, Told
from appliance.bench.jasmin import jasmin, needed, told_jasmin
from appliance.bench.kannel import boxes, kannel, told_kannel
from appliance.bench.marked import submitted
from appliance.bench.started import operator
from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.text import encode

pytestmark = pytest.mark.stories
#: Where `casemate bench --peer jasmin` looks in a checkout.
ENVIRONMENT = Path(__file__).resolve().parents[2] / "var" / "jasmin"
WAIT_S_MAX = 120.0
TEXTS = ("ciao", "caffè & tè", "你好")


def test_jasmin_tells_the_end_of_each_message_also_after_a_kill(tmp_path: Path) -> None:
    try:
        needed(ENVIRONMENT)
    except Error as e:
        pytest.skip(str(e))
    with (
        operator(tmp_path, journal=tmp_path / "journal") as (smpp, _),
        jasmin(ENVIRONMENT, tmp_path / "jasmin", smpp) as (peer, receipts),
    ):
        lives(peer, receipts, told_jasmin, 0)
        peer.kill()
        assert all(process.poll() is not None for process in peer._processes)
        peer.start()
        lives(peer, receipts, told_jasmin, len(TEXTS))
    assert sorted(receipts.ends) == list(range(2 * len(TEXTS)))
    assert_one_segment_each(tmp_path / "journal")


def assert_one_segment_each(journal: Path) -> None:
    """The operator took both copies of each text, in the octets that the appliance would have sent."""
    taken = submitted(journal)
    assert set(taken) == {hashlib.sha256(encode(text)[1]).digest() for text in TEXTS}
    assert min(taken.values()) >= 2


def lives(peer: Gateway, receipts: Receipts, told: Told, first: int) -> None:
    """Sends the texts and waits until the caller was told of the end of each."""
    wire = http.client.HTTPConnection(peer.address, timeout=30)
    for number, text in enumerate(TEXTS, first):
        path = peer.request(number, "+393471234567", text).decode().split(" ")[1]
        wire.request("GET", path)
        answer = wire.getresponse()
        assert told(answer.status, answer.read()) == (1, 1, 0)
    wire.close()
    until, pause = monotonic_s() + WAIT_S_MAX, threading.Event()
    while not all(receipts.ends[number] for number in range(first, first + len(TEXTS))):
        assert monotonic_s() < until, dict(receipts.ends)
        pause.wait(0.1)


def test_kannel_tells_the_end_of_each_message_also_after_a_kill(tmp_path: Path) -> None:
    try:
        boxes()
    except Error as e:
        pytest.skip(str(e))
    with (
        operator(tmp_path, journal=tmp_path / "journal") as (smpp, _),
        kannel(tmp_path / "kannel", smpp) as (peer, receipts),
    ):
        lives(peer, receipts, told_kannel, 0)
        peer.kill()
        peer.start()
        lives(peer, receipts, told_kannel, len(TEXTS))
    assert_one_segment_each(tmp_path / "journal")
