"""Every private key of TLS sealed under the HSM: the API and the door serve by theirs, a link and the SIEM's connection show theirs.

Asked for by `casemate register csr`, signed by an authority of the bank, put in place, started. No private key is in clear in any file.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.cli.program import main
from appliance.clock import now_ms
from appliance.keys import open_text
from tests.stories.test_keys import MODULE, Keys
from tests.support.appliance import Appliance, wait_for
from tests.support.auditor_alone import AuditorAlone
from tests.support.core_system import CoreSystem
from tests.support.operator_process import simulated_operator
from tests.support.relay import Loop, Relay

pytestmark = pytest.mark.skipif(not MODULE, reason="softhsm2 is not installed")
PLACES = ("api server", "door server", "link north client", "siem client")
CONFIG = """
[api]
tls_certificate = "{own}/api-server.pem"
tls_key = "{own}/api-server.key"
[door]
tls_certificate = "{own}/door-server.pem"
tls_key = "{own}/door-server.key"
[siem]
target = "localhost:{siem}"
tls_ca = "{own}/authority.pem"
tls_certificate = "{own}/siem-client.pem"
tls_key = "{own}/siem-client.key"
[[link]]
name = "north"
host = "localhost"
port = {operator}
system_id = "bank"
reconnect_s_max = 1.0
tls = true
tls_ca = "{own}/authority.pem"
tls_certificate = "{own}/link-north-client.pem"
tls_key = "{own}/link-north-client.key"
"""


class Authority:
    """The bank's: signs what it is asked to, and servers of the other side."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a bank")])
        self.folder = folder
        self.path = folder / "authority.pem"
        self.path.write_bytes(self._signed(self._name, self._key.public_key(), [], True))

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        extensions: list[x509.Extension[x509.ExtensionType]],
        authority: bool,
    ) -> bytes:
        now = datetime.fromtimestamp(now_ms() / 1000, UTC)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        made = made.not_valid_after(now + timedelta(days=1)).add_extension(x509.BasicConstraints(authority, None), True)
        for each in extensions:
            made = made.add_extension(each.value, each.critical)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def sign(self, request: Path) -> None:
        asked = x509.load_pem_x509_csr(request.read_bytes())
        key = asked.public_key()
        assert asked.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey)
        request.with_suffix(".pem").write_bytes(self._signed(asked.subject, key, list(asked.extensions), False))

    def other_side(self) -> ssl.SSLContext:
        """Of a server that lets in only who shows a certificate of this authority."""
        key, name = (
            ec.generate_private_key(ec.SECP256R1()),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
        )
        names = x509.Extension(
            x509.SubjectAlternativeName.oid, False, x509.SubjectAlternativeName([x509.DNSName("localhost")])
        )
        with tempfile.TemporaryDirectory() as folder:  # theirs, not the box's
            certificate, path = Path(folder, "c.pem"), Path(folder, "k.pem")
            certificate.write_bytes(self._signed(name, key.public_key(), [names], False))
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            path.write_bytes(key.private_bytes(*form))
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.path))
            context.load_cert_chain(certificate, path)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


class Siem:
    """Takes syslog over TLS; remembers whose certificate it was shown."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.octets, self.shown = b"", ""
        self._loop = Loop()
        self._server = self._loop.do(asyncio.start_server(self._take, "127.0.0.1", 0, ssl=context))
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.shown = str(writer.get_extra_info("peercert")["subject"])
        while octets := await reader.read(65_536):
            self.octets += octets

    def close(self) -> None:
        self._loop.loop.call_soon_threadsafe(self._server.close)
        self._loop.close()


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder with a short name: the path of a Unix socket has at most 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="cm-"))
    yield folder
    shutil.rmtree(folder)


def asked(base: Path, own: Path, authority: Authority) -> dict[str, bytes]:
    """The four keys and requests, made by the command on a box that has just been installed, and signed; the keys in clear, to look for."""
    home = base / "home"
    home.mkdir()
    keys, auditor = Keys(home), AuditorAlone(home).start()
    keys.start()
    try:
        with patch.dict(os.environ, {"CASEMATE_HOME": str(home), "CASEMATE_CONFIG": str(home / "test.toml")}):
            for place in PLACES:
                words = [
                    "--name",
                    "localhost",
                    "--folder",
                    str(own),
                    *(("--host", "127.0.0.1") if "server" in place else ()),
                ]
                assert main(["register", "csr", place, *words]) == 0
        clear = {}
        for place in PLACES:
            stem = own / place.replace(" ", "-")
            authority.sign(stem.with_suffix(".csr"))
            sealing = keys.client.call("derive", {"purpose": "sealed file", "subject": place})["key"]
            pem = open_text(stem.with_suffix(".key").read_text(), sealing)
            private = serialization.load_pem_private_key(pem, None)
            assert isinstance(private, ec.EllipticCurvePrivateKey)
            clear[place] = private.private_numbers().private_value.to_bytes(32)
            assert clear[place] in private.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ), "so that is what to look for"
        assert auditor.what().count("register.csr_made") == len(PLACES)
        return clear
    finally:
        keys.stop()
        auditor.stop()


@pytest.mark.timeout(300)
def test_api_door_link_and_siem_by_sealed_keys(base: Path) -> None:
    own = base / "certificates"
    own.mkdir()
    authority = Authority(own)
    clear = asked(base, own, authority)
    siem = Siem(authority.other_side())
    try:
        with simulated_operator() as operator:
            front = Relay("127.0.0.1", operator.port, front=authority.other_side())
            box = Appliance(CONFIG.format(own=own, siem=siem.port, operator=front.port), base / "home")
            box.verify = ssl.create_default_context(cafile=str(authority.path))
            with box:
                told = box.send(to="+393471234567", text="Cifrato fin qui")
                box.until(told["id"], "delivered", seconds=60)
                assert operator.received("+393471234567"), "over a link that showed its certificate"
                for where in (box.env["CASEMATE_API"].removeprefix("https://"), box.env["CASEMATE_DOOR"]):
                    assert _spoken(where, box.verify) == "TLSv1.3"
                with CoreSystem(box.env["CASEMATE_DOOR"], box.verify) as core:
                    assert core.bind(box.env["CASEMATE_DOOR_SYSTEM_ID"], box.env["CASEMATE_DOOR_PASSWORD"]) == 0
                wait_for("the SIEM to have the log", lambda: b"batch.committed" in siem.octets, 60, 0.1)
                assert "localhost" in siem.shown
                files = [path for path in base.rglob("*") if path.is_file()]
                assert own / "api-server.key" in files
                for path in files:
                    content = path.read_bytes()
                    assert b"PRIVATE KEY" not in content, path.name
                    assert not [place for place, key in clear.items() if key in content], path.name
            front.close()
    finally:
        siem.close()


def _spoken(where: str, context: ssl.SSLContext) -> str | None:
    host, _, port = where.rpartition(":")
    with (
        socket.create_connection((host, int(port)), 20) as wire,
        context.wrap_socket(wire, server_hostname=host) as tls,
    ):
        return tls.version()
