"""Who signs: keys in a PKCS#11 token. By default development keys in a SoftHSM token of the builder's own, made on the first build; by
`--keys FOLDER` those of any token, the vendor's HSM as well.

Private keys never leave the token. Certificates and the development token are in `image/keys/`, which git ignores: whoever loses it has other keys, and an
image signed with them says so at sign-in.
"""

from __future__ import annotations

import secrets
import shutil
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image.recipe import Fault
from image.running import Steps
from image.trees import Tree

TOKEN = "casemate-release"
DAYS = 730
PIN_OCTETS = 12  # pkcs11-provider reads PINs of less than 32 characters
IN_TREE = "/build/keys"
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
#: Key -> (its bits, its subject). `db` signs what the firmware starts, `pcr` the TPM policy, `root` the root's hash; PK and KEK enrol the others.
KEYS = {
    "PK": (2048, "Casemate platform key"),
    "KEK": (2048, "Casemate key exchange key"),
    "db": (2048, "Casemate boot key"),
    "pcr": (2048, "Casemate TPM policy key"),
    "root": (3072, "Casemate root key"),
}
OPENSSL = f"""\
openssl_conf = openssl_init
[openssl_init]
providers = provs
[provs]
default = dflt
pkcs11 = p11
[dflt]
activate = 1
[p11]
module = /usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so
pkcs11-module-path = {{module}}
pkcs11-module-token-pin = file:{IN_TREE}/pin
pkcs11-module-quirks = no-deinit
activate = 1
[req]
distinguished_name = dn
[dn]
"""
TOKEN_FILE = "token.toml"
TOKEN_KEYS: dict[str, type] = {"token": str, "module": str, "environment": dict}


@dataclass(frozen=True)
class Signer:
    """A folder with certificates, PIN and OpenSSL's settings, and the token whose keys they are for, as seen from inside the tools."""

    folder: Path
    development: bool = True
    token: str = TOKEN
    module: str = MODULE
    environment: dict[str, str] = field(default_factory=lambda: {"SOFTHSM2_CONF": f"{IN_TREE}/softhsm2.conf"})

    @property
    def env(self) -> dict[str, str]:
        return {"OPENSSL_CONF": f"{IN_TREE}/openssl.cnf", **self.environment}

    def uri(self, key: str) -> str:
        return f"pkcs11:token={self.token};object={key};type=private"

    def certificate(self, key: str) -> str:
        return f"{IN_TREE}/{key}.crt"

    def words(self, key: str) -> list[str]:
        """How systemd's tools are told which key signs."""
        return [
            "--private-key-source=provider:pkcs11",
            f"--private-key={self.uri(key)}",
            f"--certificate={self.certificate(key)}",
        ]


def development(steps: Steps, tools: Tree, folder: Path) -> Signer:
    """The development keys in `folder`, made there when there are none. Half of them is a Fault, never mended by making others."""
    signer = Signer(folder)
    there = _certificates(folder)
    if len(there) == len(KEYS):
        return signer
    if folder.exists():
        raise Fault(
            f"{folder} holds only some of the keys ({', '.join(there) or 'none'})",
            "restore it, or remove it to have new keys made",
        )
    # Made beside and renamed: a build that is stopped here leaves no half a token.
    fresh = folder.with_name("keys.new")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "tokens").mkdir(parents=True)
    fresh.chmod(0o700)
    softhsm = f"directories.tokendir = {IN_TREE}/tokens\nlog.level = ERROR\n"
    _written(fresh / "pin", secrets.token_hex(PIN_OCTETS) + "\n")
    _written(fresh / "softhsm2.conf", softhsm)
    _written(fresh / "openssl.cnf", OPENSSL.format(module=MODULE))
    token = f'pin=$(cat {IN_TREE}/pin); softhsm2-util --init-token --free --label {TOKEN} --so-pin "$pin" --pin "$pin"'
    inside = signer.env | {"OPENSSL_CONF": ""}
    steps.run(tools.words(["sh", "-euc", token], {fresh: IN_TREE}, inside))
    steps.run(tools.words(["sh", "-euc", script(signer, [])], {fresh: IN_TREE}, signer.env))
    fresh.rename(folder)
    return signer


def named(folder: Path) -> Signer:
    """The token that `token.toml` in `folder` names. Raises Fault naming what is missing or wrong there.

    `token` is its label; `module` the PKCS#11 library, a path in the tools or, without a slash, a file in the folder; `environment` what the
    library needs. The folder is seen as `/build/keys` by it, and holds the PIN in `pin`.
    """
    try:
        said = tomllib.loads((folder / TOKEN_FILE).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as e:
        raise Fault(f"{folder / TOKEN_FILE} cannot be read: {e}", "it names token, module and environment") from None
    for key in set(said) ^ set(TOKEN_KEYS):
        raise Fault(f"{TOKEN_FILE}: {key} is {'unknown' if key in said else 'missing'}")
    for key, kind in TOKEN_KEYS.items():
        value: Any = said[key]
        texts = [value] if kind is str else list(value.values()) if isinstance(value, dict) else [None]
        if not all(isinstance(text, str) and text for text in texts):
            raise Fault(f"{TOKEN_FILE}: {key} is not {'a text' if kind is str else 'a table of texts'}")
    if any(letter in said["token"] for letter in ";?&/%'\""):
        raise Fault(f"{TOKEN_FILE}: the token's label holds a letter that PKCS#11 URIs keep for themselves (RFC 7512)")
    if not (folder / "pin").exists():
        raise Fault(f"{folder} holds no PIN", "write it into the file `pin` there, readable by root alone")
    module = said["module"] if "/" in said["module"] else f"{IN_TREE}/{said['module']}"
    signer = Signer(folder, False, said["token"], module, dict(said["environment"]))
    _written(folder / "openssl.cnf", OPENSSL.format(module=module))
    return signer


def ready(signer: Signer) -> Signer:
    """The same, once it has a certificate of every key. Raises Fault."""
    if missing := [key for key in KEYS if key not in _certificates(signer.folder)]:
        raise Fault(
            f"{signer.folder} holds no certificate of {', '.join(missing)}",
            "`python -m image keys FOLDER` makes keys and certificates",
        )
    return signer


def make(steps: Steps, tools: Tree, signer: Signer) -> list[str]:
    """Makes the keys that a token lacks and the certificates that the folder lacks; which ones."""
    there = _certificates(signer.folder)
    steps.run(tools.words(["sh", "-euc", script(signer, there)], {signer.folder: IN_TREE}, signer.env))
    return [key for key in KEYS if key not in there]


def script(signer: Signer, there: list[str]) -> str:
    """What makes a key and its certificate for each of KEYS but those in `there`. A key that the token has already is taken, never made twice."""
    tool = f'OPENSSL_CONF= pkcs11-tool --module {signer.module} --token-label "{signer.token}" --login --pin "$pin"'
    out = [f"pin=$(cat {IN_TREE}/pin)"]
    for number, (key, (bits, subject)) in enumerate(KEYS.items(), 1):
        if key in there:
            continue
        out.append(
            f"{tool} --list-objects --type privkey --label {key} | grep -q 'Private Key' || "
            f"{tool} --keypairgen --key-type rsa:{bits} --label {key} --id {number:02x}"
        )
        subject = f"/CN={subject}{' (development)' if signer.development else ''}/"
        out.append(
            f'openssl req -new -x509 -sha256 -days {DAYS} -key "{signer.uri(key)}" -subj "{subject}" -out {IN_TREE}/{key}.crt'
        )
    return "\n".join(out)


def _certificates(folder: Path) -> list[str]:
    return [key for key in KEYS if (folder / f"{key}.crt").exists()]


def _written(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
    path.chmod(0o600)
