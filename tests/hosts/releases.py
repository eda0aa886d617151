"""Releases that come after the image under test, made from the root that it was built from: other versions, one whose engine never starts, and
bundles that a box has to refuse. A minute each; the build's caches (`image/cache`) are needed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware import building
from firmware.openssl import Tool
from firmware.release import Release, uuids_of
from image import recipe, stages, trees, trust
from image.release import root_hash
from image.running import Steps
from image.signing import Signer

LIBRARY = "usr/lib/casemate/lib/python3.13/site-packages"
UNITS = "usr/lib/systemd/system"


class Releases:
    """Makes bundles in `folder` from `cache` (what `python -m image build` leaves) and `keys`. `overlay`: a checkout whose own
    packages and units replace those of the root, so that a change is tried without a whole build."""

    def __init__(self, folder: Path, cache: Path, keys: Path, overlay: Path | None = None) -> None:
        self.folder, self.cache, self.keys, self.overlay = folder, cache, keys, overlay
        self.recipe = recipe.read()
        self.tools = trees.Tree(cache / "tools.kept")
        folder.mkdir(parents=True, exist_ok=True)

    def made(
        self,
        version: str,
        before: str,
        tries: int,
        change: Callable[[Path], None] | None = None,
        initrd: bytes | None = None,
    ) -> Path:
        """`casemate-VERSION.raucb`, signed by the development release key; a file that is there already is taken. `initrd`: in place of the real one."""
        out = self.folder / f"casemate-{version}.raucb"
        if out.exists():
            return out
        bench, said, uki = self._built(version, before, change, initrd)
        rows = {stages.kind_of(p): p for p in said}
        parts = {
            part: bench.work / "verity" / Path(rows[kind]["split_path"]).name
            for part, kind in (("root", "root"), ("verity", "root-verity"), ("signature", "root-verity-sig"))
        }
        for name, text in (("notes", f"Casemate {version}, for a test.\n"), ("components", "{}\n")):
            parts[name] = bench.work / name
            parts[name].write_text(text, encoding="ascii")
        digest = root_hash(said)
        root, verity = uuids_of(digest)
        uuids = {"root": root, "verity": verity, "signature": str(rows["root-verity-sig"]["uuid"])}
        release = Release(
            product="casemate",
            version=version,
            built=self.recipe.epoch,
            hardware=("x86_64-uefi-*",),
            needs="0",
            floor="0",
            until=0,
            tries=tries,
            root_hash=digest,
            uuids=uuids,
        )
        building.build({**parts, "kernel": uki}, release, "verity", trust.development(self.keys / trust.PLACE), out)
        shutil.rmtree(bench.work)
        return out

    def image(self, version: str, before: str) -> Path:
        """A disk image of the same root under another version: the medium from which the release before was installed."""
        out = self.folder / f"casemate-{version}.raw"
        if not out.exists():
            bench, said, uki = self._built(version, before, None, None)
            stages.disk(bench, uki, said, out)
            shutil.rmtree(bench.work)
        return out

    def _built(
        self, version: str, before: str, change: Callable[[Path], None] | None, initrd: bytes | None
    ) -> tuple[stages.Bench, list[dict[str, Any]], Path]:
        work = self.folder / f"work-{version}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        steps = Steps(self.folder / f"{version}.log", 1)
        root = trees.copied(steps, trees.Tree(self.cache / "root"), work / "root")
        for name in ("vmlinuz", "initrd.img"):
            shutil.copyfile(self.cache / "work" / name, work / name)
        if initrd is not None:
            (work / "initrd.img").write_bytes(initrd)
        self._renamed(steps, root, version, before)
        if change is not None:
            change(root.path)
        bench = stages.Bench(steps, self.recipe, self.tools, root, work, Signer(self.keys), version)
        kernel_release = next(p.name for p in (root.path / "usr/lib/modules").iterdir() if p.is_dir())
        said = stages.verity(bench)
        return bench, said, stages.kernel(bench, kernel_release, said)

    def _renamed(self, steps: Steps, root: trees.Tree, version: str, before: str) -> None:
        """The version in every place that says it; what was compiled is compiled again, by hash as the build does it."""
        library = root.path / LIBRARY
        for name in ("appliance", "firmware", "hsm") if self.overlay else ():
            assert self.overlay is not None
            shutil.rmtree(library / name)
            shutil.copytree(self.overlay / name, library / name, ignore=shutil.ignore_patterns("__pycache__"))
        for unit in (self.overlay / "playbooks/roles/slots/files").glob("*.service") if self.overlay else ():
            if (root.path / UNITS / unit.name).exists():
                shutil.copyfile(unit, root.path / UNITS / unit.name)
        for path in (library / "appliance/__init__.py", root.path / "usr/lib/os-release", root.path / "etc/issue"):
            text = path.read_text(encoding="utf-8")
            assert before in text, f"{path.name} does not say {before}"
            path.write_text(text.replace(before, version), encoding="utf-8")
        words = ["-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
        steps.run(
            root.words(
                [
                    "/usr/lib/casemate/bin/python3",
                    *words,
                    *(f"/{LIBRARY}/{p}" for p in ("appliance", "firmware", "hsm")),
                ],
                {},
            )
        )


def without_engine(root: Path) -> None:
    """A release whose engine never starts: what a health gate is for."""
    unit = root / UNITS / "casemate-engine.service"
    lines = unit.read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("ExecStart=") for line in lines)
    lines = ["ExecStart=/usr/bin/false" if line.startswith("ExecStart=") else line for line in lines]
    unit.write_text("\n".join([*lines, ""]), encoding="utf-8")


def tampered(bundle: Path, out: Path) -> Path:
    """The same bundle with one octet of its content changed: its signature is right, what it signed is not there."""
    shutil.copyfile(bundle, out)
    with out.open("r+b") as file:
        file.seek(os.fstat(file.fileno()).st_size // 2)
        octet = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([octet ^ 1]))
    return out


def truncated(bundle: Path, out: Path) -> Path:
    """Its first half: a stick that was pulled while it was written."""
    shutil.copyfile(bundle, out)
    with out.open("r+b") as file:
        file.truncate(os.fstat(file.fileno()).st_size // 2)
    return out


def by_a_stranger(bundle: Path, out: Path, folder: Path, keyring: Path) -> Path:
    """The same content signed by a release key whose authority no box knows."""
    stranger = trust.trusted(folder, None)
    both = folder / "both.pem"  # rauc verifies what it signed
    both.write_bytes(keyring.read_bytes() + (stranger / "authority/development.pem").read_bytes())
    building.resign(bundle, trust.development(stranger), both, out)
    return out


__all__ = ["Releases", "Tool", "by_a_stranger", "tampered", "truncated", "without_engine"]
