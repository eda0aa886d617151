"""Operators that nobody here wrote: Net::SMPP (Perl) and smpp.pdu3 (the codec of Jasmin) take our bind, in clear text and behind TLS."""

from __future__ import annotations

import asyncio
import contextlib
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


class TlsFront:
    """TLS on a port of the loopback, clear text to the operator behind it: what operators put before an old SMSC."""

    def __init__(self, port: int, folder: Path) -> None:
        self._behind = port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(*self_signed(folder))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._behind)

        async def pour(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while octets := await source.read(65_536):
                    into.write(octets)
                    await into.drain()
            into.close()

        await asyncio.gather(pour(reader, back), pour(there, writer))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


@pytest.fixture(params=[f"{which} {how}" for which in COMMANDS for how in ("clear", "tls")])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Operator, str]]:
    which, how = request.param.split()
    operator = Operator(which)
    try:
        if how == "clear":
            yield operator, CONFIG.format(host="127.0.0.1", port=operator.port, tls="")
        else:
            front = TlsFront(operator.port, tmp_path)
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
