"""The typed client as a bank installs it, and the five flows of the examples in Python, with curl and in Java, against the whole box."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.appliance import Appliance, wait_for

pytestmark = pytest.mark.stories

CLIENT = Path(__file__).resolve().parents[2] / "appliance" / "client"
EXAMPLES = CLIENT / "examples"
FLOWS = ("login", "payment", "password-reset", "account-access", "fraud-question")
JAVA = shutil.which("java")


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance() as box:
        yield box


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The client's own distribution, built and installed away from this project."""
    source, target = tmp_path_factory.mktemp("source") / "client", tmp_path_factory.mktemp("site")
    shutil.copytree(CLIENT, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    done = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    sys.path.insert(0, str(target))
    try:
        yield target
    finally:
        sys.path.remove(str(target))


@pytest.fixture
def client(installed: Path) -> ModuleType:
    return importlib.import_module("casemate.client")


def code_for(box: Appliance, number: str) -> str:
    """The code on the handset, once it is there."""

    def look() -> str | None:
        for row in box.operator.get("/received", params={"to": number}).json():
            found = re.search(r"\b\d{6}\b", row["text"])
            if found:
                return found[0]
        return None

    return str(wait_for("a code", look, 60))


def replies(box: Appliance, number: str, text: str) -> None:
    """The customer answers the question, once it is on the handset."""
    wait_for("the question", lambda: box.operator.get("/received", params={"to": number}).json(), 60)
    body = {"from": number, "to": "48000", "text": text}
    assert box.operator.post("/inbound", json=body).status_code < 300


@pytest.mark.parametrize("flow", FLOWS)
def test_flows_in_python(box: Appliance, client: ModuleType, flow: str) -> None:
    spec = importlib.util.spec_from_file_location("flows", EXAMPLES / "flows.py")
    assert spec is not None and spec.loader is not None
    flows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(flows)
    number = f"+3933310005{FLOWS.index(flow):02}"
    customer = threading.Thread(target=replies, args=(box, number, "yes"), daemon=True)
    if flow == "fraud-question":
        customer.start()
    with client.Casemate(str(box.api.base_url), box.env["CASEMATE_API_KEY"]) as casemate:
        assert flows.FLOWS[flow](casemate, number, lambda: code_for(box, number))


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("language", ["sh", "java"])
def test_flows_in_other_languages(box: Appliance, language: str, flow: str, tmp_path: Path) -> None:
    if language == "java" and JAVA is None:
        pytest.skip("no Java here: `apt install default-jdk-headless`")
    command = ["sh", str(EXAMPLES / "flows.sh")] if language == "sh" else [str(JAVA), str(EXAMPLES / "Flows.java")]
    number = f"+3933310006{FLOWS.index(flow) + 10 * (language == 'java'):02}"
    names = ("CASEMATE_API", "CASEMATE_API_KEY")
    process = subprocess.Popen(
        [*command, flow, number],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **{name: box.env[name] for name in names}},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if flow == "fraud-question":
            replies(box, number, "YES")
            typed = ""
        else:
            typed = code_for(box, number) + "\n"
        said, problem = process.communicate(typed, timeout=90)
    finally:
        process.kill()
        process.communicate()
    if language == "java" and "compiler" in problem:
        pytest.skip("this Java compiles nothing: `apt install default-jdk-headless`")
    assert (process.returncode, said.strip()) == (0, "approved"), problem


def test_both_clients_and_their_errors(box: Appliance, client: ModuleType) -> None:
    url, key = str(box.api.base_url), box.env["CASEMATE_API_KEY"]

    async def story() -> Any:
        async with client.AsyncCasemate(url, key) as casemate:
            first = await casemate.send_message(to="+393331000580", text="x", idempotency_key="once")
            again = await casemate.send_message(to="+393331000580", text="x", idempotency_key="once")
            assert first["id"] == again["id"]
            batch = await casemate.send_batch(
                messages=[{"to": "+393331000581", "text": "y", "class": "alert"}, {"to": "1"}]
            )
            assert len(batch["accepted"]) == 1 and batch["rejected"][0]["index"] == 1
            with pytest.raises(client.CasemateError) as caught:
                await casemate.send_message(to="393", text="x")
            assert (caught.value.status, caught.value.code) == (422, "number_invalid") and caught.value.hint
            return first["id"]

    sent = asyncio.run(story())
    with client.Casemate(url, key) as casemate:
        assert casemate.get_message(sent)["id"] == sent
        with pytest.raises(client.CasemateError) as caught:
            casemate.get_message("../links")
        assert caught.value.status == 404
        assert casemate.readyz()["ready"]
    with client.Casemate(url, "cm_1_wrong") as casemate, pytest.raises(client.CasemateError) as caught:
        casemate.list_links()
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")
    assert "cm_1_wrong" not in str(caught.value)


def test_a_call_outlives_a_restart_of_the_gateway(box: Appliance, client: ModuleType) -> None:
    with client.Casemate(str(box.api.base_url), box.env["CASEMATE_API_KEY"]) as casemate:
        box.kill("gateway")
        sent = None
        for _ in range(20):  # a call gives up after four tries: the restart may take longer on a busy machine
            try:
                sent = casemate.send_message(to="+393331000590", text="z", idempotency_key="through")
                break
            except client.CasemateError as e:
                assert e.status in (0, 503)
        assert sent is not None and sent["id"]
    box.until_ready(60)
    assert len([m for m in box.all_messages() if m["id"] == sent["id"]]) == 1
