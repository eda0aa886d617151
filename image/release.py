"""The release folder: image, kernel, list of components (CycloneDX, SPDX, licences), vulnerabilities, checksums and their signature."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from image import vulnerabilities
from image.components import Component, cyclonedx, licences, spdx
from image.debian import sha256_of
from image.running import output_of
from image.stages import WORK, Bench, packed


def root_hash(parts: list[dict[str, Any]]) -> str:
    return str(next(p["roothash"] for p in parts if p.get("roothash")))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def write(
    bench: Bench,
    out: Path,
    raw: Path,
    listed: list[Component],
    parts: list[dict[str, Any]],
    compress: bool,
    feed: Path | None,
) -> None:
    """Puts the release into `out`, made anew; SHA256SUMS last, so that a folder without it is not a release."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    shutil.move(raw, out / raw.name)
    stem = raw.name.removesuffix(".raw")
    if compress:
        packed(out / raw.name)
    shutil.copyfile(bench.work / f"{bench.recipe.id}_{bench.version}.efi", out / f"{stem}.efi")
    digest, seed = root_hash(parts), bench.recipe.seed
    for suffix, text in (
        ("cdx.json", _json(cyclonedx(listed, bench.version, seed, digest))),
        ("spdx.json", _json(spdx(listed, bench.version, seed, digest, bench.recipe.epoch))),
        ("licences.txt", licences(listed)),
    ):
        (out / f"{stem}.{suffix}").write_text(text, encoding="utf-8")
    if feed is not None:
        found = vulnerabilities.report(bench, feed, out / f"{stem}.vulnerabilities.txt")
        print(f"      {found} published vulnerabilities, says the data given")
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
