"""The stages from a configured root to a disk: initrd, signed verity root, unified kernel image, disk image. One function each.

Everything runs in the tools tree, so that a build does not depend on what the builder's own Debian has. No loop device, no device mapper:
file systems are written by mkfs.erofs and mtools (systemd-repart(8), `--offline`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image.recipe import Fault, Recipe
from image.running import Steps, output_of
from image.signing import IN_TREE, Signer
from image.trees import Tree

WORK = "/build/work"
ROOT = "/build/root"
SLOT = {"root": "10-root", "root-verity": "11-verity", "root-verity-sig": "12-signature"}


@dataclass(frozen=True)
class Bench:
    """What every stage needs: where it works, with which tools, on what, signed by whom."""

    steps: Steps
    recipe: Recipe
    tools: Tree
    root: Tree
    work: Path
    signer: Signer
    version: str

    def inside(self, *words: str, env: dict[str, str] | None = None, seen: Callable[[str], None] | None = None) -> None:
        """Runs a program of the tools tree; it sees the root, the work folder and the keys under /build."""
        binds = {self.work: WORK, self.root.path: ROOT, self.signer.folder: IN_TREE}
        epoch = {"SOURCE_DATE_EPOCH": str(self.recipe.epoch)}
        self.steps.run(self.tools.words(words, binds, {**epoch, **self.signer.env, **(env or {})}), seen=seen)


def initrd(bench: Bench) -> str:
    """Makes vmlinuz and initrd.img in the work folder from the root; gives the kernel's release."""
    modules = sorted(p.name for p in (bench.root.path / "usr/lib/modules").iterdir() if p.is_dir())
    if len(modules) != 1:
        raise Fault(f"the root holds {len(modules)} kernels: {', '.join(modules)}")
    recipe, release = bench.recipe, modules[0]
    words = [
        "dracut",
        "--force",
        "--reproducible",
        "--no-hostonly",
        "--no-hostonly-cmdline",
        # dracut's own is level 15: half a minute of a build for two megabytes.
        "--compress=zstd -9 -q -T0",
        "--kver",
        release,
    ]
    words += [
        "--add",
        " ".join(recipe.dracut_add),
        "--omit",
        " ".join(recipe.dracut_omit),
        "--add-drivers",
        " ".join(recipe.drivers),
    ]
    env = {"SOURCE_DATE_EPOCH": str(recipe.epoch)}
    bench.steps.run(bench.root.words([*words, "/tmp/work/initrd.img"], {bench.work: "/tmp/work"}, env))
    (bench.root.path / "tmp/work").rmdir()
    shutil.copyfile(bench.root.path / f"boot/vmlinuz-{release}", bench.work / "vmlinuz")
    return release


def sweep(bench: Bench) -> None:
    """Takes out of the root what only the build needed: package managers, host keys, caches; and what differs from build to build."""
    root = bench.root.path
    for package in ("apt", "dracut", "dracut-core"):
        bench.steps.run(bench.root.words(["dpkg", "--purge", "--force-all", package], {}))
    for pattern in bench.recipe.removed:
        for path in sorted(root.glob(pattern.lstrip("/"))):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for tool in (
        "dpkg",
        "dpkg-deb",
        "dpkg-divert",
        "dpkg-split",
        "dpkg-statoverride",
        "dpkg-trigger",
        "update-alternatives",
        "apt-get",
    ):
        (root / "usr/bin" / tool).unlink(missing_ok=True)
    (root / "etc/machine-id").touch(mode=0o444)
    (root / "etc/hostname").write_text("casemate\n", encoding="ascii")
    for path in root.rglob("__pycache__"):
        if "usr/lib/casemate" not in path.as_posix():
            shutil.rmtree(path)
    compiled(bench)


def compiled(bench: Bench) -> None:
    """Compiles the system's Python as the appliance is: by hashes, so that two builds are the same (PEP 552).

    Nothing can be written to the root later: without it each start of each program compiles what it imports, which is more than half of it."""
    root = bench.root.path
    places = [
        f"/{path.relative_to(root)}"
        for path in (*sorted(root.glob("usr/lib/python3.*")), root / "usr/lib/python3/dist-packages")
        if path.is_dir()
    ]
    words = ["/usr/bin/python3", "-B", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", *places]
    bench.steps.run(bench.root.words(words, {}, {"PYTHONHASHSEED": "0"}))


def kind_of(part: dict[str, Any]) -> str:
    """root, root-verity or root-verity-sig, from what systemd-repart says: its types name the architecture, too."""
    return str(part["type"]).replace("-x86-64", "")


def verity(bench: Bench) -> list[dict[str, Any]]:
    """The root as erofs with its hash tree and signature, a file each; what systemd-repart says of them."""
    sizes = bench.recipe.partitions
    folder = bench.work / "verity"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "definitions").mkdir(parents=True)
    label = f"{bench.recipe.id}_{bench.version}"
    shared = f"Label={label}\nVerityMatchKey=root\nMinimize="
    texts = {
        "10-root": f"[Partition]\nType=root\nFormat=erofs\nCopyFiles=/\nVerity=data\nLabel={label}\nVerityMatchKey=root\nMinimize=best\n",
        "11-verity": f"[Partition]\nType=root-verity\nVerity=hash\n{shared}best\n",
        "12-signature": f"[Partition]\nType=root-verity-sig\nVerity=signature\nLabel={label}\nVerityMatchKey=root\n",
    }
    for name, text in texts.items():
        (folder / "definitions" / f"{name}.conf").write_text(text, encoding="ascii")
    words = [
        "systemd-repart",
        "--empty=create",
        "--size=auto",
        "--offline=yes",
        "--dry-run=no",
        f"--seed={bench.recipe.seed}",
    ]
    words += [f"--definitions={WORK}/verity/definitions", f"--root={ROOT}", "--split=yes", *bench.signer.words("root")]
    script = " ".join(
        [*(f"'{word}'" for word in words), "--json=short", f"{WORK}/verity/root.raw", f"> {WORK}/verity/said.json"]
    )
    bench.inside("sh", "-c", script, env={"SYSTEMD_REPART_MKFS_OPTIONS_EROFS": "-zlz4hc,9"})
    said: list[dict[str, Any]] = json.loads((folder / "said.json").read_text(encoding="utf-8"))
    for kind, limit in (("root", sizes["root"]), ("root-verity", sizes["verity"])):
        size = next(p["raw_size"] for p in said if kind_of(p) == kind)
        if size > limit << 20:
            raise Fault(
                f"the {kind} takes {size >> 20} MiB, its slot has {limit}",
                "leave something out, or enlarge the slots in recipe.toml",
            )
    return said


def kernel(bench: Bench, release: str, said: list[dict[str, Any]]) -> Path:
    """The unified kernel image: kernel, initrd and a command line that names the root's hash, signed for the firmware and for the TPM (UKI, systemd-stub(7))."""
    hash_of_root = next(p["roothash"] for p in said if p.get("roothash"))
    line = " ".join([f"roothash={hash_of_root}", *bench.recipe.kernel_line])
    (bench.work / "cmdline").write_text(line, encoding="ascii")
    out = f"{bench.recipe.id}_{bench.version}.efi"
    bench.inside(
        "ukify",
        "build",
        f"--linux={WORK}/vmlinuz",
        f"--initrd={WORK}/initrd.img",
        f"--cmdline=@{WORK}/cmdline",
        f"--os-release=@{ROOT}/usr/lib/os-release",
        f"--uname={release}",
        "--signtool=systemd-sbsign",
        "--no-sign-kernel",
        "--signing-provider=pkcs11",
        f"--secureboot-private-key={bench.signer.uri('db')}",
        f"--secureboot-certificate={bench.signer.certificate('db')}",
        f"--pcr-private-key={bench.signer.uri('pcr')}",
        f"--pcr-public-key={bench.signer.certificate('pcr')}",
        "--pcr-banks=sha256",
        # The TPM opens the state volume between the initrd and the first processes, and never after.
        "--phases=enter-initrd:leave-initrd",
        "--measure",
        f"--output={WORK}/{out}",
    )
    return bench.work / out


def disk(bench: Bench, uki: Path, said: list[dict[str, Any]], out: Path) -> None:
    """The disk image: EFI system partition with boot loader, kernel and the keys to enrol; slot a written, slot b empty. The state volume comes at the first boot."""
    _esp(bench, uki)
    sizes, folder = bench.recipe.partitions, bench.work / "disk"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    esp = f"[Partition]\nType=esp\nLabel=esp\nFormat=vfat\nCopyFiles={WORK}/esp:/\nSizeMinBytes={sizes['esp']}M\nSizeMaxBytes={sizes['esp']}M\n"
    (folder / "00-esp.conf").write_text(esp, encoding="ascii")
    room = {"root": f"{sizes['root']}M", "root-verity": f"{sizes['verity']}M", "root-verity-sig": "16K"}
    for part in said:
        kind = kind_of(part)
        source = f"{WORK}/verity/{Path(part['split_path']).name}"
        size = f"SizeMinBytes={room[kind]}\nSizeMaxBytes={room[kind]}\n"
        text = f"[Partition]\nType={kind}\nLabel={part['label']}\nUUID={part['uuid']}\nCopyBlocks={source}\n{size}ReadOnly=1\n"
        (folder / f"{SLOT[kind]}.conf").write_text(text, encoding="ascii")
        empty = f"[Partition]\nType={kind}\nLabel=_empty\nNoAuto=1\n{size}ReadOnly=1\n"
        (folder / f"2{SLOT[kind][1:]}-b.conf").write_text(empty, encoding="ascii")
    words = [
        "systemd-repart",
        "--empty=create",
        f"--size={sizes['disk']}M",
        "--offline=yes",
        "--dry-run=no",
        f"--seed={bench.recipe.seed}",
    ]
    (bench.work / "disk.raw").unlink(missing_ok=True)
    bench.inside(*words, f"--definitions={WORK}/disk", f"{WORK}/disk.raw")
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(bench.work / "disk.raw", out)


def _esp(bench: Bench, uki: Path) -> None:
    esp = bench.work / "esp"
    shutil.rmtree(esp, ignore_errors=True)
    for part in ("EFI/BOOT", "EFI/systemd", "EFI/Linux", "loader/keys/casemate"):
        (esp / part).mkdir(parents=True)
    loader = f"{WORK}/esp/EFI/BOOT/BOOTX64.EFI"
    source = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
    bench.inside("/usr/lib/systemd/systemd-sbsign", "sign", *bench.signer.words("db"), f"--output={loader}", source)
    shutil.copyfile(esp / "EFI/BOOT/BOOTX64.EFI", esp / "EFI/systemd/systemd-bootx64.efi")
    shutil.copyfile(uki, esp / "EFI/Linux" / uki.name)
    # A machine in setup mode takes these keys at its first boot and refuses everything else from then on (loader.conf(5)).
    text = "timeout 0\neditor no\nauto-firmware no\nconsole-mode keep\nsecure-boot-enroll manual\n"
    (esp / "loader/loader.conf").write_text(text, encoding="ascii")


def packed(raw: Path) -> Path:
    """The image compressed beside itself; zstd(1) keeps the holes out."""
    out = raw.with_name(raw.name + ".zst")
    output_of(["zstd", "-q", "-f", "-T0", "-9", str(raw), "-o", str(out)])
    return out
