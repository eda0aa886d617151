"""The appliance under measurement: one of the bench's own in a folder of its own, or one that runs already."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.limits import START_S_MAX, STOP_S_MAX
from appliance.settings import home_of, parse

LOOK_S: Final = 0.1
NAMES: Final = frozenset({"keys", "auditor", "courier", "engine", "gateway", "console"})


class Box(NamedTuple):
    """Where to post, and whom to ask."""

    api: str
    key: str
    engine: BlockingClient
    door: tuple[str, str, str] = ("", "", "")  # address, system_id, password

    def state(self) -> dict[str, Any]:
        """The engine's state. Raises Error `peer_unavailable`."""
        told: dict[str, Any] = self.engine.call("state", {})
        return told


def read_env(path: Path) -> dict[str, str]:
    """The names and values of a file in shell syntax, such as `demo.env`."""
    out: dict[str, str] = {}
    for word in shlex.split(path.read_text(encoding="utf-8"), comments=True):
        name, equals, value = word.partition("=")
        if equals:
            out[name] = value
    return out


def attached(home: Path) -> Box:
    """The running appliance whose state folder is `home`; address and key from the environment, else from its demo.env."""
    env: dict[str, str] = {}
    if (home / "demo.env").exists():
        env = read_env(home / "demo.env")
    env |= {
        k: v
        for k, v in os.environ.items()
        if k in ("CASEMATE_API", "CASEMATE_API_KEY") or k.startswith("CASEMATE_DOOR")
    }
    if not env.get("CASEMATE_API") or not env.get("CASEMATE_API_KEY"):
        raise Error(
            "invalid",
            "no running appliance was named",
            "set CASEMATE_API and CASEMATE_API_KEY, or run without --attach",
        )
    return Box(env["CASEMATE_API"], env["CASEMATE_API_KEY"], _engine_of(home), _door_of(env))


def _door_of(env: dict[str, str]) -> tuple[str, str, str]:
    address, name, password = (env.get(f"CASEMATE_DOOR{end}", "") for end in ("", "_SYSTEM_ID", "_PASSWORD"))
    return address, name, password


def _engine_of(home: Path) -> BlockingClient:
    return BlockingClient(parse({}, home, "bench").socket("engine-0"))


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
    log = home / "bench.log"
    env = {**os.environ, "CASEMATE_HOME": str(home)}
    env.pop("CASEMATE_CONFIG", None)
    command = [sys.executable, "-m", "appliance.cli", "up", "--demo"]
    if config:
        (home / "bench.toml").write_text(config, encoding="utf-8")
        command += ["--config", str(home / "bench.toml")]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        found = _ready(process, home / "demo.env")
        yield Box(found["CASEMATE_API"], found["CASEMATE_API_KEY"], _engine_of(home), _door_of(found))
    except BaseException:
        with contextlib.suppress(OSError):
            sys.stderr.write("".join(log.read_text(encoding="utf-8", errors="replace").splitlines(True)[-20:]))
        raise
    finally:
        _end(process)


def _ready(process: subprocess.Popen[bytes], written: Path) -> dict[str, str]:
    until = monotonic_s() + START_S_MAX
    pause = threading.Event()
    while monotonic_s() < until:
        if written.exists():
            return read_env(written)
        if process.poll() is not None:
            raise Error("peer_unavailable", f"the appliance ended with {process.returncode} while starting")
        pause.wait(LOOK_S)
    raise Error("peer_unavailable", f"the appliance was not ready within {START_S_MAX:.0f} s")


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


class Processes:
    """The appliance's processes, CPU and memory by name; found as the children of whoever started the engine."""

    def __init__(self, engine_pid: int) -> None:
        self._known: dict[int, tuple[str, psutil.Process]] = {}
        self._gone: dict[str, float] = {}
        self._last: dict[int, float] = {}
        self._root = psutil.Process(engine_pid).parent()
        self._look()

    def _look(self) -> None:
        if self._root is None:
            return
        with contextlib.suppress(psutil.Error):
            for process in (self._root, *self._root.children(recursive=True)):
                if process.pid not in self._known:
                    with contextlib.suppress(psutil.Error):
                        self._known[process.pid] = (name_of(process.cmdline()), process)
        with contextlib.suppress(psutil.Error):
            me = psutil.Process()
            self._known[me.pid] = ("load (bench)", me)

    def spent(self) -> tuple[dict[str, float], dict[str, int]]:
        """CPU seconds and resident octets so far, by name; processes of one name are added up, ended ones stay counted."""
        self._look()
        cpu, rss = dict(self._gone), dict[str, int]()
        for pid, (name, process) in list(self._known.items()):
            try:
                times = process.cpu_times()
                self._last[pid] = times.user + times.system
                rss[name] = rss.get(name, 0) + process.memory_info().rss
                cpu[name] = cpu.get(name, 0.0) + self._last[pid]
            except psutil.Error:
                del self._known[pid]
                last = self._last.pop(pid, 0.0)
                self._gone[name] = self._gone.get(name, 0.0) + last
                cpu[name] = cpu.get(name, 0.0) + last
        return cpu, rss


def name_of(words: list[str]) -> str:
    """`engine` for `... casemate run --config FILE engine`, `simulator`, `console` for gunicorn's workers, `supervisor`."""
    if "run" in words:
        after = [word for word in words[words.index("run") :] if word in NAMES]
        if after:
            return after[0]
    if "simulate" in words:
        return "simulator"
    for word in words:
        if "hsm" in word or "pkcs11" in word:
            return "hsm worker"
        if "gunicorn" in word:
            return "console"
    return "supervisor" if "up" in words else "other"
