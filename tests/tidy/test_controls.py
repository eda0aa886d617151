"""Each task of the playbooks that names controls is tagged with them, and no other is, so that an auditor gets the mapping from Ansible itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
FAMILIES = ("CIS", "NIST", "PCI DSS")
KINDS = ("cis-", "nist-", "pci-dss-")
NAMED = re.compile(r"\(((?:CIS|NIST|PCI DSS) (?:[^()]|\(\d+\))*)\)")


def controls(name: str) -> list[str]:
    """`(CIS 1.5, 3.3, NIST SC-7(5))` -> cis-1.5, cis-3.3, nist-sc-7-5."""
    out, family = [], ""
    for part in (part for group in NAMED.findall(name) for part in group.split(", ")):
        family = next((f for f in FAMILIES if part.startswith(f"{f} ")), family)
        number = part.removeprefix(f"{family} ")
        out.append(f"{family}-{number}".lower().replace(" ", "-").replace("(", "-").replace(")", ""))
    return out


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    for row in found or ():
        if "hosts" in row:
            yield from tasks(row.get("tasks"))
        else:
            yield row
            yield from tasks(row.get("block"))


def test_names_are_read_as_they_are_written() -> None:
    assert controls("Network | Close (CIS 1.5, 3.3, NIST SC-7(5), PCI DSS 10.2.1.2)") == [
        *("cis-1.5", "cis-3.3", "nist-sc-7-5", "pci-dss-10.2.1.2")
    ]
    assert controls("Base | Make the users (all of them)") == []


def test_each_task_is_tagged_with_the_controls_that_it_names() -> None:
    files = [*PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("roles/*/tasks/*.yml")]
    rows = [task for path in files for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8")))]
    tagged = {row["name"]: [tag for tag in row.get("tags", ()) if tag.startswith(KINDS)] for row in rows}
    assert {name: tags for name, tags in tagged.items() if tags != controls(name)} == {}
    assert sum(map(bool, tagged.values())) > 40
