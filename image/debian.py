"""Debian packages by name, version and hash: `debian.lock`, the cache it is filled from, and a repository of exactly what is locked.

The archive's address is read from the machine's own apt settings at run time and is written nowhere. A package that the archive no
longer has in the locked version stops the build with the difference; `python -m image lock` writes the lock anew.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from image.recipe import HERE, TREES, Fault, Recipe
from image.running import Steps, output_of, progress

LOCK = HERE / "debian.lock"
LOCK_HEAD = "# Every Debian package of the image (root) and of the tools that build it: tree name version sha256 file. Written by `python -m image lock`."
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))


class Locked(NamedTuple):
    """One line of the lock."""

    tree: str
    name: str
    version: str
    sha256: str
    file: str


def read_lock(path: Path = LOCK) -> list[Locked]:
    """Every line of the lock, in order. Raises Fault with the number of a line that is not one."""
    out = []
    if not path.exists():
        raise Fault(f"{path.name} is missing", "`python -m image lock` writes it (needs the network)")
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        words = line.split(" ")
        if len(words) != 5 or words[0] not in TREES or not re.fullmatch(r"[0-9a-f]{64}", words[3]) or "/" in words[4]:
            raise Fault(
                f"{path.name} line {number} is not: tree name version sha256 file", "restore it from the repository"
            )
        out.append(Locked(*words))
    return out


def digest_of(locked: list[Locked], tree: str) -> str:
    """One hash over what is locked for a tree: whether a tree that was built before is still the one wanted."""
    return hashlib.sha256("\n".join(" ".join(p) for p in sorted(locked) if p.tree == tree).encode()).hexdigest()


def differences(old: list[Locked], new: list[Locked]) -> list[str]:
    """What changed between two locks, a line each, for people."""
    before, after = ({(p.tree, p.name): p for p in lock} for lock in (old, new))
    out = []
    for key in sorted(before.keys() | after.keys()):
        a, b = before.get(key), after.get(key)
        if a is None or b is None:
            out.append(f"{key[0]}: {key[1]} {'added, ' + b.version if b else 'gone, was ' + a.version}")  # type: ignore[union-attr]
        elif a.version != b.version:
            out.append(f"{key[0]}: {key[1]} {a.version} -> {b.version}")
        elif a.sha256 != b.sha256:
            out.append(f"{key[0]}: {key[1]} {a.version} has another hash under the same version")
    return out


@dataclass(frozen=True)
class Archive:
    """The Debian archive as this machine reaches it: a private apt with an empty package database."""

    recipe: Recipe
    folder: Path
    debs: Path

    def apt(self, *words: str) -> list[str]:
        """The command line of an apt tool in the private apt."""
        self._lay()
        return ["env", f"APT_CONFIG={self.folder}/apt.conf", *words]

    def _lay(self) -> None:
        for part in ("lists/partial", "archives/partial", "etc", "empty/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.debs.mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        if (self.folder / "apt.conf").exists():
            return
        if not KEYRING.exists():
            raise Fault("the Debian archive's keys are not on this machine", "apt-get install debian-archive-keyring")
        main, security = mirrors()
        suite, signed = self.recipe.suite, f"[signed-by={KEYRING}]"
        lines = [f"deb {signed} {main} {suite} main", f"deb {signed} {main} {suite}-updates main"]
        lines += [f"deb {signed} {security} {suite}-security main"]
        (self.folder / "sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        # How this machine reaches an archive (a proxy, say) is in its Acquire settings; nothing else of it may count.
        reach = [s for s in output_of(["apt-config", "dump"]).splitlines() if re.match(r"Acquire::.*[^:] \"", s)]
        own = {
            "Dir::State": self.folder,
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder,
            "Dir::Cache::archives": self.folder / "archives",
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": self.recipe.architecture,
            "APT::Architectures": self.recipe.architecture,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
        }
        text = "\n".join([*reach, *(f'{name} "{value}";' for name, value in own.items())])
        (self.folder / "apt.conf").write_text(text + "\n", encoding="utf-8")

    def refresh(self, steps: Steps) -> None:
        """Reads the archive's lists."""
        (self.folder / "apt.conf").unlink(missing_ok=True)
        try:
            steps.run(self.apt("apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any"))
        except Fault as e:
            raise Fault(
                f"the Debian archive cannot be read: {e}",
                "the first build needs the network; see the machine's apt settings",
            ) from None

    def resolve(self, steps: Steps) -> list[Locked]:
        """What the recipe's packages and their dependencies are in the archive today, downloaded into the cache."""
        out = []
        for tree in TREES:
            wanted = ["install", "-y", "-qq", "--print-uris", "-o", f"Dir::Cache::archives={self.folder}/empty"]
            listed = output_of(self.apt("apt-get", *wanted, *self.recipe.packages[tree]))
            files = re.findall(r"^'[^']+' (\S+\.deb) ", listed, re.M)
            steps.run(self.apt("apt-get", "install", "-y", "-q", "--download-only", *self.recipe.packages[tree]))
            for number, file in enumerate(sorted(files), 1):
                source = self.folder / "archives" / file
                if source.exists():
                    shutil.move(source, self.debs / file)
                name, version = fields(self.debs / file, "Package", "Version")
                out.append(Locked(tree, name, version, sha256_of(self.debs / file), file))
                progress(number, len(files), f"packages of {tree}")
        return sorted(out)

    def fill(self, steps: Steps, locked: list[Locked]) -> None:
        """Sees to it that the cache holds every locked package with its hash; reaches for the archive only when one is missing."""
        missing = [p for p in locked if not (self.debs / p.file).exists() or sha256_of(self.debs / p.file) != p.sha256]
        if not missing:
            return
        self.refresh(steps)
        candidates = output_of(self.apt("apt-cache", "madison", *{p.name for p in missing}))
        there = {
            (w[0].strip(), w[1].strip()) for w in (line.split("|") for line in candidates.splitlines()) if len(w) == 3
        }
        gone = [p for p in missing if (p.name, p.version) not in there]
        if gone:
            now = dict(sorted(there))
            lines = [f"  {p.name} {p.version} is locked, the archive has {now.get(p.name, 'none')}" for p in gone]
            raise Fault(
                "the archive no longer has what is locked:\n" + "\n".join(lines[:40]),
                "`python -m image lock` locks today's versions; review the difference it prints",
            )
        names = sorted({f"{p.name}={p.version}" for p in missing})
        for n in range(0, len(names), 50):
            steps.run(self.apt("apt-get", "download", "-q", *names[n : n + 50]), cwd=self.debs)
            progress(min(n + 50, len(names)), len(names), "packages downloaded")
        wrong = [p for p in missing if not (self.debs / p.file).exists() or sha256_of(self.debs / p.file) != p.sha256]
        if wrong:
            raise Fault("not what is locked under that name and version: " + ", ".join(p.file for p in wrong[:10]))


def mirrors() -> tuple[str, str]:
    """The addresses of Debian's archive and of its security archive, from this machine's apt settings (sources.list(5))."""
    main = security = ""
    files = [SOURCES[0], *sorted(SOURCES[1].glob("*.list")), *sorted(SOURCES[1].glob("*.sources"))]
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError:
            continue
        for uri, suites in _entries(text):
            if "-security" in suites or uri.rstrip("/").endswith("security"):
                security = security or uri
            elif re.search(r"\b(bookworm|trixie|forky|stable|sid)\b", suites):
                main = main or uri
    if not main:
        raise Fault("this machine's apt settings name no Debian archive", "the image is built on Debian 12 or 13")
    return main, security or re.sub(r"/debian/?$", "/debian-security", main)


def _entries(text: str) -> list[tuple[str, str]]:
    """(address, suites) of each entry, in either form that apt knows."""
    out = re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", text, re.M)
    for block in re.split(r"\n\s*\n", text):
        values = dict(re.findall(r"^(Types|URIs|Suites):\s*(.*)$", block, re.M))
        if "deb" in values.get("Types", "").split():
            out += [(uri, values.get("Suites", "")) for uri in values.get("URIs", "").split()]
    return out


def repository(locked: list[Locked], tree: str, debs: Path, folder: Path, suite: str) -> None:
    """A flat repository in `folder` that holds exactly the locked packages of a tree, as links into the cache."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stanzas = []
    for package in (p for p in locked if p.tree == tree):
        (folder / package.file).hardlink_to(debs / package.file)
        control = output_of(["dpkg-deb", "--field", debs / package.file]).rstrip("\n")
        size = (debs / package.file).stat().st_size
        stanzas.append(f"{control}\nFilename: ./{package.file}\nSize: {size}\nSHA256: {package.sha256}\n")
    packages = "\n".join(stanzas).encode()
    (folder / "Packages").write_bytes(packages)
    listed = f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n"
    (folder / "Release").write_text(
        f"Suite: {suite}\nCodename: {suite}\nArchitectures: amd64 all\nSHA256:\n{listed}", encoding="ascii"
    )


def fields(deb: Path, *names: str) -> list[str]:
    """Fields of a package's control file, in the order asked for."""
    text = output_of(["dpkg-deb", "--field", deb, *names])
    values = dict(re.findall(r"^(\S+): (.*)$", text, re.M))
    return [values[name] for name in names]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
