"""What is in the image, by name, version, hash and licence: one list, written as CycloneDX 1.6, as SPDX 2.3 and for people."""

from __future__ import annotations

import re
import uuid
import zipfile
from datetime import UTC, datetime
from email.parser import Parser
from pathlib import Path
from typing import Any, NamedTuple

from image import debian
from image.debian import sha256_of
from image.trees import Tree


class Component(NamedTuple):
    """A Debian or a Python package. `licences` as they are declared there, none where nothing is declared."""

    name: str
    version: str
    purl: str  # package URL (ECMA-427)
    sha256: str
    licences: tuple[str, ...]


def components(root: Tree, wheels: list[Path], debs: Path, locked: list[debian.Locked]) -> list[Component]:
    """Every package of the root, by package URL."""
    out = []
    for package in (p for p in locked if p.tree == "root"):
        text = _text(root.path / f"usr/share/doc/{package.name}/copyright")
        licences = tuple(sorted(set(re.findall(r"^License: *(\S.*)$", text, re.M))))
        purl = f"pkg:deb/debian/{package.name}@{package.version}?arch=amd64&distro=debian-13"
        out.append(Component(package.name, package.version, purl, package.sha256, licences))
    for wheel in wheels:
        said = _metadata(wheel)
        licence = str(said["License-Expression"] or said["License"] or "")
        name, version = str(said["Name"]).lower(), str(said["Version"])
        out.append(
            Component(name, version, f"pkg:pypi/{name}@{version}", sha256_of(wheel), (licence,) if licence else ())
        )
    return sorted(out, key=lambda c: c.purl)


def cyclonedx(listed: list[Component], version: str, seed: str, digest: str) -> dict[str, Any]:
    """The list as CycloneDX 1.6 (ECMA-424). `digest` is the root's hash: the same root has the same serial number."""
    self = {"type": "operating-system", "name": "casemate", "version": version, "bom-ref": "casemate"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.UUID(seed), digest)}",
        "version": 1,
        "metadata": {"component": self},
        "components": [
            {
                "type": "library",
                "name": c.name,
                "version": c.version,
                "purl": c.purl,
                "bom-ref": c.purl,
                "hashes": [{"alg": "SHA-256", "content": c.sha256}],
                "licenses": [{"license": {"name": text[:200]}} for text in c.licences],
            }
            for c in listed
        ],
    }


def spdx(listed: list[Component], version: str, seed: str, digest: str, epoch: int) -> dict[str, Any]:
    """The list as SPDX 2.3 (ISO/IEC 5962). Licences go into comments: Debian's copyright files name them in their own words."""
    image = {"SPDXID": "SPDXRef-casemate", "name": "casemate", "versionInfo": version, **UNSAID}
    packages = [
        {
            "SPDXID": f"SPDXRef-{number}",
            "name": c.name,
            "versionInfo": c.version,
            **UNSAID,
            "checksums": [{"algorithm": "SHA256", "checksumValue": c.sha256}],
            "externalRefs": [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": c.purl}
            ],
            **({"licenseComments": "; ".join(c.licences)} if c.licences else {}),
        }
        for number, c in enumerate(listed, 1)
    ]
    contains = [_related("SPDXRef-casemate", "CONTAINS", str(p["SPDXID"])) for p in packages]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"casemate-{version}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.UUID(seed), 'spdx ' + digest)}",
        "creationInfo": {
            "created": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: casemate-image"],
        },
        "packages": [image, *packages],
        "relationships": [_related("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-casemate"), *contains],
    }


#: What SPDX wants said of every package and nobody has looked into.
UNSAID = {
    "downloadLocation": "NOASSERTION",
    "filesAnalyzed": False,
    "licenseConcluded": "NOASSERTION",
    "licenseDeclared": "NOASSERTION",
    "copyrightText": "NOASSERTION",
}


def _related(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def licences(listed: list[Component]) -> str:
    """A line a package, for people."""
    return "".join(f"{c.name} {c.version}: {', '.join(c.licences) or 'see its copyright file'}\n" for c in listed)


def _metadata(wheel: Path) -> Any:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
