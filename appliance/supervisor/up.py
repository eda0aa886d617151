"""`casemate up`: looks whether the appliance can start here, starts it, and keeps it running until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import shutil
import sys
from collections import deque
from pathlib import Path
from typing import IO, Any

from appliance.audit import Recorder
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.settings import Settings, address, check_listen, load
from appliance.shards import check_leaving

from .demo import DemoFile, demo_settings, lost_ports, simulates
from .plan import Child, listens, plan, simulator
from .ports import check_free
from .watchman import Watchman

UNTOLD_MAX = 1_000  # events kept while the auditor is away; then the oldest go
LINE_CHARACTERS = 240
SOCKET_OCTETS_MAX = 107  # unix(7): the path of a socket
SOFTHSM = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
)


def up(config: Path | None, home: Path, demo: bool) -> int:
    """Runs the appliance in the foreground; the exit code. Raises Error when it cannot be started at all."""
    os.umask(0o077)  # nothing that the appliance writes is for others
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold keys and texts
    with _alone(home):
        notice = DemoFile(home)
        notice.remove()
        try:
            if demo:
                return _demo(config, home, notice)
            if config is not None:
                os.environ["CASEMATE_CONFIG"] = str(config.absolute())  # what the console shows as in use
            return _start(load(config, home), config, None)
        finally:
            notice.remove()


def _demo(config: Path | None, home: Path, notice: DemoFile) -> int:
    """A port that was free when it was chosen and is not when its process listens is chosen again, once.

    Settings that people put into use in the console are kept in the file that was given, else beside the state, and read at the next start.
    """
    kept = home / "casemate.toml"
    os.environ["CASEMATE_CONFIG"] = str((config or kept).absolute())
    if config is None and kept.exists():
        config = kept
    settings, written = demo_settings(config, home)
    try:
        return _start(settings, written, notice)
    except Error as e:
        lost = lost_ports(config, settings, e)
        if not lost:
            raise
        _say("casemate", f"{e.message}; another port is chosen for {', '.join(lost)}")
    settings, written = demo_settings(config, home, frozenset(address(lost[name])[1] for name in lost))
    return _start(settings, written, notice)


def _start(settings: Settings, config: Path | None, notice: DemoFile | None) -> int:
    children = plan(settings, config)
    simulated = notice is not None and simulates(settings)
    if simulated:
        children.insert(0, simulator(settings))
    _look_before(settings, simulated)
    return asyncio.run(_run(settings, children, notice))


@contextlib.contextmanager
def _alone(home: Path) -> Any:
    """Holds the lock of the state folder. Raises Error `already_running` or `store_full`."""
    try:
        (home / "run").mkdir(parents=True, exist_ok=True, mode=0o750)
        lock: IO[str] = open(home / "run" / "lock", "a+", encoding="utf-8")  # noqa: SIM115  # held for as long as we run
    except OSError as e:
        hint = "name another with CASEMATE_HOME, or make it yours"
        raise Error("store_full", f"the state folder {home} cannot be written: {e.strerror}", hint) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            hint = "stop it first, or name another folder with CASEMATE_HOME"
            raise Error("already_running", f"the appliance is already running on {home}", hint) from None
        yield


def _look_before(settings: Settings, simulated: bool) -> None:
    """Raises Error for what a person should hear in one line before anything is started."""
    if len(os.fsencode(settings.socket("gateway-00"))) > SOCKET_OCTETS_MAX:
        hint = "name a shorter one with CASEMATE_HOME"
        raise Error("settings_invalid", f"the path of the state folder {settings.home} is too long", hint)
    if not settings["hsm.module"] and not (any(map(os.path.exists, SOFTHSM)) and shutil.which("softhsm2-util")):
        hint = "apt install softhsm2, or name your HSM's library in hsm.module"
        raise Error("token_missing", "the embedded SoftHSM is not installed", hint)
    check_leaving(settings, now_ms())
    for stale in (settings.home / "run").glob("engine-*.sock"):
        stale.unlink(missing_ok=True)  # of one that was killed, and that these settings may not have
    for name, host, port in listens(settings, simulated):
        section = name.partition(".")[0]
        check_listen(f"{host}:{port}", settings[f"{section}.tls_certificate"] if section != "simulator" else "")
        check_free(name, host, port)


def _say(name: str, line: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that went away is no reason to stop
        print(f"{name:>9} | {line[:LINE_CHARACTERS]}", file=sys.stderr, flush=True)


class _Told:
    """What happened to processes, on its way to the audit log; kept while the auditor is away."""

    def __init__(self, settings: Settings) -> None:
        self._recorder = Recorder(settings)
        self._waiting: deque[tuple[str, str, dict[str, Any]]] = deque(maxlen=UNTOLD_MAX)
        self._more = asyncio.Event()

    def tell(self, what: str, name: str, **detail: Any) -> None:
        self._waiting.append((what, name, detail))
        self._more.set()

    async def forward(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            await self._settle()
            if self._waiting:
                await asyncio.sleep(0.5)
                self._more.set()

    async def _settle(self) -> None:
        while self._waiting:
            what, name, detail = self._waiting[0]
            outcome = "failed" if what == "process.died" else "ok"
            try:
                await self._recorder.record("process:supervisor", what, f"process:{name}", outcome, **detail)
            except Error as e:
                if e.code == "audit_unavailable":
                    return
            with contextlib.suppress(IndexError):
                self._waiting.popleft()


async def _run(settings: Settings, children: list[Child], notice: DemoFile | None) -> int:
    told = _Told(settings)
    watchman = Watchman(settings.home, children, _say, told.tell)
    forwarding = asyncio.ensure_future(told.forward())
    welcome: list[asyncio.Task[None]] = []

    def ready() -> None:
        if notice is not None:
            welcome.append(asyncio.ensure_future(_welcome(watchman, settings, notice)))
        else:
            _say("casemate", "the appliance is ready")

    code = await watchman.run(ready)
    forwarding.cancel()
    if watchman.failed is not None:
        raise watchman.failed
    return code


async def _welcome(watchman: Watchman, settings: Settings, notice: DemoFile) -> None:
    """Writes demo.env and tells a person what to do next."""
    try:
        variables = await asyncio.to_thread(notice.write, settings)
    except Error as e:
        watchman.failed = e
        watchman.stop.set()
        return
    lines = [
        "",
        "Casemate is ready.",
        "",
        f"  Console   {variables['CASEMATE_CONSOLE']}",
        f"            user {variables['CASEMATE_CONSOLE_USER']}, password {variables['CASEMATE_CONSOLE_PASSWORD']}",
        f"  API       {variables['CASEMATE_API']}/v1",
        "",
        "The first message, from another terminal:",
        "",
        f"  . {notice.path}",
        '  curl -H "Authorization: Bearer $CASEMATE_API_KEY" -H "Content-Type: application/json" \\',
        '       -d \'{"to": "+393331234567", "text": "Buongiorno", "class": "alert"}\' $CASEMATE_API/v1/messages',
        "",
        "Ctrl-C stops it.",
        "",
    ]
    print("\n".join(lines), flush=True)
