"""US campaigns where messages leave: senders share a rate, brands share a day, others are held up by neither, a restart forgets nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance import clock
from appliance.engine.campaigns import Campaigns
from appliance.engine.pace import DayCount, Pace, Together
from appliance.message import TRANSACTION
from appliance.senders import Campaign, Details, SenderBook, day_of_brand
from appliance.settings import parse
from tests.support.operator_side import Hands, world_of
from tests.unit.engine.test_paced import of_sender, sent_over

ONE = Campaign("C1", ("A", "B"), 60, "X", 0)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


def test_senders_of_a_campaign_share_its_rate_and_others_do_not_wait(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, window=50, enquire_s=3_600)
    campaigns = Campaigns(parse({}, tmp_path, "t"), world.ledger, world.links)
    campaigns.take([ONE], clock.now_ms())
    for n in range(10):
        for sender in "ABC":
            world.accept(of_sender(sender, f"{sender.lower()}{n:02}"))
    got = sent_over(world, side, hands, 4.9)
    assert len([t for t in got if t.startswith(b"C")]) == 10
    assert len([t for t in got if not t.startswith(b"C")]) in (5, 6), "60 a minute, both together"
    campaigns.take([], clock.now_ms())
    assert world.link.paces.senders is None
    assert len(sent_over(world, side, hands, 0.3)) in (14, 15) and len(world.ledger.queues) == 0


def test_a_brands_day_is_spent_over_all_its_campaigns_until_midnight_pacific(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, window=50, enquire_s=3_600)
    campaigns = Campaigns(parse({}, tmp_path, "t"), world.ledger, world.links)
    rows = [Campaign("C1", ("A",), 0, "X", 3), Campaign("C2", ("B",), 0, "X", 3)]
    campaigns.take(rows, clock.now_ms())
    for sender in "ABABC":
        world.accept(of_sender(sender, "x"))
    assert len(sent_over(world, side, hands, 3)) == 4, "three of the brand, one of C"
    assert world.ledger.queues.lengths[TRANSACTION] == 1
    again = Campaigns(parse({}, tmp_path, "t"), world.ledger, world.links)
    again.take(rows, clock.now_ms())
    assert again._days["X"].allowed(0) == 0, "counted anew from what is on disk"
    again._days["X"].begin(clock.now_ms() + 86_400_000)
    assert len(sent_over(world, side, hands, 3)) == 1


def test_what_the_register_says_is_taken(tmp_path: Path, hands: Hands) -> None:
    world, _ = world_of(tmp_path, window=50, enquire_s=3_600)
    settings = parse({"senders": {"mandatory": ["US"]}}, tmp_path, "t")
    campaigns = Campaigns(settings, world.ledger, world.links)

    async def looked(at_s: float) -> None:
        await campaigns.step(at_s, clock.now_ms())
        if campaigns._looking is not None:
            await campaigns._looking
        await campaigns.step(at_s, clock.now_ms())

    async def story() -> None:
        await looked(100.0)
        assert world.link.paces.senders is None and not (tmp_path / "senders.db").exists()
        book = SenderBook(settings)
        details = Details(evidence="mail", campaign_id="C1", brand_id="X", per_minute=120, per_day=2_000)
        made = book.request("+12125550123", "US", details, "cli:me", 0)
        book.confirm(made.id, details, 0, 0, "cli:me", 0)
        await looked(103.0)
        assert world.link.paces.senders is not None
        assert world.link.paces.senders.of("+12125550123") is not None
        assert world.link.paces.senders.of("OTHER") is None
        (day,) = campaigns._days.values()
        assert day.most == 2_000
        day.spent(5)
        day.end_ms = clock.now_ms() - 1
        await looked(103.1)
        assert (day.allowed(0), day.end_ms) == (2_000, day_of_brand(clock.now_ms())[1]), "another day"
        book.close()

    asyncio.run(story())
    campaigns.close()


def test_several_paces_must_all_allow_it() -> None:
    day, both = DayCount(3, 0), Together([Pace(10.0)])
    both = Together([both, day])
    assert both.allowed(0.0) == 1
    both.spent(1)
    assert both.allowed(0.0) == 0 and both.next_s() == pytest.approx(0.1)
    assert both.allowed(0.1) == 1
    both.spent(2)
    assert (both.allowed(10.0), both.next_s()) == (0, 1.0)
