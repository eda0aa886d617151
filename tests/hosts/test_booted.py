"""The image on a machine of its own, Secure Boot and TPM on: it boots, a message goes out and comes back delivered, a restart keeps everything."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from image.trees import Tree
from tests.hosts.machine import Machine, free_port

CHECKOUT = Path(__file__).resolve().parents[2]
READY_S_MAX = 900  # software emulation on a busy machine; real hardware takes seconds
TOKEN = r"cm_[1-9][0-9]*_[A-Za-z0-9_-]{43}"
GATEWAY_OF_GUEST = "10.0.2.2"  # the machine that the virtual one runs on, as it sees it


@pytest.fixture(scope="module")
def operator() -> Iterator[dict[str, int]]:
    """A simulated operator on the other side of the virtual network."""
    ports = {"smpp": free_port(), "control": free_port()}
    words = [sys.executable, "-P", "-m", "appliance.cli", "simulate", "operator"]
    words += ["--listen", f"127.0.0.1:{ports['smpp']}", "--control", f"127.0.0.1:{ports['control']}"]
    running = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield ports
    running.terminate()
    running.wait(10)


@pytest.fixture(scope="module")
def machine(image: Path, tools: Tree, room: Path, operator: dict[str, int]) -> Iterator[Machine]:
    made = Machine(room / "first", image, tools, CHECKOUT / "image/keys")
    settings = f"""\
[[link]]
name = "first"
host = "{GATEWAY_OF_GUEST}"
port = {operator["smpp"]}
system_id = "casemate"
password_file = "first.password"

[[route]]
links = ["first"]
"""
    made.seed({"casemate.toml": settings, "first.password": "secret\n"})
    made.start()
    yield made
    made.power_off()


def wait_for(true: Any, seconds: float) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if found := true():
                return found
        except (httpx.HTTPError, OSError):
            pass
        time.sleep(1)
    raise TimeoutError


def test_a_message_goes_out_over_its_link_and_comes_back_delivered(machine: Machine, operator: dict[str, int]) -> None:
    said = machine.wait("Casemate is ready", READY_S_MAX)
    machine.wait("user admin, password", 60)
    password = re.search(r"user admin, password (\S+)", machine.said())[1]  # type: ignore[index]
    assert "DEVELOPMENT" in said or "Casemate" in said
    token = api_key(machine, password)
    with httpx.Client(
        base_url=f"https://127.0.0.1:{machine.forwards['api']}",
        verify=False,
        timeout=30,
        headers={"Authorization": f"Bearer {token}"},
    ) as api:
        answer = wait_for(
            lambda: (
                (
                    r := api.post("/v1/messages", json={"to": "+393331234567", "text": "Buongiorno", "class": "otp"})
                ).status_code
                == 202
                and r
            ),
            120,
        )
        number = answer.json()["id"]
        wait_for(lambda: api.get(f"/v1/messages/{number}").json()["status"] == "delivered", 120)
    control = f"http://127.0.0.1:{operator['control']}"
    assert httpx.get(f"{control}/received", params={"to": "+393331234567"}).json()[0]["text"] == "Buongiorno"


def api_key(machine: Machine, password: str) -> str:
    """A key made by a person on the console, over TLS."""
    with httpx.Client(
        base_url=f"https://127.0.0.1:{machine.forwards['console']}", verify=False, timeout=60, follow_redirects=True
    ) as console:
        page = wait_for(lambda: (r := console.get("/sign-in")).status_code == 200 and r, 120)
        page = console.post("/sign-in", data={"name": "admin", "password": password, "csrf": form_token(page.text)})
        assert page.status_code == 200
        page = console.get("/api-keys")
        page = console.post("/api-keys", data={"name": "bank", "rate": "", "csrf": form_token(page.text)})
        return str(re.search(TOKEN, page.text)[0])  # type: ignore[index]


def form_token(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None, text[:2000]
    return found[1]
