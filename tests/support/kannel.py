"""Kannel (C; Debian's package) as a client of the door: bearerbox binds, smsbox sends, a small HTTP server hears what comes back."""

from __future__ import annotations

import http.server
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.bench.kannel import PASSWORD, Boxes
from appliance.errors import Error
from tests.support.peers import SENDER, Door

CONFIG = """
group = core
admin-port = {admin}
admin-password = {password}
admin-interface = 127.0.0.1
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = {folder}/bearerbox.log
log-level = 1
dlr-storage = internal
{trust}

group = smsc
smsc = smpp
smsc-id = door
host = {host}
port = {port}
transceiver-mode = true
use-ssl = {tls}
smsc-username = {system_id}
smsc-password = {door_password}
system-type = ""
source-addr-autodetect = true
enquire-link-interval = 5
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = {folder}/smsbox.log
log-level = 1

group = sendsms-user
username = bank
password = {password}
max-messages = 20
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "http://127.0.0.1:{hears}/inbound?text=%a"
"""


class Kannel:
    """Bound when it is made. Long messages are cut by Kannel itself; TLS is its own (OpenSSL)."""

    def __init__(self, door: Door, folder: Path) -> None:
        self._ends: list[str] = []
        self._texts: list[str] = []
        self._listen()
        try:
            self._boxes = Boxes(
                folder,
                CONFIG,
                hears=self._server.server_port,
                trust=f'ssl-trusted-ca-file = "{door.ca}"' if door.ca else "",
                tls="true" if door.ca else "false",
                host="localhost" if door.ca else door.host,
                port=door.port,
                system_id=door.system_id,
                door_password=door.password,
            )
        except Error as e:
            self._deaf()
            if e.code == "not_found":
                pytest.skip(e.message)
            raise
        self._http = httpx.Client(timeout=10, trust_env=False)

    def _listen(self) -> None:
        peer = self

        class Hears(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(asked.query))
                if asked.path == "/receipt":
                    peer._ends.append(query.get("state", ""))
                else:
                    peer._texts.append(query.get("text", ""))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hears)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def send(self, to: str, text: str) -> None:
        receipt = f"http://127.0.0.1:{self._server.server_port}/receipt?state=%d"
        query = {"username": "bank", "password": PASSWORD, "from": SENDER, "to": to, "text": text, "charset": "UTF-8"}
        query |= {"coding": "0" if text.isascii() else "2", "dlr-mask": "31", "dlr-url": receipt}
        answer = self._http.get(f"http://{self._boxes.address}/cgi-bin/sendsms", params=query)
        assert answer.status_code == 202, answer.text

    def delivered(self) -> int:
        """Receipts of delivery; Kannel passes on one for each message."""
        assert "16" not in self._ends and "2" not in self._ends, "the door refused it, or it was not delivered"
        return self._ends.count("1")

    def heard(self) -> list[str]:
        return list(self._texts)

    def _deaf(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def close(self) -> None:
        self._boxes.close()
        self._deaf()
        self._http.close()
