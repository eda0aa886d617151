"""Jasmin (Python, Twisted) to be measured beside the appliance: its daemon, its two for receipts, RabbitMQ and Redis.

It runs as its packages come, in an environment of its own, because they are older than the appliance's. What is set: places, ports,
loopback alone, no limit of submits a second on its operator link (its default is one), and a user with a route. User guide of
Jasmin 0.11, "Management CLI reference" and "HTTP API".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from appliance.errors import Error
from appliance.text import GSM7, encode

from .broker import Ports, epmd_words, programs, rabbit_env, redis_words
from .callbacks import Receipts
from .gateway import Gateway, free, got
from .jcli import added, connectors, said

REQUIREMENTS: Final = Path(__file__).with_name("jasmin.requirements.txt")
USER, PASSWORD = "bank", "bench"  # on loopback, for as long as a run lasts
CONNECTOR: Final = "operator"
#: The console's own, as it comes.
ADMIN: Final = ("jcliadmin", "jclipwd")
#: A receipt of the second level (from the handset) that says delivered; the first level is the operator's response.
DELIVERED: Final = re.compile(rb"GET /r\?i=(\d+)&\S*\bmessage_status=DELIVRD\b")
#: What Jasmin wants to read, or it calls again.
ACKNOWLEDGED: Final = b"ACK/Jasmin"
#: Its daemon's lock, at a place that cannot be set. Who was killed leaves it.
LOCK: Final = Path("/tmp/jasmind.lock")

#: What the two for receipts write when they hear, by the file that they write it to.
READY: Final = {"dlrlookupd-messages.log": "is ready", "dlr-thrower.log": "Consuming from"}

CONFIG: Final = """
[smpp-server]
bind = 127.0.0.1
port = {smpp}

[smpp-server-pb]
bind = 127.0.0.1
port = {smpp_pb}

[smpp-server-pb-client]
host = 127.0.0.1
port = {smpp_pb}

[client-management]
store_path = {folder}/store
bind = 127.0.0.1
port = {clients}

[router]
store_path = {folder}/store
bind = 127.0.0.1
port = {router}

[amqp-broker]
host = 127.0.0.1
port = {amqp}
spec = {spec}

[redis-client]
host = 127.0.0.1
port = {redis}

[dlr]
pid = main

[jcli]
bind = 127.0.0.1
port = {jcli}

[http-api]
bind = 127.0.0.1
port = {http}
"""


def configuration(host: str, port: int) -> list[str]:
    """What is typed into its console once: a group, a user, the operator link, the route to it, kept."""
    link = [
        *(("cid", CONNECTOR), ("host", host), ("port", str(port)), ("username", "bank"), ("password", "bench")),
        *(("bind", "transceiver"), ("submit_throughput", "0"), ("con_fail_delay", "1"), ("con_loss_delay", "1")),
        *(("src_ton", "5"), ("src_npi", "0")),
    ]  # fmt: skip
    return [
        *added("group -a", [("gid", "banks")]),
        *added("user -a", [("username", USER), ("password", PASSWORD), ("gid", "banks"), ("uid", USER)]),
        *added("smppccm -a", link),
        *added("mtrouter -a", [("type", "DefaultRoute"), ("connector", f"smppc({CONNECTOR})"), ("rate", "0.0")]),
        f"smppccm -1 {CONNECTOR}",
        "persist",
    ]


def installed(environment: Path) -> dict[str, Path]:
    """Its programs and the AMQP specification in an environment. Raises Error `not_found` with the commands that make one."""
    found = {name: environment / "bin" / name for name in ("python", "jasmind.py", "dlrd.py", "dlrlookupd.py")}
    specs = list(environment.glob("lib/python*/site-packages/txamqp/specs/standard/amqp0-9-1.stripped.xml"))
    if not specs or not all(path.exists() for path in found.values()):
        raise Error(
            "not_found",
            f"Jasmin is not installed in {environment}",
            f"python3.11 -m venv {environment} && {environment}/bin/pip install --require-hashes -r {REQUIREMENTS}",
        )
    return {**found, "spec": specs[0]}


def needed(environment: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Its programs, and those of RabbitMQ and Redis. Raises Error `not_found`; `already_running` when another Jasmin runs."""
    if LOCK.exists():
        raise Error("already_running", "another Jasmin runs here, or one was killed", f"when none runs: rm {LOCK}")
    return installed(environment), programs()


class Jasmin(Gateway):
    """Bound to an operator."""

    name = "Jasmin"
    start_s_max = 180.0

    def __init__(self, folder: Path, environment: Path, operator: str, receipts: Receipts) -> None:
        """Raises Error `not_found` when something of it is not installed, `already_running` when another one runs."""
        super().__init__(folder)
        self._receipts = receipts
        self._installed, self._programs = needed(environment)
        self._id = folder.parent.name  # in the names of the locks of the other two
        ports = free(10)
        self._ports = Ports(*ports[:4])
        smpp, smpp_pb, clients, router, self._jcli, self._http = ports[4:]
        self.address = f"127.0.0.1:{self._http}"
        self._config = folder / "jasmin.cfg"
        (folder / "store").mkdir()
        self._config.write_text(
            CONFIG.format(
                smpp=smpp, smpp_pb=smpp_pb, clients=clients, router=router, amqp=self._ports.amqp,
                redis=self._ports.redis, jcli=self._jcli, http=self._http, folder=folder, spec=self._installed["spec"],
            )
        )  # fmt: skip
        host, _, port = operator.rpartition(":")
        self._lines = configuration(host, int(port))
        self.start()

    def _begin(self) -> None:
        ports, folder = self._ports, self.folder
        self._program([self._programs["epmd"], *epmd_words(ports)], "epmd.out")
        self._until(lambda: listening(ports.epmd), "epmd")
        self._program([self._programs["redis-server"], *redis_words(ports, folder)], "redis.out")
        self._program([self._programs["rabbitmq-server"]], "rabbitmq.out", rabbit_env(ports, folder))
        self._until(lambda: listening(ports.redis), "Redis")
        self._until(lambda: listening(ports.amqp), "RabbitMQ")
        for log in READY:
            (folder / "log" / log).unlink(missing_ok=True)
        self._daemon("jasmind.py", "--username", ADMIN[0], "--password", ADMIN[1])
        self._daemon("dlrlookupd.py", "--id", self._id)
        self._daemon("dlrd.py", "--id", self._id)
        self._until(lambda: listening(self._jcli), "jcli")
        if self._lines:  # the first time; it keeps them
            said(self._jcli, *ADMIN, self._lines)
            self._lines = []
        self._until(self._bound, "bound to the operator")
        self._until(lambda: "PONG" in got(self._http, "/ping"), "HTTP API")
        for log, words in READY.items():  # a receipt that comes before has no queue to go to
            self._until(partial(_says, folder / "log" / log, words), log)

    def _daemon(self, name: str, *words: str) -> None:
        place = {"ROOT_PATH": self.folder, "CONFIG_PATH": self.folder, "LOG_PATH": self.folder / "log"}
        env = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", **{key: str(path) for key, path in place.items()}}
        command = [str(self._installed["python"]), str(self._installed[name]), "--config", str(self._config), *words]
        self._program(command, f"{name.removesuffix('.py')}.out", env)

    def _bound(self) -> bool:
        listed = connectors(said(self._jcli, *ADMIN, ["smppccm -l"])[0])
        return CONNECTOR in listed and listed[CONNECTOR].session.startswith("BOUND_")

    def kill(self) -> None:
        """Also its locks go, which somebody would have to remove by hand: it does not start beside them."""
        super().kill()
        for lock in (LOCK, *LOCK.parent.glob(f"dlr*d-{self._id}.lock")):
            unlocked(lock)

    def request(self, number: int, to: str, text: str) -> bytes:
        """A message whose receipt comes back under `number`."""
        content = f"content={quote(text, safe='')}&coding=0"
        if encode(text)[0] != GSM7:
            content = f"hex-content={text.encode('utf-16-be').hex()}&coding=8"
        called = quote(f"http://127.0.0.1:{self._receipts.port}/r?i={number}", safe="")
        path = (
            f"/send?username={USER}&password={PASSWORD}&from=MYBANK&to={quote(to, safe='')}&{content}"
            f"&dlr=yes&dlr-level=3&dlr-method=GET&dlr-url={called}"
        )
        return f"GET {path} HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode()


def told_jasmin(status: int, body: bytes) -> tuple[int, int, int] | None:
    """What an answer of /send means, as a load wants it."""
    return (1, 1, 0) if status == 200 and body.startswith(b"Success") else None


def unlocked(lock: Path) -> None:
    """Removes a lock file of a process that was killed, and the name that it is a second link to."""
    with contextlib.suppress(FileNotFoundError):
        inode = lock.stat().st_ino
        for entry in os.scandir(lock.parent):
            if entry.inode() == inode:
                Path(entry.path).unlink()


def _says(log: Path, words: str) -> bool:
    return log.exists() and words in log.read_text("utf-8", "replace")


def listening(port: int) -> bool:
    """Whether something takes connections there."""
    return asyncio.run(_listening(port))


async def _listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@contextlib.contextmanager
def jasmin(environment: Path, folder: Path, operator: str) -> Iterator[tuple[Jasmin, Receipts]]:
    receipts = Receipts(DELIVERED, ACKNOWLEDGED)
    receipts.start()
    try:
        peer = Jasmin(folder, environment, operator, receipts)
        try:
            yield peer, receipts
        finally:
            peer.close()
    finally:
        receipts.close()
