"""The certificate of an erasure: what was erased where, by whom, when and why; signed by the HSM, its digest on the audit log. Pure but for its files.

It is checked with the log's public key by `casemate subject verify-certificate`, or with openssl alone:

    openssl pkeyutl -verify -pubin -inkey verifier.pem -rawin -in certificate.json -sigfile certificate.sig
    python verify.py entry.tlog-proof --key verifier.vkey      (of any exported log; it shows the digest)
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.audit import commands
from appliance.clock import rfc3339
from appliance.errors import Error

KIND: Final = "erasure certificate v1"
JSON, SIGNATURE, TEXT, PROOF = "certificate.json", "certificate.sig", "certificate.txt", "entry.tlog-proof"
VKEY, PEM = "verifier.vkey", "verifier.pem"
KEPT: Final = (
    "of each message: id, times, class, segments, price, sender, country, link and what became of it, under `stands_for`;"
    " wishes to be left alone, under the blind index; the audit log, which never had the number"
)
KEY_TEXT: Final = "HMAC-SHA256 under 32 octets of the HSM's random generator that were used once and never kept"


def body_of(fields: dict[str, Any]) -> bytes:
    """The JSON that is signed. Its first field says what it is, so that no signature of another purpose fits it."""
    return json.dumps({"casemate": KIND, "kept": KEPT, "key": KEY_TEXT, **fields}, ensure_ascii=True).encode()


def fields_of(
    box: str,
    erasure: int,
    stands_for: bytes,
    persons: dict[str, str],
    times: dict[str, int],
    places: dict[str, Any],
    days: Any,
) -> dict[str, Any]:
    """`places`: store -> what was erased there, how often; `days`: the first and the last that were looked through, or None."""
    return {
        "box": box,
        "erasure": erasure,
        "stands_for": stands_for.hex(),
        **persons,
        **{name: rfc3339(at_ms) for name, at_ms in times.items()},
        "days": days,
        "erased": places,
    }


def text_of(body: bytes) -> str:
    """The same for a person to read."""
    said = json.loads(body)
    lines = [
        "CERTIFICATE OF ERASURE (GDPR article 17)",
        "",
        f"appliance      {said['box']}",
        f"erasure        {said['erasure']}, request {said['request']}",
        f"asked for by   {said['asked_by']}",
        f"approved by    {said['approved_by']}",
        f"done by        {said['done_by']}",
        f"reason         {said['reason']}",
        f"begun          {said['begun_at']}",
        f"finished       {said['finished_at']}",
        f"days           {' to '.join(said['days']) if said['days'] else 'none'}",
        f"stands for     {said['stands_for']}: the person, where records were kept",
        f"               {said['key']}",
        "",
        "erased",
    ]
    for place, counts in said["erased"].items():
        told = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing was there"
        lines.append(f"  {place:13}{told}")
    lines += ["", f"kept           {said['kept']}", f"copies         {said['copies']}", ""]
    lines += [f"SHA-256 of {JSON}: {hashlib.sha256(body).hexdigest()}", ""]
    return "\n".join(lines)


def key_of(vkey: str) -> bytes:
    """The Ed25519 key of a log's vkey (C2SP signed-note). Raises ValueError."""
    octets = base64.b64decode(vkey.split("+", 2)[2], validate=True) if vkey.count("+") >= 2 else b""
    if len(octets) != 33 or octets[0] != 1:
        raise ValueError("no Ed25519 key of a log")
    return octets[1:]


def write(folder: Path, body: bytes, signature: bytes, proof: str, vkey: str) -> None:
    """Writes the files into a new folder. Raises Error `file_invalid` when it is there."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as e:
        raise Error("file_invalid", f"{folder.name} cannot be made: {e.strerror}", "name a new folder") from None
    key = key_of(vkey)
    pem = Ed25519PublicKey.from_public_bytes(key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    files = {JSON: body, SIGNATURE: signature, TEXT: text_of(body).encode(), PROOF: proof.encode()}
    for name, octets in {**files, VKEY: f"{vkey}\n".encode(), PEM: pem}.items():
        (folder / name).write_bytes(octets)


def verify(given: Path, vkey: str | None) -> tuple[dict[str, Any], list[str]]:
    """What a certificate says, and what was found to be right about it; `given`: the folder, or its certificate.json.

    `vkey`: the key you were given; else the folder's own is believed. Raises Error `audit_invalid`, `file_invalid`.
    """
    folder = given if given.is_dir() else given.parent
    try:
        body, signature = (folder / JSON).read_bytes(), (folder / SIGNATURE).read_bytes()
        line = vkey if vkey is not None else (folder / VKEY).read_text(encoding="utf-8").strip()
        key = key_of(line)
        said = json.loads(body)
        if said["casemate"] != KIND:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise Error(
            "file_invalid", "that is no certificate of erasure", f"a folder with {JSON} and {SIGNATURE}"
        ) from None
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, body)
    except InvalidSignature:
        raise Error("audit_invalid", "the certificate was changed, or another key signed it") from None
    found = [
        "signed by "
        + line
        + ("" if vkey is not None else " (the folder's own key: compare it with the one you were given)")
    ]
    if (folder / TEXT).exists() and (folder / TEXT).read_text(encoding="utf-8") != text_of(body):
        raise Error("audit_invalid", f"{TEXT} says something else than {JSON}, which is what was signed")
    found.append(_on_the_log(folder / PROOF, hashlib.sha256(body).hexdigest(), line))
    return said, found


def _on_the_log(file: Path, digest: str, vkey: str) -> str:
    """That the audit log has an entry with this digest. Raises Error `audit_invalid`."""
    try:
        report = commands.verify(file, vkey).result
        (remark,) = (line for line in report["remarks"] if line.startswith("entry "))
        entry = json.loads(remark.split("  ", 1)[1])
        right = (entry["what"], entry["detail"]["digest"]) == ("subject.erased", digest)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise Error(
            "audit_invalid", f"{file.name} proves nothing: {type(e).__name__}", "export the certificate again"
        ) from None
    if not right:
        raise Error("audit_invalid", f"{file.name} is about another certificate", "export the certificate again")
    return f"{remark.split('  ', 1)[0]} of the audit log of {report['size']} entries has its digest"
