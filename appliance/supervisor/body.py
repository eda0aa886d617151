"""A process in flesh: started in a group of its own, its output kept in a log file, never outliving the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging.handlers
import os
import re
import signal
from collections import deque
from collections.abc import Callable
from pathlib import Path

from appliance.limits import LOG_FILES, LOG_OCTETS_MAX

#: The variable that names a descriptor: what reads from it has its turn when that ends.
TURN = "CASEMATE_TURN"
LINE_OCTETS_MAX = 64 * 1024
TAIL_LINES = 12
_QUIET = re.compile(r"^.{0,60}\b(DEBUG|INFO)\b")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent(parent: int) -> Callable[[], None]:
    """Runs in the child before its program: SIGKILL follows when the supervisor goes, however it goes (prctl(2))."""

    def tie() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it went in between
            os._exit(1)

    return tie


class Body:
    """One run of one command."""

    def __init__(self, process: asyncio.subprocess.Process, shelf: LogShelf, turn: int) -> None:
        self._process = process
        self._shelf = shelf
        self._turn = turn
        self._pump = asyncio.ensure_future(self._copy())
        self.gone: asyncio.Task[int] = asyncio.ensure_future(self._wait())

    @classmethod
    async def start(cls, command: tuple[str, ...], environ: dict[str, str], shelf: LogShelf) -> Body:
        """It loads what it needs and then waits for its turn: `go`."""
        waits, turn = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env={**environ, TURN: str(waits)},
                pass_fds=(waits,),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=LINE_OCTETS_MAX,
                start_new_session=True,  # Ctrl-C is for the supervisor alone, which stops everything in order
                preexec_fn=_die_with_parent(os.getpid()),
            )
        except OSError:
            os.close(turn)
            raise
        finally:
            os.close(waits)
        return cls(process, shelf, turn)

    def go(self) -> None:
        """Its turn has come: it begins its work as soon as it has loaded it."""
        if self._turn >= 0:
            os.close(self._turn)
            self._turn = -1

    @property
    def pid(self) -> int:
        return self._process.pid

    async def _wait(self) -> int:
        """The exit code, negative for a signal. What the process left in its group is killed with it."""
        code = await self._process.wait()
        self.go()
        self._signal_group(signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pump, 1.0)
        return code

    async def _copy(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # a line beyond LINE_OCTETS_MAX: its end is lost
                continue
            if not line:
                return
            self._shelf.put(line.decode(errors="replace").rstrip())

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)  # a stopped process would never hear it

    def kill(self) -> None:
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class LogShelf:
    """home/log/NAME.log, rotated by size; warnings and what has no level also go to `show`."""

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._file = logging.handlers.RotatingFileHandler(
            path, maxBytes=LOG_OCTETS_MAX, backupCount=LOG_FILES - 1, encoding="utf-8"
        )
        path.chmod(0o600)
        self._show = show
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def put(self, line: str) -> None:
        self._file.emit(logging.makeLogRecord({"msg": line}))
        self.tail.append(line)
        if line and not _QUIET.match(line):
            self._show(line)

    def close(self) -> None:
        self._file.close()
