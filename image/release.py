"""The release folder: image, kernel, list of components (CycloneDX 1.6 and a licence list), checksums and their signature."""

from __future__ import annotations

import json
import re
import shutil
import uuid
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

from image import debian
from image.debian import sha256_of
from image.running import output_of
from image.stages import WORK, Bench, packed
from image.trees import Tree


def components(root: Tree, wheels: list[Path], debs: Path, locked: list[debian.Locked]) -> list[dict[str, Any]]:
    """What is in the root: every Debian and Python package with version, hash, package URL and licences as far as they are declared."""
    out = []
    for package in (p for p in locked if p.tree == "root"):
        copyright_file = root.path / f"usr/share/doc/{package.name}/copyright"
        licences = sorted(set(re.findall(r"^License: *(\S.*)$", _text(copyright_file), re.M)))
        purl = f"pkg:deb/debian/{package.name}@{package.version}?arch=amd64&distro=debian-13"
        out.append(_component(package.name, package.version, purl, package.sha256, licences))
    for wheel in wheels:
        said = _metadata(wheel)
        licences = [said["License-Expression"] or said["License"] or ""]
        name = str(said["Name"]).lower()
        purl = f"pkg:pypi/{name}@{said['Version']}"
        out.append(_component(name, str(said["Version"]), purl, sha256_of(wheel), licences))
    return out


def _component(name: str, version: str, purl: str, sha256: str, licences: list[str]) -> dict[str, Any]:
    named = [{"license": {"name": text[:200]}} for text in licences if text]
    hashes = [{"alg": "SHA-256", "content": sha256}]
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl,
        "bom-ref": purl,
        "hashes": hashes,
        "licenses": named,
    }


def _metadata(wheel: Path) -> Any:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def root_hash(parts: list[dict[str, Any]]) -> str:
    return str(next(p["roothash"] for p in parts if p.get("roothash")))


def write(
    bench: Bench, out: Path, raw: Path, listed: list[dict[str, Any]], parts: list[dict[str, Any]], compress: bool
) -> None:
    """Puts the release into `out`, made anew; SHA256SUMS last, so that a folder without it is not a release."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    shutil.move(raw, out / raw.name)
    stem = raw.name.removesuffix(".raw")
    if compress:
        packed(out / raw.name)
    shutil.copyfile(bench.work / f"{bench.recipe.id}_{bench.version}.efi", out / f"{stem}.efi")
    bom: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.UUID(bench.recipe.seed), root_hash(parts))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "operating-system",
                "name": "casemate",
                "version": bench.version,
                "bom-ref": "casemate",
            }
        },
        "components": sorted(listed, key=lambda c: c["purl"]),
    }
    (out / f"{stem}.cdx.json").write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    licences = [
        f"{c['name']} {c['version']}: {', '.join(x['license']['name'] for x in c['licenses']) or 'see its copyright file'}"
        for c in bom["components"]
    ]
    (out / f"{stem}.licences.txt").write_text("\n".join(licences) + "\n", encoding="utf-8")
    (out / f"{stem}.roothash").write_text(root_hash(parts) + "\n", encoding="ascii")
    for key in ("PK", "KEK", "db", "root"):
        shutil.copyfile(bench.signer.folder / f"{key}.crt", out / f"{stem}.{key}.crt")
    sums = [f"{sha256_of(path)}  {path.name}" for path in sorted(out.iterdir())]
    (bench.work / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="ascii")
    words = [
        "cms",
        "-sign",
        "-binary",
        "-outform",
        "DER",
        "-md",
        "sha256",
        "-nosmimecap",
        "-in",
        f"{WORK}/SHA256SUMS",
        "-out",
        f"{WORK}/SHA256SUMS.p7s",
    ]
    bench.inside("openssl", *words, "-signer", bench.signer.certificate("root"), "-inkey", bench.signer.uri("root"))
    shutil.copyfile(bench.work / "SHA256SUMS.p7s", out / "SHA256SUMS.p7s")
    shutil.copyfile(bench.work / "SHA256SUMS", out / "SHA256SUMS")
    output_of(["sync", "-f", str(out)])
