"""Articles 10 to 18 as a table of cases, read strictly; counters that an authentication ends."""

from __future__ import annotations

import pytest

from appliance.verify import Asked, Counters, Rate, articles, best, cents_of, quarter_before, quarter_of
from appliance.verify.exemption_rules import (
    ACCESS_DAYS,
    DAY_MS,
    KINDS,
    REFERENCE_RATES,
    REMOTE,
    RISKS,
    counted,
)

AT = 1_800_000_000_000
NOW = "2027-Q1"
NOTHING: frozenset[str] = frozenset()


def said(asked: Asked, counters: Counters = Counters(), rates: dict[str, Rate] | None = None) -> dict[str, bool]:  # noqa: B008
    found = articles(asked, counters, rates or {}, NOW, AT)
    assert all(one.because for one in found)
    assert [int(one.article) for one in found] == sorted(int(one.article) for one in found)
    return {one.article: one.candidate for one in found}


def rate(ppm: int, quarter: str = "2026-Q4") -> dict[str, Rate]:
    return {quarter: Rate(quarter, ppm, 1_000_000)}


@pytest.mark.parametrize(
    ("cents", "before", "count", "candidate"),
    [
        (30_00, 0, 0, True),
        (30_01, 0, 0, False),
        (20_00, 80_00, 3, True),
        (20_01, 80_00, 3, False),
        (1, 0, 4, True),
        (1, 0, 5, False),
    ],
)
def test_article_16(cents: int, before: int, count: int, candidate: bool) -> None:
    for kind in REMOTE:
        assert said(Asked(kind, cents), Counters(before, count))["16"] is candidate


@pytest.mark.parametrize(
    ("cents", "before", "count", "candidate"),
    [(50_00, 100_00, 4, True), (50_01, 0, 0, False), (50_00, 100_01, 0, False), (1, 0, 5, False)],
)
def test_article_11(cents: int, before: int, count: int, candidate: bool) -> None:
    counters = Counters(contactless_cents=before, contactless_count=count)
    assert said(Asked("contactless", cents), counters) == {"11": candidate, "13": False, "14": False}


@pytest.mark.parametrize(
    ("access_ms", "candidate"),
    [(0, False), (AT - ACCESS_DAYS * DAY_MS, False), (AT - ACCESS_DAYS * DAY_MS + 1, True), (AT + DAY_MS, True)],
)
def test_article_10(access_ms: int, candidate: bool) -> None:
    assert said(Asked("account_access", None), Counters(access_ms=access_ms)) == {"10": candidate}


@pytest.mark.parametrize("kind", sorted(REMOTE))
def test_article_18_takes_the_narrowest_band_that_the_amount_is_in(kind: str) -> None:
    for most, reference in REFERENCE_RATES[kind]:
        assert said(Asked(kind, most, risks=NOTHING), rates=rate(reference))["18"]
        assert not said(Asked(kind, most, risks=NOTHING), rates=rate(reference + 1))["18"]
    widest, lowest = REFERENCE_RATES[kind][-1]
    assert not said(Asked(kind, widest + 1, risks=NOTHING), rates=rate(lowest))["18"]


def test_article_18_needs_an_analysis_that_found_nothing_and_a_rate_of_late() -> None:
    asked = Asked("remote_card", 40_00, risks=NOTHING)
    assert said(asked, rates=rate(1))["18"] and said(asked, rates=rate(1, "2026-Q3"))["18"]
    assert not said(asked, rates=rate(1, "2026-Q2"))["18"] and not said(asked)["18"]
    assert not said(asked._replace(risks=None), rates=rate(1))["18"]
    assert not said(asked._replace(cents=None), rates=rate(1))["18"]
    for risk in RISKS:
        assert not said(asked._replace(risks=frozenset({risk})), rates=rate(1))["18"]
    # A part of a millionth counts as one.
    assert not said(asked, rates={"2026-Q4": Rate("2026-Q4", 1_301, 1_000_000)})["18"]
    assert not said(asked, rates={"2026-Q4": Rate("2026-Q4", 13_000_001, 10_000_000_000)})["18"]


def test_the_others() -> None:
    assert said(Asked("unattended", 500_00))["12"]
    assert said(Asked("transfer", 500_00, trusted=True))["13"]
    assert said(Asked("transfer", 500_00, recurring=True))["14"]
    assert said(Asked("transfer", 500_00, own_account=True))["15"]
    assert "15" not in said(Asked("remote_card", 1, own_account=True))
    assert said(Asked("corporate", None))["17"]
    assert best(articles(Asked("transfer", 500_00), Counters(), {}, NOW, AT)) is None
    first = best(articles(Asked("transfer", 1_00, trusted=True), Counters(), {}, NOW, AT))
    assert first is not None and first.article == "13"


def test_an_authentication_ends_what_was_counted() -> None:
    counters = Counters()
    for kind, cents in (("remote_card", 10_00), ("transfer", 5_00), ("contactless", 7_00), ("unattended", 9_00)):
        counters = counted(kind, cents, False, counters, AT)
    assert counters == Counters(15_00, 2, 7_00, 1)
    assert counted("account_access", 0, True, counters, AT) == Counters(access_ms=AT)
    assert counted("transfer", 5_00, True, counters._replace(access_ms=7), AT) == Counters(access_ms=7)
    assert counted("account_access", 0, False, counters, AT) == counters


def test_amounts_and_quarters() -> None:
    assert [cents_of(a) for a in ("10", "10.00", "10.001", "0.009", "30.00")] == [1000, 1000, 1001, 1, 3000]
    assert [quarter_of(2026, m) for m in (1, 3, 4, 12)] == ["2026-Q1", "2026-Q1", "2026-Q2", "2026-Q4"]
    assert [quarter_before(q) for q in ("2026-Q1", "2026-Q3")] == ["2025-Q4", "2026-Q2"]


def test_every_kind_has_an_answer() -> None:
    for kind in KINDS:
        assert said(Asked(kind, 10_00))
