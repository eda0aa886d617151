"""Two HSMs: one dies, hangs, slows down or forgets its sessions under load, the other serves; both gone; back; keys passed and proven."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from appliance.audit import commands
from appliance.clock import day_of, now_ms
from appliance.errors import Error
from hsm import HsmError, Pair
from hsm.softhsm import SoftHsm
from tests.stories.test_key_acts import Office
from tests.support.appliance import Appliance, wait_for
from tests.support.shim import POSSIBLE, WHY_NOT, Library, built
from tests.support.tokens import make_softhsm

pytestmark = [pytest.mark.stories, pytest.mark.skipif(not POSSIBLE, reason=WHY_NOT)]

CALL_S_MAX = 8.0
WITHIN_S = 2.0  # as the setting's default: on a busy machine a call may take its time, and each fail-over makes the return wait twice as long
BACK_S = 240.0  # to be born in both and opened four times on a machine that does ten things at once
#: What an HSM that is ill may say of itself. That both are ill for a moment is a busy machine's doing, and recovers too.
ILL = ("hsm_unavailable", "token_missing", "key_missing")
CALLERS = 4
SECOND_LABEL = "casemate second"


class Two(NamedTuple):
    """Two tokens of one SoftHSM, each behind a misbehaving library of its own."""

    first: Library
    second: Library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def two(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Two:
    made = make_softhsm(tmp_path / "hsm")
    make_softhsm(tmp_path / "hsm", SECOND_LABEL)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    pin = Path(made.place.pin_file)
    return Two(Library(library, tmp_path / "a", pin), Library(library, tmp_path / "b", pin))


class Box:
    """What the `keys` process knows, and a pair over it."""

    def __init__(self, two: Two, folder: Path) -> None:
        self.told: list[tuple[str, str]] = []
        self.known = b""
        places = (
            two.first.place(folder / "1", CALL_S_MAX, 30.0),
            two.second.place(folder / "2", CALL_S_MAX, 30.0, SECOND_LABEL),
        )
        self.pair = Pair(places, lambda: bool(self.known), self._admit, self._hear, within_s=WITHIN_S, return_s=0.5)

    def _admit(self, opened: dict[str, Any]) -> None:
        self.known = self.known or bytes(opened["public_key"])
        assert self.known == opened["public_key"]

    def _hear(self, what: str, detail: dict[str, Any]) -> None:
        self.told.append((what, str(detail.get("hsm", ""))))

    async def well(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The answer: on a machine that is busy a call may be late, and then it is asked again."""
        async with asyncio.timeout(BACK_S):
            while True:
                try:
                    return await ask()
                except HsmError as e:
                    assert e.code in ILL, e
                    await asyncio.sleep(0.1)

    async def until(self, serves: str, in_step: int) -> None:
        async with asyncio.timeout(BACK_S):
            while True:
                rows = self.pair.hsms()
                serving = [row["hsm"] for row in rows if row["serves"]]
                if self.pair.why is None and serving == [serves] and sum(r["in_step"] for r in rows) >= in_step:
                    return
                await asyncio.sleep(0.02)


#: Killed, hung, slow; with CASEMATE_CHAOS=all also without its sessions, dead, full, crashing.
FAULTS = ("kill", "* hang", "* slow 2000", "* lost", "* dead", "* full", "* crash")


@pytest.mark.parametrize("fault", FAULTS if os.environ.get("CASEMATE_CHAOS") == "all" else FAULTS[:3])
@pytest.mark.timeout(900)
def test_the_first_fails_under_load_and_the_second_serves(two: Two, tmp_path: Path, fault: str) -> None:
    """Every answer is right; what is asked while the first is being missed is answered by the second, in the same call."""
    box = Box(two, tmp_path)
    answers: Counter[str] = Counter()

    async def caller(mechanism: str, wrapped: bytes, key: bytes, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                assert await box.pair.unwrap(mechanism, wrapped, b"day 1") == key, "another key"
                answers["answered"] += 1
            except HsmError as e:
                assert e.code in ILL, e
                answers["refused"] += 1
            await asyncio.sleep(0.01)

    async def whole() -> None:
        box.pair.start()
        over = asyncio.Event()
        try:
            await box.until("first", in_step=2)
            key = await box.well(lambda: box.pair.random(32))
            mechanism, wrapped = await box.well(lambda: box.pair.wrap(key, b"day 1"))
            mac = await box.well(lambda: box.pair.mac(b"m"))
            callers = [asyncio.create_task(caller(mechanism, wrapped, key, over)) for _ in range(CALLERS)]
            await asyncio.sleep(0.2)
            if fault == "kill":
                two.first.behave("C_Initialize dead")  # and does not come back at once
                for pid in [seat.pid for seat in box.pair.pools["first"].seats if seat.pid]:  # kill(2) of 0: ourselves
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            else:
                two.first.behave(fault)
            await box.until("second", in_step=1)
            before = answers["answered"]
            async with asyncio.timeout(BACK_S):
                while answers["answered"] < before + 20:
                    await asyncio.sleep(0.02)
            assert await box.well(lambda: box.pair.mac(b"m")) == mac
            assert len(await box.well(lambda: box.pair.sign(b"s"))) == 64
            fresh, fresh_wrapped = await box.well(lambda: box.pair.wrap(key, b"day 2"))
            two.first.behave()
            await box.until("first", in_step=2)
            back = await box.well(lambda: box.pair.unwrap(fresh, fresh_wrapped, b"day 2"))
            assert back == key, "wrapped by the second, opened by the first"
            over.set()
            await asyncio.gather(*callers)
        finally:
            over.set()
            await box.pair.stop()

    asyncio.run(whole())
    told = [what for what, _ in box.told]
    assert ("hsm.failed_over", "second") in box.told
    assert told.index("hsm.failed_over") < told.index("hsm.returned")
    assert answers["answered"] >= 20


@pytest.mark.timeout(900)
def test_an_hsm_with_other_keys_never_serves(two: Two, tmp_path: Path) -> None:
    """The second forgets its keys and is given others: it is out of step, and the first alone serves."""
    box = Box(two, tmp_path)

    async def whole() -> None:
        box.pair.start()
        try:
            await box.until("first", in_step=2)
            second = box.pair.pools["second"]
            async with second.visit() as at:
                await at.ask("drop", label="casemate mac key v1")
            async with asyncio.timeout(BACK_S):
                while second.why is None or second.why.code not in ("key_missing", "hsm_unavailable"):
                    await asyncio.sleep(0.02)
            two.first.behave("* dead")
            async with asyncio.timeout(BACK_S):
                while box.pair.why is None:
                    await asyncio.sleep(0.02)
            with pytest.raises(HsmError):
                await box.pair.mac(b"m")
            two.first.behave()
            await box.until("first", in_step=1)
        finally:
            await box.pair.stop()

    asyncio.run(whole())


@pytest.mark.timeout(900)
def test_keys_are_not_born_while_one_is_away(two: Two, tmp_path: Path) -> None:
    box = Box(two, tmp_path)

    async def whole() -> None:
        two.second.behave("C_OpenSession dead")
        box.pair.start()
        try:
            async with asyncio.timeout(BACK_S):
                while "made in both" not in str(box.pair.why):
                    await asyncio.sleep(0.02)
            assert not box.known
            two.second.behave()
            await box.until("first", in_step=2)
            told = await box.well(box.pair.compared)
            assert told["same"]
            assert {row["key"] for row in told["keys"]} == {"MAC key", "audit key", "root v1"}
            assert {row["audit_key"] for row in box.pair.hsms()} == {"token"}
        finally:
            await box.pair.stop()

    asyncio.run(whole())


# --- the whole appliance ----------------------------------------------------------------------------------


def config(two: Two) -> str:
    return f"""[hsm]
module = "{two.first.path}"
pin_file = "{two.first.pin}"
second_module = "{two.second.path}"
second_token_label = "{SECOND_LABEL}"
second_pin_file = "{two.second.pin}"
return_s = 0.5
"""


def derived(box: Appliance) -> bool:
    """Whether an HSM answers: a secret that nobody has asked for yet."""
    try:
        return bool(box.ask("keys", "derive", {"purpose": "webhook secret", "subject": "4711"}))
    except Error as e:
        assert e.code in ("hsm_unavailable", "peer_unavailable"), e
        return False


def status(box: Appliance) -> subprocess.CompletedProcess[str]:
    return box.casemate("keys", "status")


def pinged(box: Appliance) -> dict[str, Any]:
    """What the keys process says of itself; on a machine that is busy an answer may be late, and it is asked again."""

    def asked() -> dict[str, Any] | None:
        with contextlib.suppress(Error):
            return dict(box.ask("keys", "ping"))
        return None

    return dict(wait_for("an answer", asked, 60, 0.1))


def serving(box: Appliance) -> str:
    return next((row["hsm"] for row in pinged(box)["hsms"] if row["serves"]), "none")


@pytest.mark.timeout(900)
def test_messages_flow_whichever_hsm_is_ill(two: Two) -> None:
    """The first hangs: the second serves. Both hang: the keys in memory do. Both are well: the first serves. Nothing is restarted or lost."""
    with Appliance(config=config(two)) as box:
        box.until_ready(90)
        wait_for("both in step", lambda: all(row["in_step"] for row in pinged(box)["hsms"]), 90, 0.2)
        pids = {name: pid for name, pid in box.processes().items() if name != "simulator"}
        sent = [box.send(to="+393471234567", text="Prima")["id"]]
        two.first.behave("* stall")
        sent += [box.send(to="+393471234567", text=f"Durante {n}")["id"] for n in range(3)]
        wait_for("the second to serve", lambda: serving(box) == "second", 90, 0.1)
        metrics = wait_for(
            "the metrics to say so",
            lambda: 'casemate_hsm_serves{hsm="second"} 1.0' in (text := box.api.get("/metrics").text) and text,
            60,
            0.2,
        )
        assert 'casemate_hsm_up{hsm="first"} 0.0' in metrics
        wait_for("the second to work for it", lambda: derived(box), 60, 0.2)
        told = wait_for("the command to say so", lambda: "second   serves" in (t := status(box)).stdout and t, 60, 0.2)
        assert told.returncode == 1
        two.second.behave("* stall")
        wait_for("both to be missed", lambda: not pinged(box)["ready"], 90, 0.1)
        sent += [box.send(to="+393471234567", text=f"Senza {n}")["id"] for n in range(3)]
        two.second.behave()
        wait_for("the second to serve again", lambda: serving(box) == "second", 90, 0.1)
        two.first.behave()
        wait_for("the first to serve again", lambda: serving(box) == "first", 120, 0.1)
        sent.append(box.send(to="+393471234567", text="Dopo")["id"])
        for message in sent:
            box.until(message, "delivered", seconds=60)
        assert {n: p for n, p in box.processes().items() if n != "simulator"} == pids, "nothing was restarted"
        for what in ("hsm.failed_over", "hsm.returned"):  # from the outbox of the keys process
            wait_for(
                f"{what} on the record", lambda what=what: commands.entries(box.settings, what=what).lines, 60, 0.1
            )


# --- the second comes later -------------------------------------------------------------------------------


@pytest.mark.timeout(900)
@pytest.mark.parametrize("replicable", [True, False])
def test_a_second_hsm_is_added_to_a_box_that_has_keys(tmp_path: Path, replicable: bool) -> None:
    """By two people: its keys are passed where they may leave the first; else the refusal says so, and a clone of the token is proven."""
    office = Office(tmp_path, make_softhsm)
    keys = office.keys
    first = keys.config + f"replicable = {str(replicable).lower()}\n"
    keys.config = first
    keys.start()
    try:
        day = day_of(now_ms())
        key = keys.client.call("data_key", {"day": day})
        secret = keys.client.call("derive", {"purpose": "cursor", "subject": ""})
        assert office.casemate("status").returncode == 0
        keys.stop()
        soft = SoftHsm(tmp_path / "token")  # both tokens in one SoftHSM
        make_softhsm(tmp_path / "token", SECOND_LABEL)
        keys.config = first + f'second_token_label = "{SECOND_LABEL}"\nsecond_pin_file = "{soft.pin}"\nreturn_s = 0.5\n'
        keys.start()
        assert keys.client.call("data_key", {"day": day}) == key, "the first serves meanwhile"
        wait_for("the second to be missed", lambda: "key_missing" in keys.state()["hsms"][1]["why"], 60, 0.2)
        number = str(office.told("ask", "replicate", "--reason", "second HSM", user="ann")["request"])
        assert "[forbidden]" in office.casemate("replicate", number, user="ann").stderr, "not without the other"
        office.told("approve", number, user="bob")
        done = office.casemate("replicate", number, "--json", user="ann")
        if replicable:
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == {"passed": 2, "keys": 3, "same": True}, done.stderr
        else:
            assert "[mechanism_missing]" in done.stderr
            assert "made never to leave" in done.stderr
            serial = keys.state()["serial"]
            keys.stop()
            clone(soft, serial)
            keys.start()
            wait_for("the clone to be in step", lambda: keys.state()["hsms"][1]["in_step"], 60, 0.2)
        wait_for("both in step", lambda: office.casemate("status").returncode == 0, 90, 0.2)
        told = office.told("replicate", "--check")
        assert told["same"]
        assert [row["key"] for row in told["keys"]] == ["MAC key", "audit key", "root v1"]
        if replicable:  # a root is born in both, and the second alone opens what is under it
            assert office.both("rotate-root")["root"] == 2
            wait_for("both in step again", lambda: office.casemate("status").returncode == 0, 90, 0.2)
            assert len(office.told("replicate", "--check")["keys"]) == 4
        keys.stop()
        keys.config = keys.config.replace('token_label = "casemate"', 'token_label = "lost"', 1)
        keys.start()
        assert keys.client.call("data_key", {"day": day}) == key, "from a cold start, by the second alone"
        assert keys.client.call("derive", {"purpose": "cursor", "subject": ""}) == secret
    finally:
        if keys.process is not None:
            keys.stop()


def clone(soft: SoftHsm, serial: str) -> None:
    """As a vendor's tools do it: the second token's objects are copies of the first one's."""
    tokens = {}
    for folder in soft.tokens.iterdir():
        label = SECOND_LABEL if SECOND_LABEL.encode() in (folder / "token.object").read_bytes() else "casemate"
        tokens[label] = folder
    for path in tokens["casemate"].iterdir():
        if path.name != "token.object":
            shutil.copy(path, tokens[SECOND_LABEL] / path.name)
    blob = (tokens["casemate"] / "token.object").read_bytes()
    told = {b"casemate".ljust(32): SECOND_LABEL.encode().ljust(32), serial.encode(): serial[::-1].encode()}
    for old, new in told.items():
        assert blob.count(old) == 1
        blob = blob.replace(old, new)
    (tokens[SECOND_LABEL] / "token.object").write_bytes(blob)
