"""How gunicorn is set: no control socket, one worker, nothing of a request in a log, bounds on what a request may be."""

from __future__ import annotations

from pathlib import Path

from appliance.console.serving import _Console
from appliance.console.wire import _bare
from appliance.settings import parse


def test_a_warning_of_gunicorns_holds_nothing_of_who_called() -> None:
    assert _bare("Invalid request from ip=192.0.2.7: Invalid HTTP method") == "Invalid request"
    assert _bare(ValueError("a secret")) == "a mistake (ValueError)"


def test_gunicorn_has_no_control_socket_and_logs_no_request(tmp_path: Path) -> None:
    cfg = _Console(parse({}, tmp_path, "test")).cfg
    assert cfg.control_socket_disable is True and cfg.accesslog is None
    assert (cfg.workers, cfg.reuse_port, cfg.forwarded_allow_ips) == (1, False, [])
    assert cfg.limit_request_line <= 4094 and cfg.limit_request_fields <= 50
