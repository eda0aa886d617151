"""Runs the console under gunicorn: one worker with threads, no control socket, TLS when it is configured."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from appliance.errors import Error
from appliance.keys import key_path
from appliance.limits import STOP_S_MAX
from appliance.settings import Settings, check_listen

from .application import create_app
from .wire import THREADS, Journal, Worker


class _Console(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        certificate, key = settings["console.tls_certificate"], settings["console.tls_key"]
        host, port = check_listen(settings["console.listen"], certificate)
        options: dict[str, Any] = {
            "bind": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"],
            "worker_class": Worker,
            "workers": 1,
            "threads": THREADS,
            "control_socket_disable": True,
            "worker_connections": 256,
            "limit_request_field_size": 8190,
            "graceful_timeout": int(STOP_S_MAX / 2),
            "timeout": 60,
            "keepalive": 5,
            "loglevel": "warning",
            "logger_class": Journal,
            "accesslog": None,
            "proc_name": "casemate-console",
            "limit_request_line": 4094,
            "limit_request_fields": 50,
            "forwarded_allow_ips": "",
            "reuse_port": False,
        }
        if certificate:
            options |= {"certfile": certificate, "keyfile": key_path(key), "ssl_context": _tls}
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._settings, watch=True)


def _tls(config: Any, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def main(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then exits with 0 (gunicorn leaves by SystemExit).

    Raises Error `unsafe_listen` for clear text outside loopback, `settings_invalid` for half a TLS configuration.
    """
    if bool(settings["console.tls_certificate"]) != bool(settings["console.tls_key"]):
        raise Error("settings_invalid", "console.tls_certificate and console.tls_key go together")
    check_listen(settings["console.listen"], settings["console.tls_certificate"])
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o750)
    _Console(settings).run()
