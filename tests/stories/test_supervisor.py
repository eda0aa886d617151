"""The supervisor with real processes: toys that live, die, hang and refuse to stop, then the appliance itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from appliance.cli import main
from appliance.supervisor import Child, StateFile, Watchman
from tests.support.appliance import Appliance, wait_for

ROOT = Path(__file__).parents[2]
TOY = """
import asyncio, os, signal, sys
from pathlib import Path
from appliance.intercom import Server
name, path, mode = sys.argv[1:4]
with open(int(os.environ["CASEMATE_TURN"]), "rb") as turn: turn.read()
diary = Path(path).parent.parent / "diary"
def note(word):
    with diary.open("a") as f: f.write(f"{word} {name}\\n")
async def ping(payload, peer):
    return {"process": name, "pid": os.getpid(), "ready": mode != "unwell", "why": ""}
async def main():
    if mode == "dies":
        print("no reason to live", flush=True); sys.exit(3)
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stop = asyncio.Event()
    if mode != "deaf":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = Server({"ping": ping}); await server.start(Path(path)); note("start")
    await stop.wait(); note("stop"); await server.stop()
asyncio.run(main())
"""


class Toys:
    """A few toy processes under a real Watchman."""

    def __init__(self, folder: Path, modes: dict[str, str]) -> None:
        self.home = folder
        (folder / "run").mkdir()
        self.said: list[str] = []
        plan = []
        for tier, (name, mode) in enumerate(modes.items()):
            path = folder / "run" / f"{name}.sock"
            plan.append(Child(name, (sys.executable, "-c", TOY, name, str(path), mode), path, tier=tier))
        self.watchman = Watchman(folder, plan, lambda name, line: self.said.append(f"{name}: {line}"))
        self.state = StateFile(folder / "run" / "state.json")

    def pid(self, name: str) -> int:
        (row,) = [p for p in (self.state.read() or {})["processes"] if p["name"] == name]
        return int(row["pid"] or 0)

    def row(self, name: str) -> dict[str, Any]:
        (row,) = [p for p in (self.state.read() or {})["processes"] if p["name"] == name]
        return dict(row)

    async def until(self, what: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not what():
                await asyncio.sleep(0.05)

    def diary(self) -> list[str]:
        return (self.home / "diary").read_text(encoding="utf-8").split("\n")[:-1]


@contextlib.contextmanager
def environ_of_children() -> Any:
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def live(toys: Toys, script: Callable[[], Any]) -> int:
    """Runs the watchman, then `script` once everything is ready, then stops; the exit code."""

    async def both() -> int:
        ready = asyncio.Event()
        running = asyncio.ensure_future(toys.watchman.run(ready.set))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({running, waiting}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if ready.is_set():
            await script()
            toys.watchman.stop.set()
        return await asyncio.wait_for(running, 15)

    with environ_of_children():
        return asyncio.run(both())


def test_started_in_order_and_stopped_in_reverse(tmp_path: Path) -> None:
    toys = Toys(tmp_path, {"keys": "well", "engine": "well", "console": "well"})

    async def script() -> None:
        assert [toys.row(n)["state"] for n in ("keys", "engine", "console")] == ["ready"] * 3

    assert live(toys, script) == 0
    assert toys.diary() == [
        *("start keys", "start engine", "start console"),
        *("stop console", "stop engine", "stop keys"),
    ]
    assert toys.said[-2] == "casemate: stopping" and toys.said[-1].startswith("casemate: stopped (")


def test_what_waits_for_its_turn_has_begun_nothing_and_ends_with_the_others(tmp_path: Path) -> None:
    toys = Toys(tmp_path, {"keys": "unwell", "engine": "well"})

    async def both() -> int:
        running = asyncio.ensure_future(toys.watchman.run())
        await toys.until(lambda: (tmp_path / "diary").exists() and bool(toys.pid("engine")), 60)
        assert toys.row("engine")["state"] == "waiting"
        toys.watchman.stop.set()
        return await asyncio.wait_for(running, 30)

    with environ_of_children():
        assert asyncio.run(both()) == 0
    assert toys.diary() == ["start keys", "stop keys"]
    assert not psutil.pid_exists(toys.pid("engine"))


def test_what_dies_is_started_again(tmp_path: Path) -> None:
    toys = Toys(tmp_path, {"keys": "well", "engine": "well"})

    async def script() -> None:
        first = toys.pid("engine")
        os.kill(first, signal.SIGKILL)
        await toys.until(lambda: toys.row("engine")["restarts"] == 1 and toys.row("engine")["state"] == "ready")
        assert toys.pid("engine") != first
        assert toys.row("keys")["restarts"] == 0

    assert live(toys, script) == 0
    assert any("engine was ended by SIGKILL" in line for line in toys.said)


def test_what_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    toys = Toys(tmp_path, {"engine": "well"})

    async def script() -> None:
        os.kill(toys.pid("engine"), signal.SIGSTOP)
        await toys.until(lambda: toys.row("engine")["restarts"] == 1 and toys.row("engine")["state"] == "ready", 40)

    assert live(toys, script) == 0
    assert any("does not answer; it is killed" in line for line in toys.said)


def test_what_does_not_stop_is_killed_and_said_so(tmp_path: Path) -> None:
    toys = Toys(tmp_path, {"keys": "well", "engine": "deaf"})

    async def script() -> None:
        toys.pids = [toys.pid("keys"), toys.pid("engine")]  # type: ignore[attr-defined]

    began = time.monotonic()
    assert live(toys, script) == 1
    assert time.monotonic() - began < 15
    assert any("engine did not stop in time and was killed" in line for line in toys.said)
    assert not any(psutil.pid_exists(pid) for pid in toys.pids)  # type: ignore[attr-defined]


def test_what_never_starts_ends_it_with_its_last_words(tmp_path: Path) -> None:
    toys = Toys(tmp_path, {"keys": "well", "engine": "dies"})

    async def script() -> None:
        raise AssertionError("it must not become ready")

    assert live(toys, script) == 1
    assert toys.watchman.failed is not None
    assert "engine does not start: no reason to live" in str(toys.watchman.failed)
    assert "no reason to live" in (tmp_path / "log" / "engine.log").read_text(encoding="utf-8")


def test_children_do_not_outlive_the_supervisor(tmp_path: Path) -> None:
    path = tmp_path / "run" / "keys.sock"
    program = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom appliance.supervisor import Child, Watchman\n"
        f"child = Child('keys', (sys.executable, '-c', {TOY!r}, 'keys', {str(path)!r}, 'well'), Path({str(path)!r}))\n"
        f"asyncio.run(Watchman(Path({str(tmp_path)!r}), [child], print).run(lambda: print('ready', flush=True)))\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    supervisor = subprocess.Popen([sys.executable, "-c", program], env=environ, stdout=subprocess.DEVNULL)
    try:
        state = StateFile(tmp_path / "run" / "state.json")
        found = wait_for(
            "a ready toy",
            lambda: [p for p in (state.read() or {"processes": []})["processes"] if p["state"] == "ready"],
        )
        supervisor.kill()
        supervisor.wait(5)
        wait_for("the toy's end", lambda: not psutil.pid_exists(found[0]["pid"]), 5)
    finally:
        supervisor.kill()


# --- the appliance itself -------------------------------------------------------------------------------------------


def up(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance.cli", "up", *words],
        cwd=ROOT,
        env={**os.environ, "CASEMATE_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_appliance_heals_itself_and_lets_nobody_else_in() -> None:
    with Appliance() as box:
        written = box.home / "demo.env"
        assert written.stat().st_mode & 0o777 == 0o600
        assert set(box.env) == {
            *("CASEMATE_API", "CASEMATE_API_KEY", "CASEMATE_CONSOLE", "CASEMATE_CONSOLE_USER"),
            *("CASEMATE_CONSOLE_PASSWORD", "CASEMATE_OPERATOR"),
            *("CASEMATE_DOOR", "CASEMATE_DOOR_SYSTEM_ID", "CASEMATE_DOOR_PASSWORD"),
        }
        second = up(box.home, "--demo")
        assert (second.returncode, "[already_running]" in second.stderr) == (2, True)
        state = StateFile(box.home / "run" / "state.json")

        def row(name: str) -> dict[str, Any]:
            (found,) = [p for p in (state.read() or {})["processes"] if p["name"] == name]
            return dict(found)

        for name in ("console", "keys", "gateway"):
            os.kill(row(name)["pid"], signal.SIGKILL)
            wait_for(
                f"{name} to be back", lambda name=name: row(name)["restarts"] == 1 and row(name)["state"] == "ready", 30
            )  # type: ignore[misc]
        ready = [p["state"] for p in (state.read() or {})["processes"]]
        wait_for("all to be ready", lambda: {p["state"] for p in (state.read() or {})["processes"]} == {"ready"}, 20)
        assert ready
        assert box.stop() == 0
        assert not written.exists()


def test_a_port_that_another_takes_before_the_demo_listens_is_chosen_again() -> None:
    box = Appliance()
    with socket.socket() as other:

        def take() -> None:
            written = box.home / "run" / "demo.toml"
            wait_for("the demo's choice", lambda: "[simulator]" in written.read_text() if written.exists() else None)
            host, _, port = tomllib.loads(written.read_text(encoding="utf-8"))["door"]["listen"].rpartition(":")
            other.bind((host, int(port)))
            other.listen()

        taking = threading.Thread(target=take)
        taking.start()
        with box:
            taking.join()
            taken = other.getsockname()[1]
            assert box.env["CASEMATE_DOOR"] != f"127.0.0.1:{taken}"
            said = (box.base / "up.log").read_text(encoding="utf-8")
            assert f"127.0.0.1:{taken} is taken; another port is chosen for door.listen" in said


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = tmp_path / "c.toml"
        config.write_text(f'[api]\nlisten = "127.0.0.1:{port}"\n', encoding="utf-8")
        ended = up(tmp_path / "home", "--config", str(config))
    assert ended.returncode == 2
    assert f"api.listen = 127.0.0.1:{port} is taken [address_in_use]" in ended.stderr
    assert len(ended.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[api]\nlisten = "0.0.0.0:8080"\n', "unsafe_listen"),
        ("[api\n", "settings_invalid"),
        ('[hsm]\nmodul = "x"\n', "hsm.module"),
    ],
)
@pytest.mark.parametrize("demo", [True, False])
def test_a_mistake_in_the_settings_is_told_in_one_line(tmp_path: Path, text: str, says: str, demo: bool) -> None:
    config = tmp_path / "c.toml"
    config.write_text(text, encoding="utf-8")
    ended = up(tmp_path / "home", "--config", str(config), *(["--demo"] if demo else []))
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_state_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    ended = up(tmp_path / "file" / "home")
    assert ended.returncode == 2
    assert "[store_full]" in ended.stderr
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("casemate ")
