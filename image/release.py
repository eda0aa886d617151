"""The release folder: image, kernel, list of components (CycloneDX, SPDX, licences), vulnerabilities, checksums and their signature."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from image import vulnerabilities
from image.components import Component, cyclonedx, licences, spdx
from image.debian import sha256_of
from image.recipe import Fault
from image.running import output_of
from image.stages import WORK, Bench, packed

SUMS: Final = "SHA256SUMS"


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
    _signed(bench, out, with_sums("", {path.name: sha256_of(path) for path in out.iterdir()}))


def signer_fits(folder: Path, out: Path, stem: str) -> None:
    """Raises Fault unless the keys in `folder` are those that signed the release in `out`."""
    own, there = folder / "root.crt", out / f"{stem}.root.crt"
    if not (own.exists() and there.exists() and own.read_bytes() == there.read_bytes()):
        raise Fault("the release in image/out was signed with other keys", "name the folder of its keys: --keys FOLDER")


def added(bench: Bench, out: Path, paths: list[Path]) -> None:
    """Files that were made of a release later: into its checksums, which are signed anew."""
    before = (out / SUMS).read_text(encoding="ascii")
    _signed(bench, out, with_sums(before, {path.name: sha256_of(path) for path in paths}))


def with_sums(text: str, more: dict[str, str]) -> str:
    """A list of checksums as sha256sum(1) reads it, by name, with these (name -> digest) in place of what it said of them."""
    rows = {name: digest for digest, name in (line.split("  ", 1) for line in text.splitlines())}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted({**rows, **more}.items()))


def _signed(bench: Bench, out: Path, text: str) -> None:
    (bench.work / SUMS).write_text(text, encoding="ascii")
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
        f"{WORK}/{SUMS}",
        "-out",
        f"{WORK}/{SUMS}.p7s",
    ]
    bench.inside("openssl", *words, "-signer", bench.signer.certificate("root"), "-inkey", bench.signer.uri("root"))
    shutil.copyfile(bench.work / f"{SUMS}.p7s", out / f"{SUMS}.p7s")
    shutil.copyfile(bench.work / SUMS, out / SUMS)
    output_of(["sync", "-f", str(out)])
