"""The HSM stops: readyz says so, new messages are refused with a code, what was accepted goes its way, and it recovers by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from appliance.errors import Error
from tests.support.appliance import Appliance, wait_for

pytestmark = pytest.mark.stories


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance(config="[hsm]\ngrace_s = 0\n") as box:
        yield box


def workers(box: Appliance) -> list[psutil.Process]:
    """The processes that hold the token's sessions."""
    return psutil.Process(box.processes()["keys"]).children(recursive=True)


def codes(box: Appliance) -> tuple[int, str]:
    answer = box.api.post("/v1/messages", json={"to": "+393471234567", "text": "x"})
    return answer.status_code, answer.json().get("code", "")


def derived(box: Appliance, subject: str) -> bool:
    """Whether the HSM itself answers: a secret that nobody has asked for yet."""
    try:
        return bool(box.ask("keys", "derive", {"purpose": "webhook secret", "subject": subject}))
    except Error as e:
        assert e.code in ("hsm_unavailable", "peer_unavailable"), e
        return False


def test_a_killed_worker_is_replaced(box: Appliance) -> None:
    """Data keys are held in memory: nobody outside notices."""
    for worker in workers(box):
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.send_signal(signal.SIGKILL)
    told = box.send(to="+393471234567", text="Subito dopo")
    box.until(told["id"], "delivered")
    wait_for("keys to be well", lambda: box.ask("keys", "state")["ready"], 20)
    box.until_ready()


def test_a_token_that_is_gone(box: Appliance) -> None:
    """Accepted messages of before leave and are answered; new ones are refused; the token's return is enough."""
    box.behave(latency_ms="3000")  # slow enough that most is still to be sent when the token is missed
    rows = [{"to": f"+3934711{n:05}", "text": f"Prima {n}"} for n in range(1_000)]  # two windows of the link
    accepted = [a["id"] for a in box.api.post("/v1/messages/batch", json={"messages": rows}).json()["accepted"]]
    tokens = token_folder(box)
    away = tokens.with_name("tokens-away")
    tokens.rename(away)
    try:
        for worker in workers(box):
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.send_signal(signal.SIGKILL)
        wait_for("readyz to say so", lambda: box.api.get("/readyz").status_code == 503, 30, 0.2)
        told = box.api.get("/readyz").json()
        assert "hsm" in str(told).lower(), told
        assert codes(box) == (503, "hsm_unavailable")
        assert box.state()["segments"]["receipted"] < len(accepted), "nothing was left to prove"
        status = box.settled(seconds=40)
        assert {status[i] for i in accepted} == {"delivered"}
    finally:
        box.behave(latency_ms="0")
        with contextlib.suppress(OSError):
            tokens.rmdir()
        if not tokens.exists():
            away.rename(tokens)
        else:  # a library made itself a new, empty folder
            for path in away.iterdir():
                path.rename(tokens / path.name)
    box.until_ready(40)
    told = wait_for("a message to be taken", lambda: codes(box)[0] == 202, 20, 0.2)
    done = box.casemate("audit", "verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_worker_that_hangs_is_ended(box: Appliance) -> None:
    """As a network HSM that stops answering: the call has a deadline, the worker is killed with it."""
    before = {w.pid for w in workers(box)}
    assert before
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert not derived(box, "4711")
        assert time.monotonic() - began < 10.5
        assert codes(box)[0] in (202, 503)
        wait_for("the hanging worker to be ended", lambda: not before & {w.pid for w in workers(box)}, 30, 0.2)
    finally:
        for pid in before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    wait_for("the HSM to answer", lambda: derived(box, "4712"), 30, 0.2)
    wait_for("a message to be taken", lambda: codes(box)[0] == 202, 20, 0.2)
    box.until_ready(20)
    told = box.send(to="+393471234567", text="Di nuovo")
    box.until(told["id"], "delivered")


def test_a_restart_without_the_token_keeps_what_was_accepted(box: Appliance) -> None:
    """The engine is killed while the token is away: what waited on disk is sent once its keys can be unwrapped."""
    box.behave(throttle_rate=1.0)
    told = box.send(to="+393471234567", text="In coda")
    tokens = token_folder(box)
    away = tokens.with_name("tokens-away")
    tokens.rename(away)
    try:
        for name in ("keys", "engine"):
            box.kill(name)
        time.sleep(3)
    finally:
        if tokens.exists():
            with contextlib.suppress(OSError):
                tokens.rmdir()
        away.rename(tokens)
        box.behave(throttle_rate=0.0)
    box.until_ready(60)
    box.until(told["id"], "delivered", "indeterminate", seconds=60)


def token_folder(box: Appliance) -> Path:
    """Where the embedded SoftHSM keeps its token: the folder above the token's own."""
    found = [p.parent.parent for p in box.home.rglob("token.object")]
    assert found, "no SoftHSM token under the state folder"
    return found[0]
