"""A vendor's cabinet read strictly: what is taken, and every way in which one is refused before anybody is asked who signed it."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable

import pytest

from firmware import cabinet
from firmware.authority import Authority
from firmware.refusals import CABINETS, Refused
from tests.support.cabinets import GUID, bare, jcat, metainfo, payload, plain

CONTENT = payload("1.2.4")
SAID = metainfo("1.2.4", CONTENT)
FILES = {"firmware.bin": CONTENT, "firmware.metainfo.xml": SAID}


@pytest.mark.parametrize("packed", [False, True], ids=["stored", "MSZIP"])
def test_what_it_says_of_itself(packed: bool) -> None:
    """Longer than one block, so that a packed one needs the window of the block before."""
    long = CONTENT + b"firmware " * 20_000
    octets = bare({"firmware.bin": long, "firmware.metainfo.xml": metainfo("1.2.4", long)}, packed)
    found = cabinet.read(octets)
    assert found.files["firmware.bin"] == long
    assert (found.sha256, found.octets) == (hashlib.sha256(octets).hexdigest(), len(octets))
    (one,) = found.components
    assert (one.name, one.vendor, one.version, one.guids) == ("FakeDevice", "Example Hardware", "1.2.4", (GUID,))
    assert (one.payload, one.metainfo) == ("firmware.bin", "firmware.metainfo.xml")


def said(old: bytes, new: bytes) -> Callable[[], bytes]:
    assert old in SAID
    return lambda: bare({**FILES, "firmware.metainfo.xml": SAID.replace(old, new)})


MALFORMED: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "a RAUC bundle": lambda: b"hsqs" + bytes(200),
    "goes on in another file": lambda: bare(FILES, flags=1),
    "longer than it says": lambda: bare(FILES) + b"\0",
    "a name with a path": lambda: bare({**FILES, "../etc/passwd": b"x"}),
    "a hidden name": lambda: bare({**FILES, ".bashrc": b"x"}),
    "no metainfo": lambda: bare({"firmware.bin": CONTENT}),
    "entities": said(b"<component", b"<!DOCTYPE a [<!ENTITY b 'c'>]><component"),
    "no XML": said(b"</component>", b""),
    "not in UTF-8": said(b"FakeDevice", b"\xff\xfe"),
    "another document": said(b"component", b"application"),
    "no device": said(b'type="flashed"', b'type="other"'),
    "a device by no GUID": said(GUID.encode(), b"webcam"),
    "the firmware is not in it": lambda: bare({"firmware.metainfo.xml": SAID}),
    "a Jcat file that is none": lambda: bare({**FILES, "firmware.jcat": b"x"}),
    "a Jcat file of another shape": lambda: bare({**FILES, "firmware.jcat": gzip.compress(b'{"Items": 7}')}),
    "a signature that is none": lambda: bare({**FILES, "firmware.jcat": jcat(firmware_bin=[{"Kind": 1, "Data": "A"}])}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_cabinet(name: str) -> None:
    with pytest.raises(Refused) as caught:
        cabinet.signer(cabinet.read(MALFORMED[name]()), Authority([]))
    assert caught.value.code == "cabinet_form" and caught.value.hint


def test_it_is_refused_wherever_it_is_cut_off() -> None:
    octets = plain()
    for at in range(0, len(octets), 7):
        with pytest.raises(Refused) as caught:
            cabinet.read(octets[:at])
        assert caught.value.code == "cabinet_form", at


def test_what_it_says_of_its_length_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cabinet, "CONTENT_OCTETS_MAX", 1_000)
    with pytest.raises(Refused, match="too long"):
        cabinet.read(bare({**FILES, "more.bin": bytes(40_000)}, packed=True))
    monkeypatch.setattr(cabinet, "OCTETS_MAX", 100)
    with pytest.raises(Refused, match="longer than"):
        cabinet.read(plain())


def test_nobody_signed_it() -> None:
    with pytest.raises(Refused) as caught:
        cabinet.signer(cabinet.read(plain()), Authority([]))
    assert caught.value.code == "cabinet_unsigned"


@pytest.mark.parametrize("kind, named", [(1, "sha256"), (4, "sha1"), (10, "sha512")])
def test_its_own_digests_are_looked_at_first(kind: int, named: str) -> None:
    digest = hashlib.new(named, CONTENT).hexdigest()
    blobs = jcat(firmware_bin=[{"Kind": kind, "Flags": 1, "Data": digest}])
    wrong = bare({**FILES, "firmware.bin": payload("1.2.5"), "firmware.jcat": blobs})
    with pytest.raises(Refused) as caught:
        cabinet.signer(cabinet.read(wrong), Authority([]))
    assert caught.value.code == "cabinet_tampered"
    with pytest.raises(Refused) as caught:
        cabinet.signer(cabinet.read(bare({**FILES, "firmware.jcat": blobs})), Authority([]))
    assert caught.value.code == "cabinet_unsigned", "a digest is no signature"


def test_every_refusal_says_what_to_do() -> None:
    for code, (sentence, hint) in CABINETS.items():
        assert code.startswith("cabinet_") and sentence and hint
        assert Refused(code).hint == hint
