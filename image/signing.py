"""Who signs: keys in a PKCS#11 token. By default development keys in a SoftHSM token of the builder's own, made on the first build.

Private keys never leave the token. Certificates and the token are in `image/keys/`, which git ignores: whoever loses it has other keys, and an
image signed with them says so at sign-in.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

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
pkcs11-module-path = {MODULE}
pkcs11-module-token-pin = file:{IN_TREE}/pin
pkcs11-module-quirks = no-deinit
activate = 1
[req]
distinguished_name = dn
[dn]
"""


@dataclass(frozen=True)
class Signer:
    """A folder with a token, certificates and the settings that OpenSSL needs, as seen from the builder and from inside the tools."""

    folder: Path
    development: bool = True

    @property
    def env(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": f"{IN_TREE}/softhsm2.conf", "OPENSSL_CONF": f"{IN_TREE}/openssl.cnf"}

    def uri(self, key: str) -> str:
        return f"pkcs11:token={TOKEN};object={key};type=private"

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
    there = [key for key in KEYS if (folder / f"{key}.crt").exists()]
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
    for name, text in (
        ("pin", secrets.token_hex(PIN_OCTETS) + "\n"),
        ("softhsm2.conf", softhsm),
        ("openssl.cnf", OPENSSL),
    ):
        (fresh / name).write_text(text, encoding="ascii")
        (fresh / name).chmod(0o600)
    pkcs11 = f'OPENSSL_CONF= pkcs11-tool --module {MODULE} --token-label {TOKEN} --login --pin "$pin" --keypairgen'
    script = [f"set -eu; pin=$(cat {IN_TREE}/pin)"]
    script += [f'OPENSSL_CONF= softhsm2-util --init-token --free --label {TOKEN} --so-pin "$pin" --pin "$pin"']
    for number, (key, (bits, subject)) in enumerate(KEYS.items(), 1):
        script.append(f"{pkcs11} --key-type rsa:{bits} --label {key} --id {number:02x}")
        subject = f"/CN={subject} (development)/"
        script.append(
            f'openssl req -new -x509 -sha256 -days {DAYS} -key "{signer.uri(key)}" -subj "{subject}" -out {IN_TREE}/{key}.crt'
        )
    steps.run(tools.words(["sh", "-c", "\n".join(script)], {fresh: IN_TREE}, signer.env))
    fresh.rename(folder)
    return signer
