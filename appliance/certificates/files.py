"""Certificates of the settings: each file that the box shows or trusts, read as it is on the disk now. Private keys are never opened here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from appliance.settings import Settings

from .item import AUTHORITY, CERTIFICATE, Item, owner_of

_SERVED: Final = "ask the bank's authority with `casemate register csr`, put the files in place, restart"
_OPERATOR: Final = "`casemate register csr`, signed as the operator asks; both files in place, then restart the engine"
_TRUSTED: Final = "the new authority's certificate beside the old one in the same file, before the other side changes"


class Slot(NamedTuple):
    """A place for a certificate: what it is called in the register, the two settings' values, what for, how replaced."""

    id: str
    kind: str
    path: str
    key: str
    purpose: str
    replaced_by: str


def slots(settings: Settings) -> list[Slot]:
    """Every place that a certificate of this box can be in; those that are not set are left out."""
    out = [
        Slot(
            "api server",
            CERTIFICATE,
            settings["api.tls_certificate"],
            settings["api.tls_key"],
            "the REST API shows it to the bank's systems",
            _SERVED,
        ),
        Slot(
            "console server",
            CERTIFICATE,
            settings["console.tls_certificate"],
            settings["console.tls_key"],
            "the console shows it to people",
            _SERVED,
        ),
        Slot(
            "door server",
            CERTIFICATE,
            settings["door.tls_certificate"],
            settings["door.tls_key"],
            "the SMPP door shows it to the bank's systems",
            _SERVED,
        ),
        Slot(
            "door authority",
            AUTHORITY,
            settings["door.client_ca"],
            "",
            "signs the certificates of the bank's systems at the SMPP door",
            _TRUSTED,
        ),
        Slot(
            "siem client",
            CERTIFICATE,
            settings["siem.tls_certificate"],
            settings["siem.tls_key"],
            "the audit log shows it to the SIEM",
            _SERVED,
        ),
        Slot("siem authority", AUTHORITY, settings["siem.tls_ca"], "", "signs the SIEM's certificate", _TRUSTED),
    ]
    return [slot for slot in (*out, *_operators(settings)) if slot.path]


def _operators(settings: Settings) -> list[Slot]:
    """The same of those whom the box connects to: links, and who is asked about numbers."""
    out: list[Slot] = []
    for link in settings.links:
        out += [
            Slot(
                f"link {link.name} client",
                CERTIFICATE,
                link.tls_certificate,
                link.tls_key,
                "shown to the operator",
                _OPERATOR,
            ),
            Slot(
                f"link {link.name} authority", AUTHORITY, link.tls_ca, "", "signs the operator's certificate", _TRUSTED
            ),
        ]
    out += [
        Slot(
            f"camara {row.prefix or 'all'} authority",
            AUTHORITY,
            row.ca,
            "",
            "signs the certificate of who is asked about numbers",
            _TRUSTED,
        )
        for row in settings.camaras
    ]
    return out


def shown(settings: Settings) -> list[str]:
    """Every place that shows a certificate of its own, whether there is one yet: what one may be asked for."""
    links = [f"link {link.name} client" for link in settings.links]
    return ["api server", "console server", "door server", "siem client", *links]


def certificates(settings: Settings) -> Iterator[Item]:
    """One item for each certificate that counts: the first of a chain, every one of an authorities' file."""
    owners = settings["register.owners"]
    for slot in slots(settings):
        found, problem = _read(Path(slot.path))
        blank = Item(
            slot.id, slot.kind, slot.purpose, owner_of(slot.id, owners), _where(slot), 0, 0, slot.replaced_by, told=True
        )
        if problem:
            yield blank._replace(problem=problem)
            continue
        counted = found[:1] if slot.kind == CERTIFICATE else found
        for n, certificate in enumerate(counted, 1):
            yield blank._replace(
                id=slot.id if len(counted) == 1 else f"{slot.id} {n}",
                created_ms=int(certificate.not_valid_before_utc.timestamp() * 1000),
                expires_ms=int(certificate.not_valid_after_utc.timestamp() * 1000),
                subject=certificate.subject.rfc4514_string(),
                fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
                problem=_mismatch(slot),
            )


def _read(path: Path) -> tuple[list[x509.Certificate], str]:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as e:
        return [], f"cannot be read ({e.strerror})"
    except ValueError:
        return [], "is no PEM certificate"
    return found, "" if found else "holds no certificate"


def _where(slot: Slot) -> str:
    return f"{slot.path}; key {slot.key}" if slot.key else slot.path


def _mismatch(slot: Slot) -> str:
    """What is wrong with where its key lies: open to others than its owner and group, or not there."""
    if not slot.key:
        return ""
    try:
        mode = Path(slot.key).stat().st_mode
    except PermissionError:
        return ""  # another process's: it is not ours to look at
    except OSError:
        return "its key's file is not there"
    return "its key's file can be read by everybody" if mode & 0o004 else ""
