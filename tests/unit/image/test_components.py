"""The list of components in its three forms, and which data a report of vulnerabilities may be made from."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import pytest

from image import debian, vulnerabilities
from image.components import components, cyclonedx, licences, spdx
from image.recipe import Fault
from image.trees import Tree

SEED = "7c1e4d5a-96a8-4a5e-8a5b-5f0c5a3e9d11"


def listed(tmp_path: Path) -> list[object]:
    place = tmp_path / "root/usr/share/doc/nginx"
    place.mkdir(parents=True)
    (place / "copyright").write_text("License: BSD-2-clause\n\nLicense: GPL-2\n", encoding="utf-8")
    wheel = tmp_path / "click-8.5.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            "click-8.5.1.dist-info/METADATA", "Name: Click\nVersion: 8.5.1\nLicense-Expression: BSD-3-Clause\n"
        )
    locked = [
        debian.Locked("root", "nginx", "1.26", "aa" * 32, "n.deb"),
        debian.Locked("tools", "gcc", "1", "bb" * 32, "g.deb"),
    ]
    return list(components(Tree(tmp_path / "root"), [wheel], tmp_path, locked))


def test_the_list_holds_debian_s_and_python_s_packages_and_no_tool(tmp_path: Path) -> None:
    found = listed(tmp_path)
    bom = cyclonedx(found, "1.0", SEED, "cc")  # type: ignore[arg-type]
    assert [c["purl"].split("@")[0] for c in bom["components"]] == ["pkg:deb/debian/nginx", "pkg:pypi/click"]
    assert bom["components"][0]["licenses"] == [{"license": {"name": n}} for n in ("BSD-2-clause", "GPL-2")]
    assert bom == cyclonedx(found, "1.0", SEED, "cc"), "the same root has the same list"  # type: ignore[arg-type]
    assert licences(found) == "nginx 1.26: BSD-2-clause, GPL-2\nclick 8.5.1: BSD-3-Clause\n"  # type: ignore[arg-type]


def test_spdx_says_of_each_package_what_the_standard_wants(tmp_path: Path) -> None:
    document = spdx(listed(tmp_path), "1.0", SEED, "cc", 1_760_000_000)  # type: ignore[arg-type]
    assert document["creationInfo"]["created"] == "2025-10-09T08:53:20Z"
    for package in document["packages"]:
        assert {"SPDXID", "name", "versionInfo", "downloadLocation", "licenseConcluded", "copyrightText"} <= set(
            package
        )
    told = {(r["spdxElementId"], r["relationshipType"], r["relatedSpdxElement"]) for r in document["relationships"]}
    assert told == {
        ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-casemate"),
        ("SPDXRef-casemate", "CONTAINS", "SPDXRef-1"),
        ("SPDXRef-casemate", "CONTAINS", "SPDXRef-2"),
    }


def test_only_debian_s_own_data_makes_a_report(tmp_path: Path) -> None:
    feed = tmp_path / "trixie"
    for octets, says in ((b"no", "cannot be read"), (zlib.compress(b"VERSION 9\n"), "form that is not known")):
        feed.write_bytes(octets)
        with pytest.raises(Fault, match=says):
            vulnerabilities.checked(feed)
    feed.write_bytes(zlib.compress(b"VERSION 1\n\n\n\n"))
    assert vulnerabilities.checked(feed) == feed
