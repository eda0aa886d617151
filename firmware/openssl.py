"""The one hand that runs openssl(1): CMS (RFC 5652) signed, verified, decrypted. It says what it found; firmware/trust.py decides.

Private keys are files, or objects in a PKCS#11 token by URI (RFC 7512): through the provider `pkcs11` where OpenSSL has it
(Debian 13), through the engine of that name otherwise (Debian 12). A PIN goes by the environment, never on the command line.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509

from .refusals import Refused

SECONDS_MAX: Final = 60.0
SIGNED: Final = bytes.fromhex("06092a864886f70d010702")  # id-signedData
SEALED: Final = bytes.fromhex("06092a864886f70d010703")  # id-envelopedData
CERTIFICATES_MAX: Final = 16
_PROVIDERS: Final = (
    Path("/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so"),
    Path("/usr/lib64/ossl-modules/pkcs11.so"),
)


class Tool(Exception):
    """openssl could not do what it was asked; the message is for a person and holds no secret."""


def run(words: Sequence[str | Path], given: bytes = b"", env: dict[str, str] | None = None) -> tuple[int, bytes, str]:
    """Exit code, standard output, and what it said."""
    try:
        ended = subprocess.run(
            ["openssl", *map(str, words)],
            check=False,
            input=given,
            capture_output=True,
            timeout=SECONDS_MAX,
            env={**os.environ, **(env or {}), "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise Tool("openssl is not installed") from None
    except subprocess.TimeoutExpired:
        raise Tool("openssl did not end in a minute; is the HSM there?") from None
    return ended.returncode, ended.stdout, ended.stderr.decode("utf-8", "replace").strip()


def kind_of(cms: bytes) -> bytes:
    """SIGNED, SEALED, or empty for what is neither: the content type stands within the first octets of a ContentInfo."""
    head = cms[:24]
    return SIGNED if SIGNED in head else SEALED if SEALED in head else b""


def is_signed(cms: bytes) -> bool:
    """Whether it says of itself that it is signed."""
    return kind_of(cms) == SIGNED


def opened(cms: bytes, certificate: Path, key: Path | str) -> bytes:
    """What is inside a CMS that was encrypted to `certificate`. Raises Refused `not_for_us`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cms")
        path.write_bytes(cms)
        words = [
            "cms",
            "-decrypt",
            "-inform",
            "DER",
            "-binary",
            "-in",
            path,
            "-recip",
            certificate,
            *_key(key, "-inkey", Path(folder)),
        ]
        code, out, _ = run(words, env=token_env(key))
    if code or not out:
        raise Refused("not_for_us")
    return out


def verified(
    cms: bytes, content: bytes | None = None
) -> tuple[bytes, list[x509.Certificate], list[x509.Certificate], bool]:
    """(what is signed, the signers' certificates, all certificates with it, whether the arithmetic is right).

    When it is wrong, the signers are who it claims to be from: nobody when it holds no certificate at all.

    Who the signers are is not looked at (`-noverify`). `content` for a signature that does not hold what it is over.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "cms").write_bytes(cms)
        words: list[str | Path] = ["cms", "-verify", "-noverify", "-inform", "DER", "-binary", "-in", place / "cms"]
        words += ["-out", place / "out", "-signer", place / "signers", "-certsout", place / "certificates"]
        if content is not None:
            (place / "content").write_bytes(content)
            words += ["-content", place / "content"]
        code, _, _ = run(words)
        if code:
            claimed = _read(place / "certificates")
            return b"", claimed, claimed, False
        return (place / "out").read_bytes(), _read(place / "signers"), _read(place / "certificates"), True


def _read(path: Path) -> list[x509.Certificate]:
    if not path.exists() or not path.stat().st_size:
        return []
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[:CERTIFICATES_MAX]
    except ValueError:
        return []


def signed(content: bytes, certificate: Path, key: Path | str) -> bytes:
    """A CMS that holds and signs `content`. Raises Tool."""
    words = ["cms", "-sign", "-nodetach", "-binary", "-nosmimecap", "-outform", "DER", "-md", "sha256"]
    with tempfile.TemporaryDirectory() as folder:
        code, out, said = run(
            [*words, "-signer", certificate, *_key(key, "-inkey", Path(folder))], content, token_env(key)
        )
    if code or not out:
        raise Tool(f"openssl could not sign: {said.splitlines()[-1] if said else 'it said nothing'}")
    return out


def raw_signed(content: bytes, key: Path | str) -> bytes:
    """The bare signature of SHA-256 over `content`: RSA by PKCS#1 v1.5 for an RSA key. Raises Tool."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "content").write_bytes(content)
        words = ["dgst", "-sha256", *_key(key, "-sign", Path(folder)), Path(folder) / "content"]
        code, out, said = run(words, env=token_env(key))
    if code or not out:
        raise Tool(f"openssl could not sign: {said.splitlines()[-1] if said else 'it said nothing'}")
    return out


def in_token(key: Path | str) -> bool:
    return str(key).startswith("pkcs11:")


def _key(key: Path | str, option: str, folder: Path) -> list[str | Path]:
    """The words that name a private key. A PIN goes by a file of its own without an end of line: libp11 takes the file as it is."""
    if not in_token(key):
        return [option, key]
    if (pin := os.environ.get("CASEMATE_PIN_FILE", "")) and "pin-" not in str(key):
        handle = os.open(folder / "pin", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(Path(pin).read_text(encoding="ascii").strip())
        key = f"{key}{'&' if '?' in str(key) else '?'}pin-source=file:{folder}/pin"  # RFC 7512 section 2.4
    if any(path.exists() for path in _PROVIDERS):
        return ["-provider", "default", "-provider", "pkcs11", option, str(key)]
    return ["-engine", "pkcs11", "-keyform", "engine", option, str(key)]


def token_env(key: Path | str) -> dict[str, str]:
    """Module and PIN of the token, under the names that engine and provider read. `CASEMATE_PIN_FILE` names the file with the PIN."""
    if not in_token(key):
        return {}
    out: dict[str, str] = {}
    if module := os.environ.get("CASEMATE_PKCS11_MODULE", ""):
        out |= {"PKCS11_MODULE_PATH": module, "PKCS11_PROVIDER_MODULE": module, "RAUC_PKCS11_MODULE": module}
    if pin := os.environ.get("CASEMATE_PIN_FILE", ""):
        out |= {"RAUC_PKCS11_PIN": Path(pin).read_text(encoding="ascii").strip()}
    return out
