"""Name servers for a test: NSD with a zone of one's own, and one that answers as badly as it is told."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode


def free_port() -> int:
    """One that is free for TCP and UDP now."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return int(tcp.getsockname()[1])


@contextmanager
def nsd(zone: str, records: str) -> Iterator[int]:
    """Debian's NSD with one zone on loopback; its port. Records as in a zone file, below SOA and NS."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nsd-") as folder:
        where = Path(folder)
        (where / "zone").write_text(
            f"$ORIGIN {zone}.\n$TTL 600\n@ IN SOA ns hostmaster 1 3600 900 86400 120\n@ IN NS ns\nns IN A 127.0.0.1\n{records}\n"
        )
        (where / "nsd.conf").write_text(
            f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  chroot: ""\n  zonesdir: "{where}"\n'
            f'  pidfile: "{where}/pid"\n  xfrdfile: "{where}/xfrd"\n  zonelistfile: "{where}/list"\n  xfrdir: "{where}"\n'
            f'  database: ""\n  server-count: 1\nremote-control:\n  control-enable: no\n'
            f'zone:\n  name: "{zone}"\n  zonefile: "zone"\n'
        )
        with (where / "log").open("wb") as log:
            process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", str(where / "nsd.conf")], stdout=log, stderr=log)
        try:
            until = time.monotonic() + 15
            while True:
                assert process.poll() is None, (where / "log").read_text()
                try:
                    answer = dns.query.udp(dns.message.make_query(zone, "SOA"), "127.0.0.1", timeout=0.3, port=port)
                    if answer.rcode() == dns.rcode.NOERROR and answer.answer:
                        break
                except (dns.exception.DNSException, OSError):
                    pass
                assert time.monotonic() < until, "NSD does not answer"
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


class Liar:
    """Answers each question by UDP with what `say(name, question)` gives: octets, or None for silence."""

    def __init__(self, say: Callable[[str, dns.message.Message], bytes | None]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.port = int(self._socket.getsockname()[1])
        self.asked: list[str] = []
        self._say = say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                octets, whence = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            question = dns.message.from_wire(octets)
            name = question.question[0].name.to_text()
            self.asked.append(name)
            said = self._say(name, question)
            if said is not None:
                self._socket.sendto(said, whence)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(2)
        self._socket.close()
