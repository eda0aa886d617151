"""Ansible over the root: the same roles that configure an existing host, through a chroot instead of SSH."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from image.recipe import Fault, Recipe
from image.running import Steps
from image.trees import Tree

WHEELS = "run/casemate-wheels"


def configure(
    steps: Steps, recipe: Recipe, root: Tree, wheels: list[Path], playbooks: Path, work: Path, said: dict[str, object]
) -> str:
    """Runs image.yml; gives Ansible's recap. `said` are the variables of the build: version, whether its keys are for development."""
    ansible = Path(sys.executable).with_name("ansible-playbook")
    if not ansible.exists():
        raise Fault("Ansible is not installed", "`make image` installs it")
    place = root.path / WHEELS
    place.mkdir(parents=True, exist_ok=True)
    for wheel in wheels:
        shutil.copyfile(wheel, place / wheel.name)
    sizes = recipe.partitions
    host = {
        "ansible_host": str(root.path),
        "ansible_connection": "community.general.chroot",
        "ansible_python_interpreter": "/usr/bin/python3",
        "preflight_wheels": f"/{WHEELS}",
        "base_wheels": f"/{WHEELS}",
        "volumes_esp": sizes["esp"],
        "volumes_root": sizes["root"],
        "volumes_verity": sizes["verity"],
        "volumes_state_min": sizes["data_min"],
        **said,
    }
    inventory = work / "inventory.json"
    inventory.write_text(json.dumps({"all": {"children": {"image": {"hosts": {"root": host}}}}}), encoding="utf-8")
    recap: list[str] = []
    env = {
        "ANSIBLE_CONFIG": str(playbooks / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(work / "ansible"),
    }
    words: list[str | Path] = [ansible, "-i", inventory, playbooks / "image.yml"]
    # The chroot connection wants /proc, /dev and /sys inside: given in a mount namespace of its own.
    mounts = f'for m in proc sys dev; do mount --rbind /$m {root.path}/$m; done; exec "$@"'
    namespaced: list[str | Path] = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        mounts,
        "configure",
        *words,
    ]
    steps.run(namespaced, env=env, seen=lambda line: recap.append(line.strip()) if "changed=" in line else None)
    shutil.rmtree(place)
    return recap[-1] if recap else ""
