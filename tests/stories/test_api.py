"""The gateway on real sockets: schemathesis against its own OpenAPI document, TLS, two gateways on one port, a stop under load."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

pytestmark = pytest.mark.stories

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"to": "+393331234567", "text": "Your code is 123456"}


class Running(NamedTuple):
    process: subprocess.Popen[str]
    url: str
    token: str
    errors: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


@contextmanager
def running(home: Path, port: int = 0, *more: str) -> Iterator[Running]:
    home.mkdir(exist_ok=True)
    errors = home / "stderr"
    with errors.open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.gateway_alone", str(home), f"127.0.0.1:{port}", *more],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=err, text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, errors.read_text()
        said = json.loads(line)
        scheme = "https" if more and more[0] else "http"
        yield Running(process, f"{scheme}://127.0.0.1:{said['port']}", said["token"], errors)
    finally:
        process.terminate()
        try:
            process.wait(10)
        finally:
            process.kill()


def until_ready(url: str, verify: Any = True) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            if httpx.get(f"{url}/readyz", verify=verify).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < end
        time.sleep(0.05)


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """All checks, with two statuses more: a schema cannot say what a numbering plan, a sender's rule or a clock say, so what
    is well-formed may still be 422; and of a body that is too long nothing else is said: 413."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        '[checks]\npositive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429"]\n'
        "negative_data_rejection.expected-statuses = "
        '["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]\n'
    )
    with running(tmp_path / "home") as gateway:
        until_ready(gateway.url)
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run", f"{gateway.url}/v1/openapi.json",
                "--checks", "all", "-H", f"Authorization: Bearer {gateway.token}", "-n", "60", "--seed", "20261122", "--no-color",
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:]
        assert (
            httpx.post(
                f"{gateway.url}/v1/messages", json=GOOD | {"to": "+393477654321"}, headers=gateway.headers
            ).status_code
            == 202
        )
    assert gateway.process.returncode == 0
    assert "Traceback" not in gateway.errors.read_text()


def test_garbage_on_the_wire_harms_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "home") as gateway:
        until_ready(gateway.url)
        address = ("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        for octets in (
            b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\0" * 1000, b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"GET / HTTP/9.9\r\n\r\n",
        ):  # fmt: skip
            with socket.create_connection(address, 5) as wire:
                wire.sendall(octets)
                wire.shutdown(socket.SHUT_WR)
                wire.settimeout(5)
                answer = wire.recv(65536)
                assert b" 202 " not in answer
                assert b" 500 " not in answer
        big = httpx.post(
            f"{gateway.url}/v1/messages",
            content=b"x" * (10 << 20),
            headers=gateway.headers | {"content-type": "application/json"},
        )
        assert (big.status_code, big.json()["code"]) == (413, "too_large")
        wide = httpx.post(f"{gateway.url}/v1/messages/batch", json={"messages": [GOOD] * 1000}, headers=gateway.headers)
        assert len(wide.json()["accepted"]) == 1000
        assert httpx.head(f"{gateway.url}/healthz").status_code == 200


def test_a_stop_lets_answers_leave(tmp_path: Path) -> None:
    """SIGTERM under load: no request gets a wrong answer, no new connection is taken, and the process ends with 0 in time."""
    with running(tmp_path / "home") as gateway:
        until_ready(gateway.url)
        statuses: list[int] = []
        ended = threading.Event()

        def load() -> None:
            with httpx.Client(headers=gateway.headers) as client:
                while not ended.is_set():
                    try:
                        statuses.append(client.post(f"{gateway.url}/v1/messages", json=GOOD).status_code)
                    except httpx.TransportError:
                        return  # refused, or an idle connection that was closed under it

        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        time.sleep(0.7)
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(10) == 0
        assert time.monotonic() - began < 8
        ended.set()
        for t in threads:
            t.join(5)
        assert len(statuses) > 20
        assert set(statuses) <= {202, 503}


def test_two_gateways_share_a_port(tmp_path: Path) -> None:
    with running(tmp_path / "a", 0, "", "", "2") as first:
        port = int(first.url.rpartition(":")[2])
        with running(tmp_path / "b", port, "", "", "2") as second:
            until_ready(first.url)
            # Each knows its own key only, so who answers can be told apart.
            with httpx.Client(headers=second.headers | {"connection": "close"}) as client:
                seen = {client.get(f"{first.url}/v1/links").status_code for _ in range(60)}
            assert seen == {200, 401}


def test_tls(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    with running(tmp_path / "home", 0, str(certificate), str(key)) as gateway:
        context = ssl.create_default_context(cafile=str(certificate))
        until_ready(gateway.url, context)
        reply = httpx.post(f"{gateway.url}/v1/messages", json=GOOD, headers=gateway.headers, verify=context)
        assert reply.status_code == 202
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        address = ("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        with pytest.raises((ssl.SSLError, OSError)), socket.create_connection(address, 5) as wire:
            old.wrap_socket(wire)


def test_clear_text_stays_on_loopback(tmp_path: Path) -> None:
    from appliance.api.process import bound
    from appliance.errors import Error
    from appliance.settings import parse

    with pytest.raises(Error) as e:
        bound(parse({"api": {"listen": "0.0.0.0:0"}}, tmp_path, "test"))
    assert e.value.code == "unsafe_listen"
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(Error) as e:
        bound(parse({"api": {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}}, tmp_path, "test"))
    assert e.value.code == "address_in_use"


def _certificate(folder: Path) -> tuple[Path, Path]:
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "casemate")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(secret.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(secret, hashes.SHA256())
    )  # fmt: skip
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    key.chmod(0o600)
    return certificate, key
