"""The rules of the daily review: each finds what it is for and nothing of an ordinary day."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.audit.details import DETAIL, FIELDS
from appliance.audit.entry import canonical, entry
from appliance.audit.events import EVENTS
from appliance.audit.review import EACH, REFUSALS, RULES, SEARCHES, Bounds, counted, review
from appliance.settings import Hours

BOUNDS = Bounds(Hours.read(("mon-fri 07:00-20:00",), "Europe/Rome"), 3, 4)
MONDAY_NOON = 1_795_431_600_000  # 2026-11-23T11:00Z
NIGHT = MONDAY_NOON + 12 * 3_600_000


def found(*entries: dict[str, Any], first: int = 100) -> list[tuple[str, int, str, int]]:
    return [tuple(f) for f in review(enumerate((canonical(e) for e in entries), first), BOUNDS)]


def made(
    what: str, outcome: str = "ok", who: str = "console:anna", at: int = MONDAY_NOON, **detail: Any
) -> dict[str, Any]:
    return entry(at, who, what, "thing:x", outcome, **detail)


def test_an_ordinary_day_has_no_findings() -> None:
    day = [made("console.login"), made("console.logout"), made("console.login", "refused", reason="x"), made("link.up")]
    day += [made("number.looked_up") for _ in range(3)] + [made("console.user_created", role="viewer")]
    day += [made("batch.committed", messages=3, digest="a" * 64) for _ in range(50)]
    assert found(*day) == []


@pytest.mark.parametrize(
    ("at", "rule"),
    [(NIGHT, True), (MONDAY_NOON, False), (MONDAY_NOON - 86_400_000, True), (MONDAY_NOON - 6 * 3_600_000, True)],
)
def test_signing_in_off_hours(at: int, rule: bool) -> None:
    assert found(made("console.login", at=at)) == ([("off_hours", 100, "console:anna", 1)] if rule else [])
    assert found(made("console.login", "refused", at=at)) == []


def test_refusals_and_searches_count_by_actor() -> None:
    tries = [made("console.login", "refused", who=f"console:{name}") for name in ("bo", "anna", "anna", "anna", "bo")]
    assert found(*tries) == [("failures", 101, "console:anna", 3)]
    assert found(made("apikey.refused", "refused", who="api:unknown", attempts=9)) == [
        ("failures", 100, "api:unknown", 9)
    ]
    looks = ["message.searched_by_number", "number.looked_up", "consent.looked_up", "number.looked_up"]
    assert found(*map(made, looks)) == [("searches", 100, "console:anna", 4)]


def test_acts_of_power_are_found_each() -> None:
    acts = [
        made("console.user_created", role="administrator"),
        made("key.hold_set", day="2026-11-01", until="2026-12-01"),
        made("key.destroyed", day="2026-11-01", state="destroyed", reason="retention"),
        made("key.state_changed", day="2026-11-01", state="compromised"),
        made("key.state_changed", day="2026-11-01", state="active"),
        made("audit.gap", "failed", expected_index=1, got_index=3),
        made("audit.unsigned", "failed", since_ms=MONDAY_NOON, code="hsm_unavailable"),
        made("audit.verified", "failed", size_count=1, problem_count=1),
        made("settings.changed", before="a" * 64, digest="b" * 64),
    ]
    findings = review(enumerate(map(canonical, acts)), BOUNDS)
    assert counted(findings) == {
        "administrators": 1,
        "key_acts": 1,
        "holds": 1,
        "gaps": 1,
        "unsigned": 1,
        "settings": 1,
    }
    assert [f.times for f in findings if f.rule in ("key_acts", "gaps")] == [2, 2]
    assert [f.rule for f in findings] == [rule for rule in RULES if rule in counted(findings)]


def test_the_tables_know_each_other() -> None:
    assert (set(EACH) | REFUSALS | SEARCHES) <= set(EVENTS)
    assert set(EACH.values()) <= set(RULES) <= set(FIELDS)
    assert {f"{rule}?" for rule in RULES} <= set(DETAIL["audit.review"].split())
