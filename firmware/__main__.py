"""`python -m firmware`: build, sign, encrypt, inspect, verify and approve bundles, on any machine. Exit code 0: done; 1: refused; 2: called wrongly."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import approval, building, openssl, trust
from .authority import Authority
from .bundle import Bundle, Recipient, check, looked_at
from .refusals import Refused
from .release import PARTS, Release, uuids_of
from .trust import Box, grouped

DAY: int = 86_400


def program() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m firmware", description="Bundles of releases; see firmware/README.md."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("build", help="make a bundle from the parts of an image")
    for part in PARTS:
        if part != "release":
            one.add_argument(f"--{part}", type=Path, required=part != "revoked", help=PARTS[part][0])
    one.add_argument("--version", required=True)
    one.add_argument("--product", default="casemate")
    one.add_argument("--root-hash", required=True, help="of the root file system, as systemd-repart prints it")
    one.add_argument("--signature-uuid", required=True, help="of the signature's partition")
    one.add_argument("--built", type=int, default=int(os.environ.get("SOURCE_DATE_EPOCH", "0")), help="Unix seconds")
    one.add_argument("--hardware", action="append", required=True, help="pattern like x86_64-uefi-*; may be repeated")
    one.add_argument("--needs", default="0", help="oldest release that this one goes over")
    one.add_argument("--floor", default="0", help="nothing older is installed afterwards")
    one.add_argument("--until", type=int, default=0, help="Unix seconds; the last moment it may be installed")
    one.add_argument("--tries", type=int, default=3, help="starts in which it has to prove itself")
    one.add_argument("--format", choices=("verity", "crypt"), default="verity")
    one.add_argument("out", type=Path)
    two = commands.add_parser("sign", help="sign the same content by another key: the release key in its token")
    two.add_argument("bundle", type=Path)
    two.add_argument("out", type=Path)
    two.add_argument("--keyring", type=Path, required=True, help="certificates of who signed it before")
    five = commands.add_parser("approve", help="sign a bundle for the bank; writes BUNDLE.approval")
    five.add_argument("bundle", type=Path)
    five.add_argument("--box", action="append", default=[], help="serial number; may be repeated  [every box]")
    five.add_argument("--days", type=int, default=7, help="how long it counts")
    for signing in (one, two, five):
        signing.add_argument("--certificate", type=Path, required=True)
        signing.add_argument(
            "--key", required=True, help="file, or pkcs11: URI (CASEMATE_PKCS11_MODULE, CASEMATE_PIN_FILE)"
        )
    three = commands.add_parser("encrypt", help="encrypt a bundle of the format crypt to the banks that may open it")
    three.add_argument("bundle", type=Path)
    three.add_argument("out", type=Path)
    three.add_argument("--keyring", type=Path, required=True)
    three.add_argument("--to", type=Path, required=True, help="PEM certificates of the banks")
    four = commands.add_parser("inspect", help="show what a bundle says of itself and who signed it; decides nothing")
    six = commands.add_parser("verify", help="check everything that a box would check before it installs")
    six.add_argument("--product", default="casemate")
    six.add_argument("--hardware", required=True)
    six.add_argument("--serial", default="")
    six.add_argument("--version", default="0", help="release that runs")
    six.add_argument("--floor", default="0")
    six.add_argument("--officers", type=Path, help="folder with authority/*.pem of the bank's officers")
    six.add_argument("--officers-needed", type=int, default=0)
    for reading in (four, six):
        reading.add_argument("bundle", type=Path)
        reading.add_argument("--trust", type=Path, required=True, help="folder with authority/*.pem and revoked.crl")
        reading.add_argument("--json", action="store_true")
    for reading in (four, five, six):
        reading.add_argument("--recipient-certificate", type=Path)
        reading.add_argument("--recipient-key")
    return parser


def _build(a: argparse.Namespace) -> int:
    root, verity = uuids_of(a.root_hash)
    said = Release(
        product=a.product,
        version=a.version,
        built=a.built or int(a.root.stat().st_mtime),
        hardware=tuple(a.hardware),
        needs=a.needs,
        floor=a.floor,
        until=a.until,
        tries=a.tries,
        root_hash=a.root_hash,
        uuids={"root": root, "verity": verity, "signature": a.signature_uuid},
    )
    parts = {p: getattr(a, p) for p in PARTS if p != "release" and getattr(a, p) is not None}
    building.build(parts, said, a.format, building.Key(a.certificate, a.key), a.out)
    print(f"{a.out}: {said.product} {said.version}, {a.out.stat().st_size >> 20} MiB")
    return 0


def _sign(a: argparse.Namespace) -> int:
    building.resign(a.bundle, building.Key(a.certificate, a.key), a.keyring, a.out)
    print(f"{a.out}: signed")
    return 0


def _encrypt(a: argparse.Namespace) -> int:
    building.encrypt(a.bundle, a.keyring, a.to, a.out)
    print(f"{a.out}: encrypted")
    return 0


def _recipient(a: argparse.Namespace) -> Recipient | None:
    return Recipient(a.recipient_certificate, a.recipient_key) if a.recipient_certificate and a.recipient_key else None


def _approve(a: argparse.Namespace) -> int:
    """The officer sees what is signed before it is."""
    with Bundle(a.bundle, _recipient(a)) as bundle:
        if not bundle.matches:
            raise Refused("signature_wrong")
        signed = bundle.manifest()
        trust.payload(bundle.payload(signed), signed)
    text = approval.made(signed.root_hash, a.box or ["*"], int(time.time()) + a.days * DAY)
    taken = [p.name for p in a.bundle.parent.iterdir() if p.name.startswith(f"{a.bundle.name}.approval")]
    out = a.bundle.with_name(f"{a.bundle.name}.approval" + (f"-{len(taken) + 1}" if taken else ""))
    out.write_bytes(openssl.signed(text, a.certificate, a.key))
    print(f"{out}: {signed.product} {signed.version}, content {grouped(signed.root_hash)[:39]} ..., {a.days} days")
    return 0


def _inspect(a: argparse.Namespace) -> int:
    with Bundle(a.bundle, _recipient(a)) as bundle:
        signature, signed, said, notes = looked_at(bundle, Authority.at(a.trust))
        encrypted = bundle.encrypted
    who = signature.signers[0]
    told = {
        "product": signed.product,
        "version": signed.version,
        "format": signed.format,
        "encrypted": encrypted,
        "signer": who.name,
        "fingerprint": who.fingerprint,
        "trusted": who.trusted and not who.revoked,
        "content": signed.root_hash,
        "hardware": list(said.hardware),
        "needs": said.needs,
        "floor": said.floor,
        "until": said.until,
        "built": said.built,
        "parts": {name: image.size for name, image in signed.images.items()},
        "notes": notes.decode("utf-8", "replace"),
    }
    if a.json:
        print(json.dumps(told, indent=1))
        return 0
    for name, value in told.items():
        if name == "notes":
            print("notes\n" + "\n".join(f"  {line}" for line in str(value).splitlines()))
        elif isinstance(value, dict):
            print(name + "".join(f"\n  {part:<12}{octets:>12}" for part, octets in value.items()))
        else:
            print(f"{name:<12}{grouped(str(value)) if name == 'fingerprint' else value}")
    print("\nthe signature is arithmetic only: `verify` reads the content and says whether a box takes it")
    return 0


def _verify(a: argparse.Namespace) -> int:
    authority = Authority.at(a.trust)
    with Bundle(a.bundle, _recipient(a)) as bundle:
        box = Box(a.product, a.hardware, a.serial, a.version, a.floor, int(time.time()), a.officers_needed)
        officers = Authority.at(a.officers) if a.officers else Authority([])
        approvals = [approval.read(octets, officers) for octets in approval.beside(a.bundle)]
        found = check(bundle, authority, box, approvals)
    told = {"version": found.release.version, "signer": found.signer.name, "fingerprint": found.signer.fingerprint}
    print(json.dumps(told) if a.json else f"{told['version']}: may be installed; signed by {told['signer']}")
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command."""
    a = program().parse_args(words)
    acts = {
        "build": _build,
        "sign": _sign,
        "encrypt": _encrypt,
        "approve": _approve,
        "inspect": _inspect,
        "verify": _verify,
    }
    try:
        return acts[a.command](a)
    except Refused as e:
        if getattr(a, "json", False):
            print(json.dumps({"refused": e.code, "message": e.sentence, "hint": e.hint}))
        else:
            print(f"refused: {e.sentence} [{e.code}]\n  {e.hint}", file=sys.stderr)
        return 1
    except (openssl.Tool, OSError, ValueError) as e:
        print(f"firmware: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
