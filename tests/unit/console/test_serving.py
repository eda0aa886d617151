"""How gunicorn is set: no control socket, one worker, nothing of a request in a log, bounds on what a request may be."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.console.serving import _Console
from appliance.console.wire import READ_S_MAX, READ_STOPPING_S_MAX, Worker, _bare
from appliance.settings import parse


def test_a_warning_of_gunicorns_holds_nothing_of_who_called() -> None:
    assert _bare("Invalid request from ip=192.0.2.7: Invalid HTTP method") == "Invalid request"
    assert _bare(ValueError("a secret")) == "a mistake (ValueError)"


def test_gunicorn_has_no_control_socket_and_logs_no_request(tmp_path: Path) -> None:
    cfg = _Console(parse({}, tmp_path, "test")).cfg
    assert cfg.control_socket_disable is True and cfg.accesslog is None
    assert (cfg.workers, cfg.reuse_port, cfg.forwarded_allow_ips) == (1, False, [])
    assert cfg.limit_request_line <= 4094 and cfg.limit_request_fields <= 50


@pytest.mark.parametrize("alive", [True, False])
def test_once_it_stops_nobody_who_says_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch, alive: bool) -> None:
    shut: list[str] = []
    played = SimpleNamespace(
        SHUT_RD=0, socket=SimpleNamespace(shutdown=lambda sock, how: shut.append(sock)), AF_INET=2, AF_INET6=10
    )
    monkeypatch.setattr("appliance.console.wire.socket", played)
    monkeypatch.setattr("appliance.console.wire.monotonic_s", lambda: 100.0)
    worker: Any = object.__new__(Worker)
    worker.alive, worker.lock, worker.nr_conns, worker.poller = alive, threading.Lock(), 1, SimpleNamespace()
    left: list[str] = []
    pending = SimpleNamespace(timeout=1e12, sock="pending", close=lambda: left.append("pending"))
    worker.pending_conns = deque([pending])
    since = {"new": 100 - READ_STOPPING_S_MAX / 2, "slow": 100 - READ_STOPPING_S_MAX - 1, "late": 100 - READ_S_MAX - 1}
    worker.reading = {n: (at_s, SimpleNamespace(sock=name)) for n, (name, at_s) in enumerate(since.items())}
    worker.poller.unregister = left.append
    worker.murder_pending()
    assert shut == (["late"] if alive else ["slow", "late"]) and left == ([] if alive else ["pending", "pending"])
    assert len(worker.reading) == 3 - len(shut)
