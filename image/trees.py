"""The two trees of a build: the tools (Debian 13's, whatever the builder runs) and the root of the appliance, both from the lock alone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image import debian
from image.recipe import Fault, Recipe
from image.running import Steps

#: Runs in its own mount namespace: nothing it mounts outlives it. Arguments: tree, binds as SOURCE:TARGET..., `--`, command.
ENTER = """
set -eu
tree=$1; shift
mount --bind "$tree" "$tree"
mount -t proc proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount --rbind /dev "$tree/dev"
while [ "$1" != -- ]; do
    source=${1%%:*}; target=$tree${1#*:}; shift
    if [ -d "$source" ]; then mkdir -p "$target"; else mkdir -p "$(dirname "$target")"; [ -e "$target" ] || : > "$target"; fi
    mount --bind "$source" "$target"
done
shift
exec chroot "$tree" "$@"
"""


@dataclass(frozen=True)
class Tree:
    """An unpacked Debian that programs can be run in."""

    path: Path

    def words(
        self, command: Sequence[str | Path], binds: dict[Path, str], env: dict[str, str] | None = None
    ) -> list[str]:
        """The command line that runs `command` inside, with folders of the builder bound to places in the tree."""
        mounts = [f"{source}:{target}" for source, target in binds.items()]
        plain = {"PATH": "/usr/sbin:/usr/bin", "HOME": "/", "LC_ALL": "C.UTF-8", **(env or {})}
        variables = [f"{name}={value}" for name, value in plain.items()]
        head = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            ENTER,
            "enter",
            str(self.path),
            *mounts,
            "--",
        ]
        return [*head, "/usr/bin/env", "-i", *variables, *map(str, command)]


def make(steps: Steps, recipe: Recipe, locked: list[debian.Locked], tree: str, debs: Path, into: Path) -> Tree:
    """Unpacks and configures every locked package of `tree` into the folder `into`, which is made anew (mmdebstrap(1))."""
    repository = into.parent / f"{tree}.repository"
    debian.repository(locked, tree, debs, repository, recipe.suite)
    discard(into)
    options = [
        "--variant=essential",
        "--mode=root",
        "--format=directory",
        f"--architectures={recipe.architecture}",
        "--skip=check/qemu",
    ]
    options += ["--aptopt=APT::Install-Recommends false", "--dpkgopt=force-unsafe-io"]
    if tree == "root":
        options += [f"--dpkgopt=path-exclude={path}" for path in recipe.paths_without]
        options += [f"--dpkgopt=path-include={path}" for path in recipe.paths_kept]
    names = ",".join(p.name for p in locked if p.tree == tree)
    # A kernel's own hook would make an initrd here, and another one for each build.
    environment = {"SOURCE_DATE_EPOCH": str(recipe.epoch), "INITRD": "No", "DEBIAN_FRONTEND": "noninteractive"}
    source = f"deb [trusted=yes] copy://{repository} ./"
    steps.run(["mmdebstrap", *options, f"--include={names}", recipe.suite, into, source], env=environment)
    shutil.rmtree(repository)
    return Tree(into)


def copied(steps: Steps, tree: Tree, into: Path) -> Tree:
    """A copy to work on, owners, times and attributes kept."""
    discard(into)
    steps.run(["cp", "--archive", "--reflink=auto", tree.path, into])
    return Tree(into)


def discard(path: Path) -> None:
    """Removes a tree; never one that has something mounted in it."""
    with Path("/proc/self/mounts").open(encoding="utf-8") as mounts:
        below = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{path}/")]
    if below:
        raise Fault(f"something is still mounted in {path}: {below[0]}", f"umount {below[0]}")
    if path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
