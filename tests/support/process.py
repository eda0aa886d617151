"""Starts one process of the appliance for a test, and ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import Settings

PROGRAM = """
import asyncio, logging, resource, signal, sys
from pathlib import Path
from appliance.settings import load
from appliance.{room} import serve
logging.basicConfig(level=logging.WARNING)
if int(sys.argv[3]):  # files cannot grow beyond: a disk that is full, for this process alone
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
asyncio.run(serve(load(Path(sys.argv[1]) if sys.argv[1] else None, Path(sys.argv[2]))))
"""
ROOT = Path(__file__).parent.parent.parent


class Running:
    """`serve` of a room in a process of its own, ready when the constructor returns."""

    def __init__(
        self, room: str, process: str, settings: Settings, file_octets_max: int = 0, ready: bool = True
    ) -> None:
        self.socket = settings.socket(process)
        self.log = settings.home / f"{process}.log"
        with open(self.log, "ab") as log:
            program = PROGRAM.format(room=room)
            command = [sys.executable, "-c", program, "", str(settings.home), str(file_octets_max)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            self._process = subprocess.Popen(command, cwd=ROOT, stderr=log, env=environment)
        self.pid = self._process.pid
        try:
            self.await_ping(ready)
        except BaseException:
            self.kill()
            raise

    def await_ping(self, ready: bool, patience_s: float = 60.0) -> None:
        until = time.monotonic() + patience_s
        while True:
            assert self._process.poll() is None, self.log.read_text()
            client = BlockingClient(self.socket)
            try:
                if client.call("ping", {}, 5.0)["ready"] or not ready:
                    return
            except Error:
                pass
            finally:
                client.close()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """As a power cut would."""
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait(12)
