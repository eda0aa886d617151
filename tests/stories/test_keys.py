"""The `keys` process on a real token: first run, restarts, wrong PINs, a token that goes and comes back, workers that die or hang."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlcipher3 import dbapi2 as sqlite3

from appliance.clock import day_of, now_ms
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.keys import BlockingKeyring, DataKey
from appliance.settings import parse
from hsm import HsmError, Place, Pool
from hsm.softhsm import MODULES

MODULE = next((m for m in MODULES if Path(m).exists()), "")
pytestmark = pytest.mark.skipif(not MODULE, reason="softhsm2 is not installed")
ROOT = Path(__file__).parents[2]
RUN = (
    "import asyncio; from appliance.keys import serve; from appliance.settings import load; asyncio.run(serve(load()))"
)
READY_S = 90.0  # a first run on a busy machine
CHECKPOINT = "audit checkpoint"


class Keys:
    """A `keys` process of its own, in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = ""
        self.environment: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.client = BlockingClient(home / "run" / "keys.sock")
        self.ring = BlockingKeyring(parse({}, home, "test"))

    def start(self, ready: bool = True) -> Keys:
        path = self.home / "test.toml"
        path.write_text(self.config)
        environment = {**os.environ, "CASEMATE_HOME": str(self.home), "CASEMATE_CONFIG": str(path), **self.environment}
        self.process = subprocess.Popen([sys.executable, "-c", RUN], cwd=ROOT, env=environment)
        until(self.answers, READY_S, "the process answers")
        if ready:
            self.wait_ready()
        return self

    def answers(self) -> bool:
        try:
            return bool(self.client.call("ping", {}, 2.0)["process"] == "keys")
        except Error:
            return False

    def ping(self) -> dict[str, Any]:
        reply: dict[str, Any] = self.client.call("ping", {}, 2.0)
        return reply

    def state(self) -> dict[str, Any]:
        reply: dict[str, Any] = self.client.call("state", {}, 2.0)
        return reply

    def wait_ready(self, seconds: float = READY_S) -> None:
        until(lambda: self.ping()["ready"], seconds, "ready")

    def wait_workers(self, count: int = 2) -> list[int]:
        def pids() -> list[int]:
            return [w["pid"] for w in self.state()["workers"] if w["state"] in ("idle", "busy")]

        until(lambda: len(pids()) == count, READY_S, f"{count} workers")
        return pids()

    def stop(self, number: int = signal.SIGTERM) -> int:
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(number)
        try:
            return process.wait(60)  # on a busy machine
        finally:
            process.kill()
            self.client.close()
            self.ring.close()
            self.ring = BlockingKeyring(parse({}, self.home, "test"))

    def on_record(self) -> list[str]:
        """What the outbox holds; no auditor takes it away here."""
        with contextlib.closing(sqlite3.connect(str(self.home / "keys" / "keys.db"))) as conn:
            rows = conn.execute("SELECT json_extract(CAST(entry AS TEXT), '$.what') FROM audit_outbox ORDER BY n")
            return [r[0] for r in rows]


def until(true: Callable[[], Any], seconds: float, what: str) -> float:
    """Seconds until it was true; fails after `seconds`."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - begun


def refused(call: Callable[[], Any]) -> Error:
    with pytest.raises(Error) as caught:
        call()
    return caught.value


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    made = Keys(tmp_path)
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait(10)
    made.client.close()
    made.ring.close()


def today() -> int:
    return day_of(now_ms())


def test_first_run_makes_token_and_keys_and_a_restart_finds_them(keys: Keys) -> None:
    keys.start()
    state = keys.state()
    assert state["mechanisms"] == {
        "aes-gcm": "ok",
        "aes-kw": "ok",
        "aes-kwp-210a": "ok",
        "aes-kwp-210b": state["mechanisms"]["aes-kwp-210b"],  # SoftHSM 2.7 has it, 2.6 has not
        "aes-cbc-hmac": "ok",
        "hmac-sha256": "ok",
        "ed25519": "ok",
        "random": "ok",
    }
    assert (state["wrapping"], state["breaker"], state["token"]) == ("aes-gcm", "closed", "casemate")

    def held() -> tuple[bytes, ...]:
        reply = keys.client.call("data_key", {"day": today()})
        index = keys.client.call("index_key", {})
        assert index["version"] == 1
        derived = [keys.ring.derive("webhook secret", s) for s in ("1", "2")]
        public = keys.client.call("public_key", {"purpose": CHECKPOINT})["key"]
        signature = keys.client.call("sign", {"purpose": CHECKPOINT, "body": b"casemate\n1\n"})["signature"]
        Ed25519PublicKey.from_public_bytes(public).verify(signature, b"casemate\n1\n")
        everything = (reply["key"], index["key"], *derived, public)
        assert len(set(everything)) == 5
        assert {len(k) for k in everything} == {32}
        return everything

    first, serial = held(), state["serial"]
    begun = time.monotonic()
    assert keys.stop() == 0
    assert time.monotonic() - begun < 5
    keys.start()
    assert held() == first
    assert keys.state()["serial"] == serial
    assert keys.on_record().count("token.initialised") == 1
    assert keys.on_record().count("process.start") == 2
    assert keys.stop(signal.SIGINT) == 0


def test_no_key_and_no_pin_where_they_do_not_belong(keys: Keys) -> None:
    keys.start()
    pids = keys.wait_workers()
    held = [keys.client.call("data_key", {"day": d})["key"] for d in (today(), today() + 1)]
    held += [keys.client.call("index_key", {})["key"], keys.ring.derive("idempotency", "")]
    pin = (keys.home / "hsm" / "pin").read_bytes()
    assert keys.process is not None
    for pid in [*pids, keys.process.pid]:
        for name in ("cmdline", "environ"):
            with contextlib.suppress(PermissionError):
                assert pin not in Path(f"/proc/{pid}/{name}").read_bytes()
        assert "Max core file size        0                    0" in Path(f"/proc/{pid}/limits").read_text()
    assert keys.stop() == 0
    needles = [form for key in held for form in (key, key.hex().encode(), base64.b64encode(key)[:42])]
    places = []
    for path in keys.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(needle in content for needle in needles), f"a clear key in {path}"
            places += [path.relative_to(keys.home)] if pin in content else []
    assert places == [Path("hsm/pin")]
    for path in (keys.home / "hsm").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_killed_keys_process_leaves_no_worker_and_loses_nothing(keys: Keys) -> None:
    keys.start()
    pids = keys.wait_workers()
    os.kill(pids[0], signal.SIGSTOP)  # even one that hangs must go
    key = keys.client.call("data_key", {"day": today()})
    assert keys.stop(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not any(alive(pid) for pid in pids), 5, "the workers are gone")
    keys.start()
    assert keys.client.call("data_key", {"key_id": key["key_id"]}) == key


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_wrong_pin_is_tried_once_ever_and_the_right_one_is_taken_by_itself(keys: Keys) -> None:
    keys.start()
    keys.stop()
    pin = keys.home / "hsm" / "pin"
    right = pin.read_bytes()
    pin.write_bytes(b"not the right one")
    keys.start(ready=False)
    until(lambda: "pin_invalid" in keys.ping()["why"], READY_S, "pin_invalid")
    time.sleep(2.5)  # several rounds in which it could be tried again
    assert sum(w["calls"] for w in keys.state()["workers"]) == 1
    assert {w["state"] for w in keys.state()["workers"]} == {"barred"}
    error = refused(lambda: keys.ring.for_day(today()))
    assert (error.code, error.detail["cause"]) == ("hsm_unavailable", "pin_invalid")
    assert "not the right one" not in str(error)
    keys.stop()
    keys.start(ready=False)
    until(lambda: "pin_invalid" in keys.ping()["why"], READY_S, "pin_invalid")
    time.sleep(1.5)
    assert sum(w["calls"] for w in keys.state()["workers"]) == 0, "not after a restart either"
    pin.write_bytes(right)
    keys.wait_ready(10)
    keys.ring.for_day(today())


def test_missing_module_says_so_and_is_found_when_it_comes(keys: Keys, tmp_path: Path) -> None:
    keys.start()
    key = keys.client.call("data_key", {"day": today()})
    keys.stop()
    link = tmp_path / "module.so"
    pin = tmp_path / "hsm" / "pin"
    keys.config = f'[hsm]\nmodule = "{link}"\npin_file = "{pin}"\n'
    keys.environment = {"SOFTHSM2_CONF": str(tmp_path / "hsm" / "softhsm2.conf")}
    keys.start(ready=False)
    until(lambda: "token_missing" in keys.ping()["why"], READY_S, "token_missing")
    assert refused(lambda: keys.ring.for_day(today())).code == "hsm_unavailable"
    link.symlink_to(MODULE)
    keys.wait_ready(10)
    assert keys.client.call("data_key", {"key_id": key["key_id"]}) == key


def test_token_that_goes_is_noticed_and_comes_back_by_itself(keys: Keys) -> None:
    keys.start()
    keys.wait_workers()
    key = keys.client.call("data_key", {"day": today()})
    tokens = keys.home / "hsm" / "tokens"
    tokens.rename(keys.home / "elsewhere")
    assert until(lambda: not keys.ping()["ready"], 5, "noticed") < 4  # two seconds, and what a busy machine adds
    assert refused(lambda: keys.ring.for_day(today())).code == "hsm_unavailable"
    until(lambda: "token_missing" in keys.ping()["why"], 10, "token_missing")
    assert not tokens.exists(), "no new token in its place"
    (keys.home / "elsewhere").rename(tokens)
    keys.wait_ready(10)
    assert keys.client.call("data_key", {"day": today()}) == key
    record = keys.on_record()
    assert record.count("hsm.lost") == record.count("hsm.back") == 1
    assert record.index("hsm.lost") < record.index("hsm.back")


def test_another_token_is_never_taken_for_the_right_one(keys: Keys) -> None:
    keys.start()
    keys.ring.for_day(today())
    keys.stop()
    shutil.move(keys.home / "hsm", keys.home / "right")
    keys.start(ready=False)
    until(lambda: "key_missing" in keys.ping()["why"], READY_S, "key_missing")
    time.sleep(1.5)
    assert "key_missing" in keys.ping()["why"]
    keys.stop()
    shutil.rmtree(keys.home / "hsm")
    shutil.move(keys.home / "right", keys.home / "hsm")
    keys.start()
    keys.ring.for_day(today())


def test_token_left_half_made_is_finished(keys: Keys) -> None:
    """Power failed between C_InitToken and C_InitPIN of the first run."""
    script = """
import ctypes, os, sys
from pathlib import Path
from hsm.softhsm import SoftHsm
soft = SoftHsm(Path(sys.argv[1]) / "hsm"); soft.prepare(); os.environ.update(soft.environment)
pin = soft.so_pin.read_bytes(); library = ctypes.CDLL(sys.argv[2])
assert library.C_Initialize(None) == 0
assert library.C_InitToken(ctypes.c_ulong(0), pin, ctypes.c_ulong(len(pin)), b"casemate".ljust(32)) == 0
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, keys.home, MODULE], cwd=ROOT, check=True, timeout=30)
    keys.start()
    keys.ring.for_day(today())


def test_worker_killed_in_use_is_not_even_noticed(keys: Keys) -> None:
    keys.start()
    keys.wait_workers()
    wrong: list[Exception] = []
    answered = 0
    stop = threading.Event()

    def use() -> None:
        nonlocal answered
        client = BlockingClient(keys.home / "run" / "keys.sock")
        while not stop.is_set():
            try:
                client.call("sign", {"purpose": CHECKPOINT, "body": b"x"})
                answered += 1
            except Error as e:
                wrong.append(e)
        client.close()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            os.kill(keys.wait_workers()[0], signal.SIGKILL)
            time.sleep(0.3)
        keys.wait_workers()
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert answered > 100
    assert not wrong


def test_all_workers_killed_come_back(keys: Keys) -> None:
    keys.start()
    for pid in keys.wait_workers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: sum(w["losses"] for w in keys.state()["workers"]) == 2, 5, "lost")
    keys.wait_ready(10)
    keys.ring.for_day(today())


def test_hung_worker_is_killed_at_its_deadline_and_stalls_nobody(keys: Keys) -> None:
    keys.config = "[hsm]\ncall_s_max = 3.0\n"
    keys.start()
    hung, well = keys.wait_workers()
    os.kill(hung, signal.SIGSTOP)
    begun = time.monotonic()
    failed, slowest = 0, 0.0
    while time.monotonic() - begun < 3.5:
        asked = time.monotonic()
        try:
            keys.client.call("sign", {"purpose": CHECKPOINT, "body": b"x"})
            slowest = max(slowest, time.monotonic() - asked)
        except Error as e:
            assert e.code == "hsm_unavailable"
            failed += 1
    assert failed <= 1, "at most the call that the hung worker had"
    assert slowest < 2
    until(lambda: not alive(hung), 5, "killed")
    assert well in keys.wait_workers()


def test_all_workers_hung_fail_in_time_and_come_back(keys: Keys) -> None:
    keys.config = "[hsm]\ncall_s_max = 1.0\n"
    keys.start()
    for pid in keys.wait_workers():
        os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    error = refused(lambda: keys.client.call("sign", {"purpose": CHECKPOINT, "body": b"x"}))
    assert error.code == "hsm_unavailable"
    assert time.monotonic() - begun < 3
    keys.wait_ready(10)
    assert keys.wait_workers()


def test_two_who_ask_for_a_new_day_at_once_get_one_key(keys: Keys) -> None:
    keys.start()
    got: list[DataKey] = []
    rings = [BlockingKeyring(parse({}, keys.home, "test")) for _ in range(4)]
    threads = [threading.Thread(target=lambda r=r: got.append(r.for_day(today() + 1))) for r in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({k.key_id for k in got}) == 1
    assert got[0].open(got[1].seal(b"x", b"n"), b"n") == b"x"
    assert [k["day"] for k in keys.state()["keys"]].count(today() + 1) == 1
    for ring in rings:
        ring.close()


def test_tampered_key_is_refused_and_the_hsm_stays_up(keys: Keys) -> None:
    keys.start()
    key_id = keys.ring.for_day(today()).key_id
    keys.stop()
    with contextlib.closing(sqlite3.connect(str(keys.home / "keys" / "keys.db"))) as conn:
        wrapped = bytearray(
            conn.execute("SELECT wrapped FROM key_record WHERE purpose = 'message' AND day = ?", (today(),)).fetchone()[
                0
            ]
        )
        wrapped[20] ^= 1
        conn.execute(
            "UPDATE key_record SET wrapped = ? WHERE purpose = 'message' AND day = ?", (bytes(wrapped), today())
        )
        conn.commit()
    keys.start()
    assert refused(lambda: keys.ring.by_id(key_id)).code == "key_refused"
    assert refused(lambda: keys.ring.for_day(today())).code == "key_refused"
    assert keys.ping()["ready"]
    assert keys.state()["breaker"] == "closed"


# --- the pool alone ---------------------------------------------------------------------------------------

#: A token that refuses AES-GCM, as those in FIPS mode do that make the nonce themselves.
WITHOUT_GCM = "import hsm.wrapping as w; w.ORDER = w.ORDER[1:]; from hsm.worker import main; main()"


def with_pool(folder: Path, act: Callable[[Pool], Awaitable[None]], *command: str) -> None:
    async def run() -> None:
        given = {"command": (sys.executable, "-P", *command)} if command else {}
        pool = Pool(Place(folder), lambda: False, lambda opened: None, lambda what, detail: None, **given)  # type: ignore[arg-type]
        pool.start()
        try:
            async with asyncio.timeout(READY_S):
                while pool.why is not None:
                    await asyncio.sleep(0.02)
            await act(pool)
        finally:
            await pool.stop()

    asyncio.run(run())


@pytest.mark.parametrize("command", [(), ("-c", WITHOUT_GCM)], ids=["aes-gcm", "aes-kw"])
def test_wrapped_keys_are_bound_to_their_context(tmp_path: Path, command: tuple[str, ...]) -> None:
    async def act(pool: Pool) -> None:
        key = await pool.random(32)
        name, wrapped = await pool.wrap(key, b"key 1")
        assert name == ("aes-kw" if command else "aes-gcm")
        assert key not in wrapped
        assert await pool.unwrap(name, wrapped, b"key 1") == key
        changed = bytes([wrapped[0] ^ 1]) + wrapped[1:]
        bad = [(name, wrapped, b"key 2"), (name, changed, b"key 1"), (name, wrapped[:-1], b"key 1")]
        bad += [(name, b"", b"key 1"), ("rot13", wrapped, b"key 1")]
        for asked in bad:
            with pytest.raises(HsmError) as caught:
                await pool.unwrap(*asked)
            assert caught.value.code == "key_refused"
        assert pool.why is None
        assert [s.losses for s in pool.seats] == [0, 0], "no worker was lost over it"
        assert await pool.unwrap(name, wrapped, b"key 1") == key

    with_pool(tmp_path / "hsm", act, *command)


def test_a_worker_that_talks_nonsense_is_an_outage_not_a_crash(tmp_path: Path) -> None:
    async def run(script: str) -> None:
        command = (sys.executable, "-P", "-c", script)
        pool = Pool(
            Place(tmp_path / "hsm"), lambda: False, lambda opened: None, lambda what, detail: None, command=command
        )
        pool.start()
        await asyncio.sleep(1.0)
        assert pool.why is not None
        with pytest.raises(HsmError) as caught:
            await pool.mac(b"x")
        assert caught.value.code == "hsm_unavailable"
        assert all(not t.done() for t in pool._tasks), "it is still tried again"
        await pool.stop()

    for script in (
        "import os; os.write(0, b'\\xff' * 100); os.read(0, 1000)",
        "import os; os.write(0, b'\\0\\0\\0\\1\\xc1')",
        "pass",
    ):
        asyncio.run(run(script))


# --- with the auditor -------------------------------------------------------------------------------------


def test_what_keys_does_reaches_the_audit_log(keys: Keys) -> None:
    """Keys starts first and cannot wait for the auditor, which needs it to sign: entries wait in the key store."""
    keys.start()
    keys.ring.for_day(today())
    script = RUN.replace("appliance.keys", "appliance.audit")
    auditor = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "CASEMATE_HOME": str(keys.home)}
    )
    client = BlockingClient(keys.home / "run" / "auditor.sock")
    try:
        until(lambda: not keys.on_record(), READY_S, "the outbox is empty")
        entries = client.call("entries", {"before": None, "limit": 100, "what": None, "who": "process:keys"})["entries"]
        told = [e["entry"]["what"] for e in reversed(entries)]
        assert told[:2] == ["process.start", "token.initialised"]
        assert {"hsm.login", "key.created", "key.unwrapped"} <= set(told)
    finally:
        client.close()
        auditor.terminate()
        try:
            auditor.wait(10)
        finally:
            auditor.kill()
