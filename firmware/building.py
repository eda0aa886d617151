"""Makes a bundle from the parts of an image: manifest, release.json, then rauc(1) packs, hashes and signs. For the vendor's desk, not the box.

The release key stays in its token: rauc and openssl are given its PKCS#11 URI. Content is packed with fixed owners and times, so that
two bundles of the same parts differ in dm-verity's random salt and the signature only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import openssl
from .openssl import Tool
from .release import OPTIONAL, PARTS, Release, release_text, uuids_of

SECONDS_MAX: Final = 900.0
_SQUASH: Final = "-all-root -all-time {built} -mkfs-time {built} -no-xattrs -no-progress -b 128K"


@dataclass(frozen=True)
class Key:
    """Who signs: a certificate's file, and its key as a file or a PKCS#11 URI."""

    certificate: Path
    key: Path | str


def build(parts: dict[str, Path], release: Release, form: str, key: Key, out: Path) -> None:
    """Writes `out` whole or not at all. Raises Tool when a part is missing or a program fails."""
    missing = [name for name in PARTS if name not in parts and name not in OPTIONAL and name != "release"]
    if missing:
        raise Tool(f"missing: {', '.join(missing)}")
    if uuids_of(release.root_hash) != (release.uuids["root"], release.uuids["verity"]):
        raise Tool("the partitions' UUIDs do not follow from the root's hash: the kernel would not find them")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as folder:
        content = Path(folder, "content")
        content.mkdir()
        (content / PARTS["release"][0]).write_text(release_text(release), encoding="utf-8")
        for name, path in parts.items():
            filename, mib = PARTS[name]
            if path.stat().st_size > mib << 20:
                raise Tool(f"{name} is larger than {mib} MiB")
            _placed(path, content / filename)
        present = [name for name in PARTS if (content / PARTS[name][0]).exists()]
        (content / "manifest.raucm").write_text(_manifest(release, form, present), encoding="utf-8")
        squash = _SQUASH.format(built=release.built)
        _rauc(["bundle", f"--mksquashfs-args={squash}", *_signer(key), content, Path(folder, "out")], key)
        Path(folder, "out").replace(out)


def resign(bundle: Path, key: Key, keyring: Path, out: Path) -> None:
    """The same content signed by another key: from the builder's own to the release key. `keyring` is who signed it before."""
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as folder:
        words = [
            f"--conf={_settings(Path(folder), keyring)}",
            f"--keyring={keyring}",
            "resign",
            f"--signing-keyring={keyring}",
            "--no-verify",
        ]
        _rauc([*words, *_signer(key), bundle, Path(folder, "out")], key)
        Path(folder, "out").replace(out)


def encrypt(bundle: Path, keyring: Path, recipients: Path, out: Path) -> None:
    """A bundle of the format `crypt` for the banks whose certificates are in `recipients`."""
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as folder:
        conf = _settings(Path(folder), keyring)
        _rauc([f"--conf={conf}", "encrypt", f"--to={recipients}", bundle, Path(folder, "out")], None)
        Path(folder, "out").replace(out)


def _settings(folder: Path, keyring: Path) -> Path:
    """rauc takes a certificate for code signing only when it is told to (RAUC, "check-purpose")."""
    path = folder / "rauc.conf"
    text = f"[system]\ncompatible=casemate\nbootloader=noop\n\n[keyring]\npath={keyring.absolute()}\ncheck-purpose=codesign\n"
    path.write_text(text, encoding="utf-8")
    return path


def _manifest(release: Release, form: str, present: list[str]) -> str:
    head = f"[update]\ncompatible={release.product}\nversion={release.version}\n\n[bundle]\nformat={form}\n"
    return head + "".join(f"\n[image.{name}]\nfilename={PARTS[name][0]}\n" for name in present)


def _placed(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _signer(key: Key) -> list[str]:
    return [f"--cert={key.certificate}", f"--key={key.key}"]


def _rauc(words: list[str | Path], key: Key | None) -> None:
    env = {k: v for k, v in os.environ.items() if k != "OPENSSL_CONF"}  # rauc signs through the engine
    try:
        ended = subprocess.run(
            ["rauc", *map(str, words)],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            env={**env, **(openssl.token_env(key.key) if key else {}), "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise Tool("rauc is not installed") from None
    except subprocess.TimeoutExpired:
        raise Tool("rauc did not end") from None
    if ended.returncode:
        said = [line for line in ended.stderr.splitlines() if line.strip()]
        raise Tool(f"rauc: {said[-1] if said else ended.returncode}")
