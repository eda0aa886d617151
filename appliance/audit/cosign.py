"""The witness's own program, alone: checks that an audit log only grew since the last time, and cosigns its checkpoint.

    python cosign.py new --name officer.bank.example --key officer.key          a key pair; prints the line for the appliance
    python cosign.py sign REQUEST --log-key VKEY --name NAME --key officer.key    checks REQUEST and cosigns it

Runs on any PC with Python 3.11 and the `cryptography` package; of the appliance it imports nothing, and it opens no network
connection. REQUEST comes from the appliance (`casemate audit request`): the body of C2SP tlog-witness's add-checkpoint, which
is the size that was cosigned last, the proof that the log only grew since then, and its newest checkpoint. What was cosigned
last is kept in a folder of the witness's own (--state): a log that does not continue it is never cosigned.
The cosignature is C2SP tlog-cosignature: Ed25519 (0x04) or, with a key made by `new --ml-dsa`, ML-DSA-44 (0x06). With --module
the key is an Ed25519 key on a smartcard or another PKCS#11 token (package `python-pkcs11`), and --key is its label there.
Exit code: 0 cosigned, 1 refused because the log does not hold, 2 the command was wrong.
"""

import argparse
import base64
import getpass
import hashlib
import os
import re
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LOG, ED25519, ML_DSA = 1, 4, 6  # key types of C2SP signed-note
EDWARDS25519 = b"\x13\x0cedwards25519"  # EC_PARAMS of an Ed25519 key, PKCS#11 v3.0 section 2.3.10


class Refused(Exception):
    """The log does not hold what it should: nothing is cosigned."""


class Wrong(Exception):
    """The command or a file of one's own is wrong."""


class Checkpoint(NamedTuple):
    """A checkpoint whose signature was checked. `text`: what is signed; `note`: with its signatures."""

    origin: str
    size: int
    root: bytes
    text: str
    note: str


class Signer(NamedTuple):
    """A witness's key: its type, its public part and how it signs."""

    kind: int
    public: bytes
    sign: Callable[[bytes], bytes]


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text: str) -> bytes:
    """Standard base64, and only the one spelling of it."""
    try:
        octets = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        octets = b""
    if base64.b64encode(octets).decode() != text:
        raise Refused("a part of it is not base64 in its usual spelling")
    return octets


def key_id(name: str, kind: int, key: bytes) -> bytes:
    return sha256(name.encode(), b"\n", bytes([kind]), key)[:4]


def vkey(name: str, kind: int, key: bytes) -> str:
    """The line that makes a key known: NAME+ID+KEY of C2SP signed-note."""
    return f"{name}+{key_id(name, kind, key).hex()}+{base64.b64encode(bytes([kind]) + key).decode()}"


def read_checkpoint(note: str, log_key: str) -> Checkpoint:
    """Checks the log's signature (C2SP signed-note, tlog-checkpoint). Raises Refused."""
    name, number, coded = [*log_key.split("+", 2), "", ""][:3]
    raw = unbase64(coded)
    if raw[:1] != bytes([LOG]) or len(raw) != 33 or key_id(name, LOG, raw[1:]).hex() != number:
        raise Wrong("--log-key is not the Ed25519 key of a log: NAME+ID+KEY")
    text, blank, lines = note.rpartition("\n\n")
    said = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n(\S+)(\n[^\n]+)*", text, re.ASCII)
    if not blank or not said or not lines.endswith("\n"):
        raise Refused("there is no checkpoint in it")
    genuine = False
    for line in lines[:-1].split("\n"):
        match = re.fullmatch("\u2014 ([^ +]+) ([^ ]+)", line)
        signature = unbase64(match[2]) if match else b""
        if not match:
            raise Refused("a signature line of the checkpoint is malformed")
        if match[1] == name and signature[:4].hex() == number:
            try:
                Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature[4:], f"{text}\n".encode())
            except (InvalidSignature, ValueError):
                raise Refused("the checkpoint is not what the log's key signed") from None
            genuine = True
    if not genuine:
        raise Refused("the checkpoint is not signed by the log's key that you gave")
    return Checkpoint(said[1], int(said[2]), unbase64(said[3]), f"{text}\n", note)


def extends(old: int, old_root: bytes, size: int, root: bytes, proof: list[bytes]) -> bool:
    """Whether the tree of `size` begins with the tree of `old`: RFC 9162 section 2.1.4.2."""
    if old == size or old == 0:
        return not proof and (old == 0 or old_root == root)
    if old > size or not proof:
        return False
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for p in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = sha256(b"\x01", p, before), sha256(b"\x01", p, after)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = sha256(b"\x01", after, p)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old_root and after == root


def check(request: str, log_key: str, last: Checkpoint | None) -> Checkpoint:
    """The checkpoint of a request that continues `last`, the one cosigned before. Raises Refused."""
    head, blank, note = request.partition("\n\n")
    old_line, *proof = head.split("\n")
    match = re.fullmatch("old (0|[1-9][0-9]{0,17})", old_line, re.ASCII)
    if not match or not blank or len(proof) > 63:
        raise Refused("it is not a request: `old N`, a proof, an empty line, a checkpoint")
    checkpoint, old = read_checkpoint(note, log_key), int(match[1])
    known = last.size if last else 0
    if last and last.origin != checkpoint.origin:
        raise Refused(f"it is of the log {checkpoint.origin}; cosigned before was {last.origin}")
    if checkpoint.size < known:
        raise Refused(
            f"the log has {checkpoint.size} entries, and had {known} when it was cosigned last: entries are gone"
        )
    if old != known:
        raise Wrong(
            f"the request begins at {old}; {known} entries were cosigned last: `casemate audit request --old {known}`"
        )
    if not extends(known, last.root if last else b"", checkpoint.size, checkpoint.root, [unbase64(p) for p in proof]):
        raise Refused(f"the log does not continue the {known} entries that were cosigned last: it was rewritten")
    if checkpoint.size == 0:
        raise Refused("the log is empty")
    return checkpoint


def line_of(checkpoint: Checkpoint, name: str, signer: Signer, at: int) -> str:
    """The signature line of a cosignature at POSIX time `at` (C2SP tlog-cosignature)."""
    stamp = struct.pack(">Q", at)
    if signer.kind == ML_DSA:
        who, origin = name.encode(), checkpoint.origin.encode()
        message = b"subtree/v1\n\0" + bytes([len(who)]) + who + stamp + bytes([len(origin)]) + origin
        message += bytes(8) + struct.pack(">Q", checkpoint.size) + checkpoint.root
    else:
        message = f"cosignature/v1\ntime {at}\n{checkpoint.text}".encode()
    signed = key_id(name, signer.kind, signer.public) + stamp + signer.sign(message)
    return f"\u2014 {name} {base64.b64encode(signed).decode()}\n"


# --- keys ---------------------------------------------------------------------------------------------------------


def new_key(path: Path, passphrase: bytes, ml_dsa: bool) -> Signer:
    """Makes a key file (PKCS #8, encrypted) that is there only once."""
    key: Any = Ed25519PrivateKey.generate()
    if ml_dsa:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        key = MLDSA44PrivateKey.generate()
    sealed = serialization.BestAvailableEncryption(passphrase)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
        f.write(pem)
    return signer_of(key)


def signer_of(key: Any) -> Signer:
    kind = ED25519 if isinstance(key, Ed25519PrivateKey) else ML_DSA
    return Signer(kind, key.public_key().public_bytes_raw(), key.sign)


def file_signer(path: Path, passphrase: bytes) -> Signer:
    """The key of a file. Raises Wrong when it cannot be read."""
    try:
        return signer_of(serialization.load_pem_private_key(path.read_bytes(), passphrase))
    except (OSError, ValueError, TypeError) as e:
        raise Wrong(f"the key {path} cannot be read: {e}") from None


def token_signer(module: str, token: str, label: str, pin: str) -> Signer:
    """An Ed25519 key on a smartcard or HSM. Raises Wrong when it is not there."""
    try:
        import pkcs11
    except ImportError:
        raise Wrong("--module needs the package `python-pkcs11`") from None
    try:
        session = pkcs11.lib(module).get_token(token_label=token).open(user_pin=pin)
        kind = pkcs11.KeyType.EC_EDWARDS
        private: Any = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, key_type=kind, label=label)
        public = session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, key_type=kind, label=label)
        point = bytes(public[pkcs11.Attribute.EC_POINT])[-32:]
    except pkcs11.PKCS11Error as e:
        raise Wrong(f"the token does not give the key {label}: {type(e).__name__}") from None
    return Signer(ED25519, point, lambda message: bytes(private.sign(message, mechanism=pkcs11.Mechanism.EDDSA)))


# --- what was cosigned last ---------------------------------------------------------------------------------------


def state_file(folder: Path, origin: str) -> Path:
    return folder / f"{sha256(origin.encode()).hex()}.checkpoint"


def remember(path: Path, note: str) -> None:
    """Durable before the cosignature leaves: otherwise a crash could make the witness forget what it said."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    with open(draft, "w", encoding="utf-8") as f:
        f.write(note)
        f.flush()
        os.fsync(f.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def given_text(given: str) -> str:
    """A line from the command line, or from the file that is named there."""
    return Path(given).read_text("utf-8").strip() if Path(given[:200]).is_file() else given


def _secret(file: str | None, what: str, again: bool = False) -> str:
    if file:
        return Path(file).read_text("utf-8").strip()
    secret = getpass.getpass(f"{what}: ")
    if again and getpass.getpass(f"{what}, again: ") != secret:
        raise Wrong("the two are not the same")
    if not secret:
        raise Wrong(f"without a {what} nothing is signed")
    return secret


def sign(given: argparse.Namespace) -> str:
    """Checks the request, remembers it, cosigns it. Returns what is to be said."""
    log_key = given_text(given.log_key)
    request = Path(given.request).read_text("utf-8")
    kept = state_file(Path(given.state), log_key.split("+")[0])
    last = read_checkpoint(kept.read_text("utf-8"), log_key) if kept.exists() else None
    checkpoint = check(request, log_key, last)
    if given.module:
        signer = token_signer(given.module, given.token or "", given.key, _secret(given.pin_file, "PIN"))
    else:
        signer = file_signer(Path(given.key), _secret(given.pin_file, "passphrase").encode())
    line = line_of(checkpoint, given.name, signer, int(time.time()))
    remember(kept, checkpoint.note)
    out = Path(given.out or f"{given.request}.cosigned")
    out.write_text(checkpoint.note + line, "utf-8")
    since = (
        f"since the {last.size} entries cosigned before" if last else "as far as is known: it was not cosigned before"
    )
    return (
        f"{checkpoint.origin}: {checkpoint.size} entries; the log only grew {since}\n"
        f"cosigned checkpoint in {out}: keep a copy, bring the other to the appliance (`casemate audit cosigned {out.name}`)\n"
        f"your key: {vkey(given.name, signer.kind, signer.public)}"
    )


def make(given: argparse.Namespace) -> str:
    signer = new_key(Path(given.key), _secret(given.pin_file, "passphrase", True).encode(), given.ml_dsa)
    return f"for the appliance's setting audit.witnesses, and for verify.py --witness:\n{vkey(given.name, signer.kind, signer.public)}"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cosign.py", description="Checks an audit log's growth and cosigns its checkpoint."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    made, signed = (
        commands.add_parser("new", help="make a key pair"),
        commands.add_parser("sign", help="check and cosign"),
    )
    signed.add_argument("request", help="from `casemate audit request`")
    signed.add_argument("--log-key", required=True, help="the log's key you were given, a line or a file")
    signed.add_argument(
        "--state", default=str(Path.home() / ".casemate-witness"), help="folder of what was cosigned last"
    )
    signed.add_argument("--out", help="where the cosigned checkpoint goes  [default: REQUEST.cosigned]")
    signed.add_argument("--module", help="PKCS#11 library of the smartcard; then --key is the label of the key on it")
    signed.add_argument("--token", help="label of the smartcard")
    made.add_argument("--ml-dsa", action="store_true", help="ML-DSA-44 instead of Ed25519")
    for each in (made, signed):
        each.add_argument("--name", required=True, help="of the witness, without spaces and plus: officer.bank.example")
        each.add_argument("--key", required=True, help="file of the key")
        each.add_argument("--pin-file", help="file that holds the passphrase or PIN  [default: it is asked for]")
    return parser


def main(words: list[str] | None = None) -> int:
    given = arguments().parse_args(words)
    try:
        if not re.fullmatch(r"[^\s+]{1,255}", given.name):
            raise Wrong("--name holds a space or a plus")
        print(make(given) if given.command == "new" else sign(given))
    except Refused as e:
        print(f"NOT COSIGNED: {e}", file=sys.stderr)
        return 1
    except (Wrong, OSError, ImportError) as e:
        print(f"cannot cosign: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
