"""What an officer of the bank signs: one bundle, for named boxes, until a moment, once. A CMS that holds a short JSON text.

Lies beside the bundle as `NAME.approval`, `NAME.approval-2` and so on. The officers' certificates are a setting of the box; what they
are issued by does not matter, because each is named.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from . import openssl
from .authority import Authority
from .refusals import Refused
from .trust import APPROVALS_MAX, Approval, Signer

FORM: Final = "casemate firmware approval 1"
OCTETS_MAX: Final = 64 * 1024
_NONCE: Final = re.compile(r"[0-9a-f]{32}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
NOBODY: Final = Signer("nobody", "0" * 64, 0, 0, 0, False, False)


def made(bundle: str, boxes: Sequence[str], until_s: int) -> bytes:
    """The text to sign, over the bundle with this root hash."""
    said = {"form": FORM, "bundle": bundle, "boxes": list(boxes), "until": until_s, "nonce": secrets.token_hex(16)}
    return (json.dumps(said, sort_keys=True) + "\n").encode("ascii")


def read(cms: bytes, officers: Authority) -> Approval:
    """What a file says. One that cannot be read or was changed is an Approval that does not match: it is refused, not passed over."""
    if len(cms) > OCTETS_MAX or openssl.kind_of(cms) != openssl.SIGNED:
        return _wrong(NOBODY)
    content, signers, _, matches = openssl.verified(cms)
    if not matches or len(signers) != 1:
        return _wrong(NOBODY)
    # Each officer's certificate is named by the settings: what it was issued for is the bank's own business.
    who = officers.signer(signers[0])._replace(signs_code=True)
    try:
        said: dict[str, Any] = json.loads(content)
        boxes = tuple(str(b) for b in said["boxes"])
        found = Approval(who, True, str(said["bundle"]), boxes, int(said["until"]), str(said["nonce"]))
    except (ValueError, KeyError, TypeError):
        return _wrong(who)
    if said.get("form") != FORM or not _HASH.fullmatch(found.bundle) or not _NONCE.fullmatch(found.nonce):
        return _wrong(who)
    return found


def _wrong(who: Signer) -> Approval:
    return Approval(who, False, "", (), 0, "")


def beside(bundle: Path) -> list[bytes]:
    """The approvals that lie beside a bundle. Raises Refused `bank_wrong` for more than there can be."""
    found = sorted(p for p in bundle.parent.iterdir() if p.name.startswith(f"{bundle.name}.approval"))
    if len(found) > APPROVALS_MAX:
        raise Refused("bank_wrong", f"more than {APPROVALS_MAX} files")
    out = []
    for path in found:
        with path.open("rb") as file:
            out.append(file.read(OCTETS_MAX + 1))
    return out
