"""The root of the image booted in seconds: its own systemd in a container without network, seen through testinfra."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import testinfra.host
from testinfra.backend import base

#: What only real hardware has: the state volume and what is mounted from it.
HIDDEN = ("/etc/fstab", "/etc/crypttab")
HALT = signal.SIGRTMIN + 4  # systemd(1): power off


class Inside(base.BaseBackend):  # type: ignore[misc]  # testinfra ships no types
    """Runs commands in the namespaces of a container's first process."""

    NAME = "nsenter"

    def __init__(self, leader: str, *args: Any, **kwargs: Any) -> None:
        self.leader = leader
        super().__init__(leader, *args, **kwargs)

    def run(self, command: str, *args: str, **kwargs: Any) -> Any:
        words = self.get_command(command, *args)
        return self.run_local("nsenter -t %s -m -u -i -n -p -C /bin/sh -c %s", self.leader, words)


@contextlib.contextmanager
def booted(
    root: Path, log: Path, seconds: float, more: dict[Path, str], ready: str = "Casemate is ready"
) -> Iterator[testinfra.host.Host]:
    """A host whose root is the folder `root`, writable only in memory, once it says `ready`; `more` is shown in it, too."""
    hidden = [f"--bind-ro=/dev/null:{path}" for path in HIDDEN]
    hidden += [f"--bind-ro={path}:{place}" for path, place in more.items()]
    words = [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--private-network",
        "--volatile=overlay",
        "--boot",
        *hidden,
    ]
    words += ["--console=read-only", f"--directory={root}", "--machine=casemate-test"]
    with log.open("wb") as file:
        shell = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    try:
        children = Path(f"/proc/{shell.pid}/task/{shell.pid}/children")
        _until(lambda: ready.encode() in log.read_bytes() and children.read_text(encoding="ascii"), seconds, shell, log)
        leader = children.read_text(encoding="ascii").split()[0]
        yield testinfra.host.Host(Inside(leader))
        os.kill(int(leader), HALT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            shell.wait(30)
    finally:
        if shell.poll() is None:
            for child in Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text(encoding="ascii").split():
                os.kill(int(child), signal.SIGKILL)
            shell.kill()
            shell.wait(10)


def _until(true: Any, seconds: float, shell: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until or shell.poll() is not None:
            raise TimeoutError(log.read_bytes()[-4000:].decode(errors="replace"))
        time.sleep(0.2)
