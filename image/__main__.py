"""`python -m image`: build the appliance image, or write its lock of Debian packages anew. Called by `make image`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from image import configure, debian, release, signing, stages, trees, trust, virtual, vulnerabilities, wheels
from image import twice as comparing
from image.components import components as listed
from image.recipe import HERE, Fault, Recipe, read
from image.running import Steps
from image.signing import Signer, development
from image.stages import Bench

CACHE = HERE / "cache"
OUT = HERE / "out"
CHECKOUT = HERE.parent
STEPS = 11


def version() -> str:
    """The release's version, from the appliance's own file: nothing of it is imported."""
    text = (CHECKOUT / "appliance/__init__.py").read_text(encoding="utf-8")
    return text.split('__version__ = "', 1)[1].split('"', 1)[0]


def kept_tree(steps: Steps, recipe: Recipe, locked: list[debian.Locked], tree: str, fresh: bool) -> trees.Tree:
    """A tree as its packages make it, kept from the last build while lock and recipe are the same; made anew when `fresh`."""
    digest = debian.digest_of(locked, tree) + repr((recipe.paths_without, recipe.paths_kept, recipe.epoch))
    mark, place = CACHE / f"{tree}.digest", CACHE / f"{tree}.kept"
    if not fresh and mark.exists() and mark.read_text(encoding="ascii") == digest and (place / "usr").exists():
        return trees.Tree(place)
    mark.unlink(missing_ok=True)
    made = trees.make(steps, recipe, locked, tree, CACHE / "debs", place)
    mark.write_text(digest, encoding="ascii")
    return made


def build(arguments: argparse.Namespace) -> int:
    """Everything, from the lock to the release folder. Half a build leaves nothing in image/out."""
    began = time.monotonic()
    recipe, locked = read(), debian.read_lock()
    if arguments.vulnerabilities is not None:
        vulnerabilities.checked(arguments.vulnerabilities)
    signer: Signer | None = signing.ready(signing.named(arguments.keys)) if arguments.keys else None
    said = version()
    work = CACHE / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    steps = Steps(CACHE / "build.log", STEPS + arguments.qcow2 + arguments.ova)
    archive = debian.Archive(recipe, CACHE / "apt", CACHE / "debs")
    with steps.step(f"{len(locked)} Debian packages by name, version and hash"):
        archive.fill(steps, locked)
    with steps.step("Python packages from requirements.lock, and the appliance's own"):
        files = wheels.fill(steps, CHECKOUT / "requirements.lock", CACHE / "wheels")
        files.append(wheels.own(steps, recipe, CHECKOUT, work / "own"))
    with steps.step("tools of Debian 13"):
        tools = kept_tree(steps, recipe, locked, "tools", fresh=False)
    with steps.step("signing keys"):
        signer = signer or development(steps, tools, HERE / "keys")
    with steps.step("root file system"):
        root = trees.copied(steps, kept_tree(steps, recipe, locked, "root", arguments.fresh), CACHE / "root")
    with steps.step("configuration, by Ansible"):
        facts = {"base_version": said, "base_development_keys": signer.development}
        facts["slots_trust"] = str(trust.trusted(HERE / "keys", arguments.trust))
        for again in (False, True) if arguments.again else (False,):
            recap = configure.configure(steps, recipe, root, files, CHECKOUT / "playbooks", work, facts)
            print("      " + recap)
            if again and "changed=0" not in recap:
                raise Fault(f"a second run of the playbook changed something: {recap}", "see the log for `changed:`")
    bench = Bench(steps, recipe, tools, root, work, signer, said)
    with steps.step("kernel and initrd"):
        kernel_release = stages.initrd(bench)
        components = listed(root, files, CACHE / "debs", locked)
        stages.sweep(bench)
    with steps.step("read-only root with its hash tree, signed"):
        parts = stages.verity(bench)
    with steps.step("unified kernel image, signed for firmware and TPM"):
        uki = stages.kernel(bench, kernel_release, parts)
    raw = work / f"{recipe.id}-{said}.raw"
    with steps.step("disk image"):
        stages.disk(bench, uki, parts, raw)
    with steps.step("release folder: list of components, compressed image, checksums"):
        release.write(bench, OUT, raw, components, parts, not arguments.no_compress, arguments.vulnerabilities)
    forms = [name for name in ("qcow2", "ova") if getattr(arguments, name)]
    _converted(bench, OUT / raw.name, forms)
    print(f"{OUT}/{raw.name} in {time.monotonic() - began:.0f} s; the root's hash is {release.root_hash(parts)}")
    return 0


def _converted(bench: Bench, raw: Path, forms: list[str]) -> list[Path]:
    """The raw image in these forms beside it, on the release's list of checksums too."""
    kept, made = raw.with_suffix(".qcow2"), []
    for form in forms:
        with bench.steps.step(f"{form} for virtual machines"):
            if form == "qcow2":
                made.append(virtual.qcow2(raw))
            else:
                source = kept if kept.exists() else None
                made.append(virtual.ova(raw, bench.version, bench.recipe.epoch, source))
    if made:
        release.added(bench, raw.parent, made)
    return made


def convert(arguments: argparse.Namespace) -> int:
    """The last build as qcow2 or OVA, beside the raw image."""
    recipe, said = read(), version()
    raw = OUT / f"{recipe.id}-{said}.raw"
    if not raw.exists():
        raise Fault("there is no image to convert", "`make image` first")
    signer = signing.ready(signing.named(arguments.keys)) if arguments.keys else Signer(HERE / "keys")
    release.signer_fits(signer.folder, OUT, raw.stem)
    steps, tools, root = Steps(CACHE / "convert.log", len(arguments.form)), CACHE / "tools.kept", CACHE / "root"
    bench = Bench(steps, recipe, trees.Tree(tools), trees.Tree(root), CACHE / "work", signer, said)
    for made in _converted(bench, raw, arguments.form):
        print(f"{made}: {made.stat().st_size >> 20} MiB")
    return 0


def bundle(arguments: argparse.Namespace) -> int:
    """The last build as a bundle in the release folder."""
    recipe, said = read(), version()
    notes = arguments.notes.read_text(encoding="utf-8") if arguments.notes else f"Casemate {said}.\n"
    if bool(arguments.certificate) != bool(arguments.key):
        raise Fault("a certificate and its key are given together", "--certificate C --key K")
    key = trust.development(trust.trusted(HERE / "keys", None))
    if arguments.key:
        key = trust.building.Key(arguments.certificate, arguments.key)
    limits = (arguments.needs, arguments.floor)
    made = trust.bundle(OUT, CACHE / "work", f"{recipe.id}-{said}", said, recipe.epoch, notes, key, *limits)
    print(f"{made}: {made.stat().st_size >> 20} MiB, signed by {key.certificate.name}")
    return 0


def twice(arguments: argparse.Namespace) -> int:
    """Builds two times, the second from unpacked packages on and with the playbook run once more, and compares what came out."""
    kept: list[tuple[dict[str, str], dict[str, str]]] = []
    for fresh in (False, True):
        arguments.fresh, arguments.again, arguments.no_compress = fresh, fresh, True
        build(arguments)
        steps, tools = Steps(CACHE / "twice.log", 1), trees.Tree(CACHE / "tools.kept")
        images = comparing.digests(steps, tools, CACHE / "work", next(OUT.glob("*.raw")))
        kept.append((images, comparing.census(CACHE / "root")))
    (first, tree), (second, other) = kept
    for line in comparing.differences(tree, other)[:50]:
        print(f"  {line}")
    for name, digest in first.items():
        print(f"{name.lstrip('.'):30} {'the same' if second.get(name) == digest else 'DIFFERS'}  {digest}")
    return 0 if first == second and tree == other else 1


def keys(arguments: argparse.Namespace) -> int:
    """Makes what a token of the bank's or the vendor's lacks for signing images."""
    recipe, locked = read(), debian.read_lock()
    steps = Steps(CACHE / "keys.log", 3)
    with steps.step("packages of the tools"):
        debian.Archive(recipe, CACHE / "apt", CACHE / "debs").fill(steps, [p for p in locked if p.tree == "tools"])
    with steps.step("tools of Debian 13"):
        tools = kept_tree(steps, recipe, locked, "tools", fresh=False)
    with steps.step("keys and certificates"):
        made = signing.make(steps, tools, signing.named(arguments.folder))
    print(f"made: {', '.join(made)}" if made else "every key has its certificate already; nothing was made")
    return 0


def lock(arguments: argparse.Namespace) -> int:
    """Writes debian.lock from what the archive has today, and prints the difference for review."""
    recipe = read()
    steps = Steps(CACHE / "lock.log", 2)
    archive = debian.Archive(recipe, CACHE / "apt", CACHE / "debs")
    before = debian.read_lock() if debian.LOCK.exists() else []
    with steps.step("the archive's lists"):
        archive.refresh(steps)
    with steps.step("packages and what they depend on"):
        after = archive.resolve(steps)
    changes = debian.differences(before, after)
    if not arguments.check:
        debian.LOCK.write_text("\n".join([debian.LOCK_HEAD, *(" ".join(p) for p in after), ""]), encoding="ascii")
    print("\n".join(changes) if changes else "nothing changed")
    return 1 if arguments.check and changes else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m image", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="build image/out/casemate-VERSION.raw")
    make.add_argument("--no-compress", action="store_true", help="leave out the compressed copy")
    make.add_argument("--fresh", action="store_true", help="unpack every package again instead of taking the kept root")
    make.add_argument(
        "--trust", type=Path, metavar="FOLDER", help="who may sign releases for such a box: authority/*.pem"
    )
    make.add_argument("--vulnerabilities", type=Path, metavar="FILE", help="debsecan's data; the release gets a report")
    make.add_argument("--keys", type=Path, metavar="FOLDER", help="sign with the token that FOLDER/token.toml names")
    make.add_argument("--qcow2", action="store_true", help="also for virtual machines, as qcow2")
    make.add_argument("--ova", action="store_true", help="also for virtual machines, as OVA")
    make.set_defaults(call=build, again=False)
    converting = commands.add_parser("convert", help="the image built last for virtual machines")
    converting.add_argument("form", nargs="+", choices=["qcow2", "ova"])
    converting.add_argument("--keys", type=Path, metavar="FOLDER", help="the keys that signed it, as for build")
    converting.set_defaults(call=convert)
    packing = commands.add_parser("bundle", help="make what was built last a release bundle (.raucb)")
    packing.add_argument("--notes", type=Path, help="what is new, for people")
    packing.add_argument("--needs", default="0", help="oldest release that it goes over")
    packing.add_argument("--floor", default="0", help="nothing older is installed afterwards")
    packing.add_argument("--certificate", type=Path, help="of the release key; without it the development key signs")
    packing.add_argument("--key", help="the release key: a file, or a pkcs11: URI")
    packing.set_defaults(call=bundle)
    pair = commands.add_parser("twice", help="build two times and compare; 1 when something differs")
    pair.set_defaults(call=twice, keys=None, ova=False, qcow2=False, trust=None, vulnerabilities=None)
    signing_keys = commands.add_parser("keys", help="make keys and certificates in the token of FOLDER/token.toml")
    signing_keys.add_argument("folder", type=Path)
    signing_keys.set_defaults(call=keys)
    locking = commands.add_parser("lock", help="write debian.lock anew and print the difference")
    locking.add_argument("--check", action="store_true", help="only print the difference; 1 when there is one")
    locking.set_defaults(call=lock)
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print(
            "python -m image: an image is built as root (it makes users' files and mounts); try `sudo make image`",
            file=sys.stderr,
        )
        return 2
    try:
        done: int = arguments.call(arguments)
    except Fault as e:
        print(f"image: {e}" + (f"\n  hint: {e.hint}" if e.hint else ""), file=sys.stderr)
        return 1
    return done


if __name__ == "__main__":
    sys.exit(main())
