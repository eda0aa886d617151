"""Processes that the bench starts and ends: an appliance of its own, simulated operators, other gateways to compare with."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import psutil

from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.limits import START_S_MAX, STOP_S_MAX
from appliance.settings import home_of

from .box import Box, box_of, read_env

LOOK_S: Final = 0.05
Process = subprocess.Popen[bytes]


@contextlib.contextmanager
def folder(keep: bool = False) -> Iterator[Path]:
    """A new folder beside the usual state, on the same disk; removed in the end."""
    parent = home_of()
    parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    try:
        yield home
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def operator(where: Path, **options: Any) -> Iterator[tuple[str, str]]:
    """A simulated operator of the bench's own: (HOST:PORT of its SMPP, address of its control)."""
    flags = {"listen": "127.0.0.1:0", "control": "127.0.0.1:0", **options}
    words = [word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "appliance.cli", "simulate", "operator", *words]
    with (where / "operator.log").open("wb") as out:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        words = process.stdout.readline().decode().replace(",", " ").split()
        if "on" not in words:
            raise Error("peer_unavailable", "the simulated operator does not start", "see its log")
        yield words[words.index("on") + 1], words[-1]
    finally:
        _end(process)
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def own(home: Path, config: str = "") -> Iterator[Box]:
    """Starts `casemate up --demo` in the folder, with settings in TOML when given; stops it in the end."""
    process = begun(home, config)
    try:
        yield ready(process, home)
    except BaseException:
        with contextlib.suppress(OSError):
            text = (home / "bench.log").read_text(encoding="utf-8", errors="replace")
            sys.stderr.write("".join(text.splitlines(True)[-20:]))
        raise
    finally:
        _end(process)


def begun(home: Path, config: str = "") -> subprocess.Popen[bytes]:
    """An appliance that is starting; whoever calls ends it."""
    env = {**os.environ, "CASEMATE_HOME": str(home)}
    env.pop("CASEMATE_CONFIG", None)
    command = [sys.executable, "-m", "appliance.cli", "up", "--demo"]
    if config:
        (home / "bench.toml").write_text(config, encoding="utf-8")
        command += ["--config", str(home / "bench.toml")]
    with (home / "bench.log").open("ab") as out:
        return subprocess.Popen(command, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL)


def ready(process: subprocess.Popen[bytes], home: Path) -> Box:
    """The appliance once it says that it is ready. Raises Error `peer_unavailable`."""
    until = monotonic_s() + START_S_MAX
    pause = threading.Event()
    while monotonic_s() < until:
        if (home / "demo.env").exists():
            return box_of(home, read_env(home / "demo.env"))
        if process.poll() is not None:
            raise Error("peer_unavailable", f"the appliance ended with {process.returncode} while starting")
        pause.wait(LOOK_S)
    raise Error("peer_unavailable", f"the appliance was not ready within {START_S_MAX:.0f} s")


def killed(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to it and to everything it had started, each by its own id, as when the machine stops."""
    family = [process.pid]
    with contextlib.suppress(psutil.Error):
        family += [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(5)


@contextlib.contextmanager
def program(command: list[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Another program, its output in `log`; ended in the end. `env`: its whole environment, if not that of the bench."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env)
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL to it and to every process it had started, each by its own id."""
    children = []
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S_MAX + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    for child in children:
        with contextlib.suppress(psutil.Error):
            if child.is_running():
                child.kill()
