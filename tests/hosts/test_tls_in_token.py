"""TLS with the private key in a token, on the Debian that the image is made of: a real nginx serves TLS 1.3 by it, and Python's ssl both serves and shows it.

By OpenSSL's pkcs11-provider and the file that `casemate register token-key` writes. In a tree of its own, as root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.certificates import token_key

MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    "nginx-light",
    "pkcs11-provider",
    "softhsm2",
    "opensc",
    "openssl",
    "curl",
    "python3-minimal",
    "libpython3-stdlib",
)
TREE_S_MAX = 900
HANDSHAKES = 50
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
URI = "pkcs11:token=tls;object=api;type=private"

SOFTHSM = "directories.tokendir = /t/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
OPENSSL = f"""openssl_conf = conf
[conf]
providers = providers
[providers]
default = with_default
pkcs11 = with_pkcs11
[with_default]
activate = 1
[with_pkcs11]
module = pkcs11.so
pkcs11-module-path = {MODULE}
pkcs11-module-token-pin = file:/t/pin
pkcs11-module-quirks = no-deinit
activate = 1
[req]
distinguished_name = name
[name]
"""
NGINX = """daemon off; user root; worker_processes 2; pid /t/nginx.pid; error_log /t/error.log;
env SOFTHSM2_CONF; env OPENSSL_CONF;
events {}
http { access_log off;
  server { listen 127.0.0.1:%d ssl; ssl_certificate /t/api.pem; ssl_certificate_key /t/api.key; ssl_protocols TLSv1.2 TLSv1.3;
    location / { return 200 "by nginx"; } } }
"""
PYTHON = """
import socket, ssl, threading
ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile="/t/api.pem")
for context in (ours, theirs):
    context.load_cert_chain("/t/api.pem", "/t/api.key")
ours.load_verify_locations("/t/api.pem")
ours.verify_mode = ssl.CERT_REQUIRED
listening = socket.create_server(("127.0.0.1", 0))
def serve():
    while True:
        wire, _ = listening.accept()
        with ours.wrap_socket(wire, server_side=True) as tls:
            tls.sendall(repr(tls.getpeercert()["subject"]).encode())
threading.Thread(target=serve, daemon=True).start()
for _ in range(50):
    with theirs.wrap_socket(socket.create_connection(listening.getsockname()), server_hostname="localhost") as tls:
        print(tls.version(), tls.recv(200).decode())
"""


class Debian:
    """A tree of Debian 13 with a token in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = root / "t"
        shutil.rmtree(self.place, ignore_errors=True)
        (self.place / "tokens").mkdir(parents=True)
        for name, text in (("softhsm2.conf", SOFTHSM), ("openssl.cnf", OPENSSL), ("pin", "1234")):
            (self.place / name).write_text(text)
        self.run("softhsm2-util", "--init-token", "--free", "--label", "tls", "--so-pin", "4321", "--pin", "1234")
        token = ("--module", MODULE, "--token-label", "tls", "--login", "--pin", "1234")
        self.run(
            "pkcs11-tool",
            *token,
            "--keypairgen",
            "--key-type",
            "EC:prime256v1",
            "--label",
            "api",
            "--id",
            "01",
            "--sensitive",
        )
        names = "subjectAltName=DNS:localhost"
        self.run(
            "openssl",
            "req",
            "-new",
            "-x509",
            "-key",
            URI,
            "-subj",
            "/CN=localhost",
            "-addext",
            names,
            "-out",
            "/t/api.pem",
        )
        token_key.write(URI, self.place / "api.key")

    def command(self, *words: str) -> list[str]:
        """The provider is for those alone who have TLS to do: SoftHSM's own tools use OpenSSL, too, and would load themselves by it."""
        variables = ["SOFTHSM2_CONF=/t/softhsm2.conf", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        if words[0] not in ("softhsm2-util", "pkcs11-tool", "curl"):
            variables.append("OPENSSL_CONF=/t/openssl.cnf")
        return ["chroot", str(self.root), "/usr/bin/env", "-i", *variables, *words]

    def run(self, *words: str) -> str:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("a tree of Debian 13 is made by mmdebstrap, as root")
    root = tmp_path_factory.mktemp("debian") / "root"
    words = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "trixie", str(root), MIRROR]
    subprocess.run(words, check=True, capture_output=True, timeout=TREE_S_MAX)
    yield Debian(root)
    shutil.rmtree(root, ignore_errors=True)


def test_nginx_serves_by_a_key_that_never_leaves_its_token(debian: Debian) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (debian.place / "nginx.conf").write_text(NGINX % port)
    nginx = subprocess.Popen(debian.command("nginx", "-c", "/t/nginx.conf"))
    ask = ("curl", "-s", "--cacert", "/t/api.pem", "--retry", "20", "--retry-connrefused", "--retry-delay", "1")
    try:
        for version in (("--tlsv1.3",), ("--tlsv1.2", "--tls-max", "1.2")):
            assert debian.run(*ask, *version, f"https://localhost:{port}/") == "by nginx"
        told = debian.run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-CAfile", "/t/api.pem")
        assert "Protocol: TLSv1.3" in told and "Verify return code: 0 (ok)" in told
        nginx.send_signal(1)  # SIGHUP: new workers, the key found again
        for _ in range(HANDSHAKES):
            assert debian.run(*ask, "--tlsv1.3", f"https://localhost:{port}/") == "by nginx"
    finally:
        nginx.terminate()
        nginx.wait(30)
    assert "PRIVATE KEY" not in "".join(p.read_text(errors="replace") for p in debian.place.rglob("*") if p.is_file())
    tokens = debian.place / "tokens"
    tokens.rename(debian.place / "away")
    tokens.mkdir()
    refused = subprocess.run(debian.command("nginx", "-t", "-c", "/t/nginx.conf"), capture_output=True, timeout=60)
    assert refused.returncode != 0, "without the token there is no key"
    tokens.rmdir()
    (debian.place / "away").rename(tokens)


def test_python_serves_by_it_and_shows_it(debian: Debian) -> None:
    """What the API, the door and the links are made of."""
    told = debian.run("python3", "-c", PYTHON).splitlines()
    assert told == ["TLSv1.3 ((('commonName', 'localhost'),),)"] * HANDSHAKES
