"""Operators that nobody here wrote: Net::SMPP (Perl) and smpp.pdu3 (the codec of Jasmin) take our bind, in clear text and behind TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.appliance import ROOT, Appliance, wait_for
from tests.support.certificate import self_signed
from tests.support.relay import Relay

pytestmark = pytest.mark.stories
COMMANDS = {
    "Net::SMPP": ["perl", str(ROOT / "tests" / "support" / "net_smpp_operator.pl")],
    "smpp.pdu3": [sys.executable, "-m", "tests.support.pdu3_operator"],
}
CONFIG = """
[[link]]
name = "foreign"
host = "{host}"
port = {port}
system_id = "bank"
window = 10
reconnect_s_max = 1.0
enquire_s = 1.0
{tls}
"""


class Operator:
    """One of them as a process, and what it said."""

    def __init__(self, which: str) -> None:
        if which == "Net::SMPP" and subprocess.run(["perl", "-MNet::SMPP", "-e", "1"], capture_output=True).returncode:
            pytest.skip("Net::SMPP is not installed")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [*COMMANDS[which], str(self.port)], cwd=ROOT, stdout=subprocess.PIPE, stderr=None, text=True
        )
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        wait_for("it to listen", lambda: "LISTENS" in self.lines)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def said(self, word: str) -> list[list[str]]:
        return [line.split() for line in self.lines if line.startswith(word)]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self._thread.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(params=[f"{which} {how}" for which in COMMANDS for how in ("clear", "tls")])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Operator, str]]:
    which, how = request.param.split()
    operator = Operator(which)
    try:
        if how == "clear":
            yield operator, CONFIG.format(host="127.0.0.1", port=operator.port, tls="")
        else:
            # TLS before it, as operators put it before an old SMSC.
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*self_signed(tmp_path))
            front = Relay("127.0.0.1", operator.port, front=context)
            tls = f'tls = true\ntls_ca = "{tmp_path / "authority.pem"}"'
            yield operator, CONFIG.format(host="localhost", port=front.port, tls=tls)
            front.close()
    finally:
        operator.close()


def test_bind_send_hear_and_unbind(link: tuple[Operator, str]) -> None:
    operator, config = link
    with Appliance(config) as box:
        wait_for("the bind", lambda: operator.said("BIND"))
        assert operator.said("BIND") == [["BIND", "bank"]]
        one = box.send(to="+393471234567", text="Il codice e 123456", from_="BANCA", class_="otp")
        box.until(one["id"], "delivered")
        assert operator.said("SUBMIT")[0][1:] == ["393471234567", "BANCA", "0", "0", b"Il codice e 123456".hex()]
        text = "Gentile cliente, il bonifico di 1.250 EUR e stato eseguito. " * 6
        long = box.send(to="+393471234568", text=text, from_="BANCA")
        box.until(long["id"], "delivered")
        parts = [bytes.fromhex(line[5]) for line in operator.said("SUBMIT")[1:]]
        assert len(parts) == long["segments"] == 3
        assert "".join(part[part[0] + 1 :].decode("ascii") for part in sorted(parts, key=lambda p: p[p[0]])) == text
        wait_for("the answers to four deliver_sm and more", lambda: len(operator.said("RECEIPT")) >= 5)
        assert {line[1] for line in operator.said("RECEIPT")} == {"0"}
    wait_for("the unbind", lambda: operator.said("UNBIND"))
