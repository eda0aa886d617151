"""India's ids in submits: those of the text that leaves, on links that ask for them, to +91 only; read back by the codec."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance import clock
from appliance.engine.campaigns import Campaigns
from appliance.engine.dlt import Stamp, asks
from appliance.errors import Error
from appliance.senders import Details, DltIds, SenderBook
from appliance.settings import Link, Settings, parse
from appliance.smpp import LinkPacker
from appliance.smpp import decode as parsed
from appliance.text import Cutter, encode, sender_octets, shape_of
from tests.support.operator_side import Hands, world_of

NOW = 1_795_694_400_000
TEMPLATES = {"1107001": "{#numeric#} is your OTP. -BANK", "1107002": "Dear {#var#}, your card is on its way. -BANK"}


def link_of(tmp_path: Path, **more: object) -> Link:
    row = {"name": "in", "host": "127.0.0.1", "profile": "india-dlt", "default_sender": "MYBANK"}
    (link,) = parse({"link": [row | more]}, tmp_path, "t").links
    return link


def settings(tmp_path: Path) -> Settings:
    return parse({"senders": {"mandatory": ["IN"]}}, tmp_path, "t")


def filed(tmp_path: Path) -> SenderBook:
    book = SenderBook(settings(tmp_path))
    for sender, details in (
        ("MYBANK", Details(evidence="mail", entity_id="1001", templates=TEMPLATES)),
        ("OTHERS", Details(evidence="mail", entity_id="1002", template_ids=["1107009"])),
        ("SEVERAL", Details(evidence="mail", entity_id="1003", template_ids=["1", "2"])),
    ):
        made = book.request(sender, "IN", details, "cli:me", NOW)
        book.confirm(made.id, details, NOW, 0, "cli:me", NOW)
    return book


@pytest.fixture
def ids(tmp_path: Path) -> DltIds:
    book = filed(tmp_path)
    found = DltIds(book.all(), NOW + 1, 30)
    book.close()
    return found


def sent(link: Link, ids: DltIds, sender: str, to: str, text: str) -> list[dict[int, bytes]]:
    """The vendor's parameters of each submit."""
    shape = shape_of(link)
    packer = LinkPacker(link, Cutter(shape).cut, sender_octets, shape)
    encoding, payload, segments = encode(text)
    waiting: Any = SimpleNamespace(to=to, encoding=encoding, payload=payload)
    parts = packer.prepare(encoding, payload, 7)
    out = []
    for part in range(1, segments + 1):
        frame = packer.pack(1, sender, to, parts, part, 1, 600, NOW)
        pdu = parsed(Stamp(link, ids).on(frame, sender, waiting))
        out.append({tag: value for tag, value in pdu.tlvs.items() if tag >= 0x1400})
    return out


def test_each_text_leaves_with_its_own_template(tmp_path: Path, ids: DltIds) -> None:
    link, to = link_of(tmp_path), "+919876543210"
    assert asks(link)
    assert sent(link, ids, "MYBANK", to, "123456 is your OTP. -BANK") == [{0x1400: b"1001", 0x1401: b"1107001"}]
    assert sent(link, ids, "", to, "Dear Asha, your card is on its way. -BANK") == [
        {0x1400: b"1001", 0x1401: b"1107002"}
    ]
    assert sent(link, ids, "MYBANK", to, "something else") == [{0x1400: b"1001"}]
    assert sent(link, ids, "OTHERS", to, "anything") == [{0x1400: b"1002", 0x1401: b"1107009"}]
    assert sent(link, ids, "SEVERAL", to, "anything") == [{0x1400: b"1003"}]
    assert sent(link, ids, "UNKNOWN", to, "anything") == [{}]
    assert sent(link, ids, "MYBANK", "+393331234567", "123456 is your OTP. -BANK") == [{}]


def test_every_part_of_a_long_text_has_them(tmp_path: Path, ids: DltIds) -> None:
    long = DltIds([], NOW, 30)
    long._entities, long._templates = ids._entities, ids._templates
    text = "Dear Asha, your card is on its way. -BANK" + " " * 200
    assert sent(link_of(tmp_path), long, "MYBANK", "+919876543210", text) == [{0x1400: b"1001"}] * 2


def test_a_links_own_values_win_and_strings_may_end_in_nul(tmp_path: Path, ids: DltIds) -> None:
    own = [{"name": "pe_id", "value": "9"}, {"name": "template_id", "kind": "cstring", "register": "template_id"}]
    link = link_of(tmp_path, tlvs=own)
    said = sent(link, ids, "MYBANK", "+919876543210", "123456 is your OTP. -BANK")
    assert said == [{0x1400: b"9", 0x1401: b"1107001\0"}]
    assert not asks(link_of(tmp_path, tlvs=[{"name": n, "value": "9"} for n in ("pe_id", "template_id")]))


@pytest.mark.parametrize(
    ("tlv", "said"),
    [
        ({"register": "nothing"}, "is a string, entity_id or template_id"),
        ({"register": "entity_id", "kind": "int32"}, "is a string, entity_id or template_id"),
        ({"register": "entity_id", "value": "1"}, "give `value`, `by_sender` or `register`"),
    ],
)
def test_a_parameter_that_cannot_be_filled_is_refused(tmp_path: Path, tlv: dict[str, str], said: str) -> None:
    with pytest.raises(Error, match=said):
        link_of(tmp_path, profile="", tlvs=[{"name": "pe_id", "tag": 0x1400} | tlv])


def test_the_engine_takes_what_the_register_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    Hands(monkeypatch)
    world, _ = world_of(tmp_path, profile="india-dlt")
    filed(tmp_path).close()
    campaigns = Campaigns(settings(tmp_path), world.ledger, world.links)

    async def story() -> None:
        await campaigns.step(100.0, clock.now_ms())
        await campaigns.step(100.0, clock.now_ms())

    asyncio.run(story())
    assert world.link.stamp is not None
    campaigns.close()
