"""A simulated operator as its own process, and its HTTP control, for stories."""

from __future__ import annotations

import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

START_S_MAX = 20.0
STOP_S_MAX = 10.0


class Control:
    """Its addresses and its control."""

    def __init__(self, process: subprocess.Popen[str], smpp: str, control: str) -> None:
        self.process = process
        self.host, port = smpp.rsplit(":", 1)
        self.port = int(port)
        self.http = httpx.Client(base_url=control, timeout=10, trust_env=False)

    def received(self, to: str | None = None, count: int = 1) -> list[dict[str, str]]:
        """What a handset shows, once it shows `count` messages."""
        query = {} if to is None else {"to": to}
        return until(lambda: self.http.get("/received", params=query).json(), lambda found: len(found) >= count)

    def counters(self) -> dict[str, int]:
        return self.http.get("/counters").json()

    def behave(self, **options: Any) -> None:
        assert self.http.post("/behaviour", json=options).status_code == 200


def until(ask: Any, enough: Any, seconds: float = 10.0) -> Any:
    """Asks until the answer is enough, and gives the last one either way."""
    end = time.monotonic() + seconds
    while not enough(answer := ask()) and time.monotonic() < end:
        time.sleep(0.02)
    return answer


@contextmanager
def simulated_operator(**options: Any) -> Iterator[Control]:
    """`with simulated_operator(id_form="hex") as operator: ...` on free ports of the loopback."""
    flags = {"listen": "127.0.0.1:0", "control": "127.0.0.1:0", **options}
    words = [w for name, value in flags.items() for w in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "appliance.cli", "simulate", "operator", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], START_S_MAX)[0], "the simulated operator does not start"
        line = process.stdout.readline()
        found = re.search(r"SMPP on (\S+), control on (\S+)", line)
        assert found, line
        control = Control(process, found[1], found[2])
        yield control
        control.http.close()
        process.terminate()
        assert process.wait(STOP_S_MAX) == 0
    finally:
        process.kill()
        process.wait(STOP_S_MAX)
        if process.stdout is not None:
            process.stdout.close()
