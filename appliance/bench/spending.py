"""What each process of a run spends: processor time and memory, by the names people use."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Final, NamedTuple

import psutil

#: What comes after `run` on a command line.
NAMES: Final = frozenset({"keys", "auditor", "courier", "engine", "gateway", "door", "console", "field"})
LOAD: Final = "load (bench)"
#: Programs that the bench compares with.
PEERS: Final = (
    *("bearerbox", "smsbox"),
    *("jasmind.py", "dlrd.py", "dlrlookupd.py", "redis-server", "beam.smp", "erl_child_setup", "inet_gethost", "epmd"),
)


class Spent(NamedTuple):
    """Processor seconds and resident octets so far, by name; processes of one name are added up, ended ones stay counted."""

    cpu_s: dict[str, float]
    rss: dict[str, int]


class Processes:
    """Those that the bench started, those of the appliance whose engine is `engine_pid`, and the bench itself."""

    def __init__(self, engine_pid: int = 0) -> None:
        self._known: dict[int, tuple[str, psutil.Process]] = {}
        self._gone: dict[str, float] = {}
        self._last: dict[int, float] = {}
        self._me = psutil.Process()
        self._roots = [self._me]
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(engine_pid).parent() if engine_pid else None
            if root is not None and root.pid not in (0, 1, self._me.pid):
                self._roots.append(root)
        self._look()

    def _look(self) -> None:
        for root in self._roots:
            with contextlib.suppress(psutil.Error):
                for process in (root, *root.children(recursive=True)):
                    if process.pid not in self._known:
                        with contextlib.suppress(psutil.Error):
                            name = LOAD if process.pid == self._me.pid else name_of(process.cmdline())
                            self._known[process.pid] = (name, process)

    def pss_mib(self, without: Collection[str] = ()) -> float:
        """Memory of all of them, each shared page counted once (PSS), but for those named."""
        self._look()
        total = 0
        for name, process in list(self._known.values()):
            if name not in without:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
        return total / 2**20

    def spent(self) -> Spent:
        self._look()
        cpu, rss = dict(self._gone), dict[str, int]()
        for pid, (name, process) in list(self._known.items()):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    resident = process.memory_info().rss
                self._last[pid] = times.user + times.system
                rss[name] = rss.get(name, 0) + resident
                cpu[name] = cpu.get(name, 0.0) + self._last[pid]
            except psutil.Error:
                del self._known[pid]
                last = self._last.pop(pid, 0.0)
                self._gone[name] = self._gone.get(name, 0.0) + last
                cpu[name] = cpu.get(name, 0.0) + last
        return Spent(cpu, rss)


def cpu_s(pid: int) -> float:
    """Processor seconds of one process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def pss_mib(pid: int) -> float:
    """Memory of one process, shared pages by their share."""
    return float(psutil.Process(pid).memory_full_info().pss) / 2**20


def name_of(words: list[str]) -> str:
    """`engine` for `... casemate run --config FILE engine`, `simulator`, `console` for gunicorn's workers, `supervisor`."""
    if "run" in words:
        after = [word for word in words[words.index("run") :] if word in NAMES]
        if after:
            return after[0]
    if "simulate" in words:
        return "simulator"
    for word in words:
        program = word.rpartition("/")[2]
        if program in PEERS:
            return program
        if "hsm" in word or "pkcs11" in word:
            return "hsm worker"
        if "gunicorn" in word:
            return "console"
    return "supervisor" if "up" in words else "other"
