"""A release that comes through the web console, on the shipped root in a container: the unit that waits for it starts, looks into it as a user who may do
nothing else, and what it found is there for the page. On a machine the path unit starts with the others; in a container it is started here.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware import building
from image import trust
from tests.hosts.conftest import CACHE
from tests.hosts.releases import tampered
from tests.support.release_keys import parts, release

UNIT = "casemate-offered"
FOLDER = "/var/lib/casemate/updates/offered"
OFFER = """
import sys
from pathlib import Path
from appliance.intercom import share
from appliance.settings import home_of, load
from appliance.updates import Updates
from appliance.updates.offered import Offers
share(Path("/var/lib/casemate"))
octets = Path(sys.argv[1]).read_bytes()
offers = Offers(Updates(load(home=home_of())))
offers.begin('casemate-9.0.0.raucb', len(octets), 'console:claim')
for at in range(0, len(octets), 1 << 18):
    offers.piece(at, octets[at : at + (1 << 18)])
print(offers.end('console:claim'))
"""


@pytest.fixture(scope="module")
def bundle(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small release by the development key, which the image trusts."""
    folder = tmp_path_factory.mktemp("offered")
    key = trust.development(CACHE.parent / "keys" / trust.PLACE)
    building.build(
        parts(folder / "parts"), release("9.0.0", hardware=("x86_64-*",)), "verity", key, folder / "right.raucb"
    )
    return folder / "right.raucb"


@pytest.fixture
def waiting(request: pytest.FixtureRequest, host: Any) -> Iterator[None]:
    if request.config.getoption("--box"):
        pytest.skip("nothing is offered to a box that works")
    for unit in (f"{UNIT}.path", f"{UNIT}.service"):
        host.check_output(f"mkdir -p /run/systemd/system/{unit}.d")
        host.check_output(f"printf '[Unit]\\nConditionVirtualization=\\n' > /run/systemd/system/{unit}.d/claim.conf")
    host.check_output(f"systemctl daemon-reload; systemctl start {UNIT}.path")
    yield
    host.run(f"systemctl stop {UNIT}.path; rm -rf {FOLDER}; systemctl reset-failed {UNIT}")


def offered(host: Any, path: Path) -> None:
    """As the console's user, in the console's sandbox of files."""
    place = Path("/proc", host.backend.leader, "root", "tmp", path.name)
    shutil.copyfile(path, place)
    place.chmod(0o644)
    script = place.with_name("offer.py")
    script.write_text(OFFER, encoding="utf-8")
    script.chmod(0o644)
    home = "CASEMATE_HOME=/var/lib/casemate CASEMATE_CONFIG=/var/lib/casemate/settings/casemate.toml"
    own = "setpriv --reuid=casemate-console --regid=casemate --clear-groups"
    host.check_output(f"env {home} {own} /usr/lib/casemate/bin/python3 -P /tmp/offer.py /tmp/{path.name}")


def verdict(host: Any) -> dict[str, Any]:
    until = time.monotonic() + 300
    while not host.file(f"{FOLDER}/verdict.json").exists:
        assert time.monotonic() < until, host.run(f"systemctl status {UNIT}.path {UNIT}; journalctl -u {UNIT}").stdout
        time.sleep(0.5)
    found: dict[str, Any] = json.loads(host.check_output(f"cat {FOLDER}/verdict.json"))
    return found


def test_a_right_one_is_described(waiting: None, host: Any, bundle: Path) -> None:
    offered(host, bundle)
    found = verdict(host)
    assert found.get("version") == "9.0.0" and "release key (development)" in found["signer"], found
    assert "Second release." in found["notes"]


def test_a_tampered_one_is_refused_on_the_record(waiting: None, host: Any, bundle: Path, tmp_path: Path) -> None:
    offered(host, tampered(bundle, tmp_path / "wrong.raucb"))
    found = verdict(host)
    assert found.get("refused") == "payload_tampered", found
    assert "firmware.refused" in host.check_output("casemate audit entries --what firmware.refused")
