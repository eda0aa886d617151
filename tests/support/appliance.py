"""The whole appliance as `casemate up --demo` runs it, in a folder of its own, for stories: started, asked, hurt and stopped."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.message import FINAL, STATUSES
from appliance.settings import parse
from appliance.shards import blocking_engines

ROOT = Path(__file__).parent.parent.parent
START_S_MAX = 180.0  # on a machine that is busy with other things
STOP_S_MAX = 10.0
LOG_LINES = 15
FINAL_NAMES = frozenset(STATUSES[s] for s in FINAL)


def wait_for(what: str, ask: Callable[[], Any], seconds: float = 20.0, each_s: float = 0.05) -> Any:
    """The first true answer of `ask`; fails with `what` when there is none in time."""
    until = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < until, f"waited {seconds:.0f} s for {what}"
        time.sleep(each_s)


def scrubbed(text: str) -> str:
    """A log as a test report may show it: no long runs of digits, no tokens."""
    return re.sub(r"cm_\S+|password \S+", "***", re.sub(r"\d{6,}", "######", text))


class Appliance:
    """`with Appliance(config="...") as box:` is ready to take messages. `config` is TOML; ports are free ones either way.

    `patient`: how soon and how cleanly it stops is not this story's question.
    """

    def __init__(self, config: str = "", home: Path | None = None, patient: bool = False) -> None:
        self.patient = patient
        self._own = home is None
        # A short name: the path of a Unix socket has at most 107 characters.
        self.base = Path(tempfile.mkdtemp(prefix="cm-")) if home is None else home.parent
        self.home = self.base / "home" if home is None else home
        self.config = self.base / "casemate.toml"
        self.config.write_text(config, encoding="utf-8")
        self.settings = parse({}, self.home, "test")
        self.env: dict[str, str] = {}
        self.verify: ssl.SSLContext | bool = True  # whom the API's certificate has to be signed by, where it has one
        self._out = self.base / "up.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._children: dict[int, psutil.Process] = {}

    # --- life ---------------------------------------------------------------------------------------------
    def __enter__(self) -> Appliance:
        try:
            self.start()
        except BaseException:
            self._report()
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None:
                self._report()
            code = self.stop()
            if kind is None and code != 0:
                self._report()
            assert kind is not None or code == 0 or self.patient, f"`casemate up` ended with {code}"
        finally:
            self._end()

    def start(self) -> None:
        """Runs `casemate up --demo` and waits until it says it is ready."""
        with self._out.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "appliance.cli", "up", "--demo", "--config", str(self.config)],
                cwd=ROOT,
                env=self.environ(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.read_env()
        self.api = self.client()
        # Nothing beyond what the demo itself promises: demo.env says that it is ready.
        self.operator = httpx.Client(
            base_url=self.env.get("CASEMATE_OPERATOR", "http://127.0.0.1:1"), timeout=30, trust_env=False
        )

    def read_env(self) -> dict[str, str]:
        written = self.home / "demo.env"

        def ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"`casemate up` ended with {self._process.returncode}"
            return written.exists()

        wait_for("demo.env", ready, START_S_MAX)
        words = shlex.split(written.read_text(encoding="utf-8"), comments=True)
        self.env = dict(word.split("=", 1) for word in words if "=" in word)
        return self.env

    def environ(self) -> dict[str, str]:
        """The environment in which this appliance's commands run."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("CASEMATE_")}
        return {**environ, "CASEMATE_HOME": str(self.home), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    def stop(self) -> int:
        """SIGTERM; the exit code. Fails when it takes longer than promised or leaves a process behind."""
        assert self._process is not None
        if self._process.poll() is None:
            self._remember()
            began = time.monotonic()
            self._process.send_signal(signal.SIGTERM)
            code = self._process.wait(120 if self.patient else STOP_S_MAX + 5)
            took = time.monotonic() - began
            assert took <= STOP_S_MAX + 0.5 or self.patient, f"stopping took {took:.1f} s"
            left = [c.pid for c in self._children.values() if c.is_running() and c.status() != psutil.STATUS_ZOMBIE]
            assert not left, f"{len(left)} processes were left behind"
            return code
        return self._process.returncode

    def _remember(self) -> None:
        assert self._process is not None
        with contextlib.suppress(psutil.Error):
            self._children |= {c.pid: c for c in psutil.Process(self._process.pid).children(recursive=True)}

    def _end(self) -> None:
        """Whatever happened, nothing of ours runs on and nothing is left on disk."""
        if self._process is not None:
            self._remember()
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait(5)
        for child in self._children.values():
            with contextlib.suppress(psutil.Error):
                if child.is_running():
                    child.kill()
        if self._own:
            shutil.rmtree(self.base, ignore_errors=True)

    def _report(self) -> None:
        for path in (self._out, *sorted(self.home.glob("log/*.log"))):
            with contextlib.suppress(OSError):
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
                print(f"--- {path.name}", *map(scrubbed, lines), sep="\n")

    # --- asking -------------------------------------------------------------------------------------------
    def client(self, key: str | None = None) -> httpx.Client:
        """Calls to the REST API with the demo's key or another."""
        headers = {"authorization": f"Bearer {key or self.env['CASEMATE_API_KEY']}"}
        return httpx.Client(
            base_url=self.env["CASEMATE_API"], headers=headers, timeout=30, trust_env=False, verify=self.verify
        )

    def ask(self, process: str, op: str, payload: Any = None) -> Any:
        """One intercom call, on a connection of its own."""
        client = BlockingClient(self.settings.socket(process))
        try:
            return client.call(op, {} if payload is None else payload)
        finally:
            client.close()

    def state(self) -> dict[str, Any]:
        """The engines' state."""
        engines = blocking_engines(self.settings)
        try:
            told: dict[str, Any] = engines.call("state", {})
        finally:
            engines.close()
        return told

    def processes(self) -> dict[str, int]:
        """Process ids by name, as the supervisor wrote them down; those that run."""
        told = json.loads((self.home / "run" / "state.json").read_text(encoding="utf-8"))
        return {p["name"]: p["pid"] for p in told["processes"] if p.get("pid")}

    def casemate(self, *words: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a command of this appliance."""
        return subprocess.run(
            [sys.executable, "-m", "appliance.cli", *words],
            cwd=ROOT,
            env={**self.environ(), **self.env},
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    # --- sending ------------------------------------------------------------------------------------------
    def send(self, **message: Any) -> dict[str, Any]:
        """POST /v1/messages; what was accepted. `from_` and `class_` stand for `from` and `class`."""
        answer = self.api.post("/v1/messages", json={k.rstrip("_"): v for k, v in message.items()})
        assert answer.status_code == 202, (answer.status_code, scrubbed(answer.text))
        told: dict[str, Any] = answer.json()
        return told

    def message(self, message_id: str) -> dict[str, Any]:
        answer = self.api.get(f"/v1/messages/{message_id}")
        assert answer.status_code == 200, (answer.status_code, scrubbed(answer.text))
        told: dict[str, Any] = answer.json()
        return told

    def until(self, message_id: str, *statuses: str, seconds: float = 20.0) -> dict[str, Any]:
        """The message once it has one of `statuses`."""

        def look() -> dict[str, Any] | None:
            found = self.message(message_id)
            return found if found["status"] in statuses else None

        found: dict[str, Any] = wait_for(f"one of {statuses}", look, seconds)
        return found

    def all_messages(self) -> Iterator[dict[str, Any]]:
        """Every message of the store, page by page, newest first."""
        cursor: str | None = None
        while True:
            answer = self.api.get("/v1/messages", params={"limit": 200, **({"cursor": cursor} if cursor else {})})
            assert answer.status_code == 200, (answer.status_code, scrubbed(answer.text))
            page = answer.json()
            yield from page["messages"]
            cursor = page["next"]
            if not cursor:
                return

    def settled(self, seconds: float = 60.0, also: frozenset[str] = frozenset()) -> dict[str, str]:
        """Every message's status by id, once all are final (or in one of `also`) according to the API."""
        enough = FINAL_NAMES | also

        def look() -> dict[str, str] | None:
            if sum(self.state()["queues"].values()):
                return None
            found = {m["id"]: m["status"] for m in self.all_messages()}
            return found if all(s in enough for s in found.values()) else None

        try:
            found: dict[str, str] = wait_for("every message to be final", look, seconds, 0.5)
        except AssertionError:
            print("statuses:", Counter(m["status"] for m in self.all_messages()), scrubbed(str(self.state())))
            raise
        return found

    def received(self, limit: int = 100_000) -> list[dict[str, str]]:
        """What the handsets of the simulated operator show."""
        told: list[dict[str, str]] = self.operator.get("/received", params={"limit": limit}).json()
        return told

    def behave(self, **options: Any) -> None:
        """Changes what the simulated operator does."""
        answer = self.operator.post("/behaviour", json=options)
        assert answer.status_code == 200, answer.text

    # --- hurting ------------------------------------------------------------------------------------------
    def kill(self, name: str, sign: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal to one process; its id."""
        pid = wait_for(f"a process {name}", lambda: self.processes().get(name))
        assert isinstance(pid, int)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        return pid

    def ready(self) -> bool:
        """Whether new messages are accepted, as /readyz says."""
        try:
            return self.api.get("/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def until_ready(self, seconds: float = 30.0) -> None:
        def well() -> bool:
            try:
                return self.ready() and bool(self.ask("engine-0", "ping")["ready"])
            except Error:
                return False

        wait_for("the appliance to be ready", well, seconds, 0.1)
