"""The same rulings before a message is sent and years later, under the policy of its own time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.evidence import EvidenceBook, EvidenceWatch, Facts, Policy, basis_of, explained, read_basis
from appliance.evidence.book import HOUR_MS, InForce, Refused
from appliance.message import BULK, OTP
from appliance.settings import Settings, parse

MESSAGE = Facts("+393331234567", BULK, "SALE", 1_000, 5_000, ("template:offer@3", "content:card_masked", "quiet_hours:night"), ("one",))  # fmt: skip


def settings_of(home: Path, **more: Any) -> Settings:
    raw = {"programme": [{"name": "offers", "senders": ["SALE"]}], "senders": {"mandatory": ["IT"]}, "quiet_hours": [{"name": "night"}]}  # fmt: skip
    return parse({**raw, **more}, home, "t")


def test_each_desk_names_its_rule_and_its_version(tmp_path: Path) -> None:
    policy = Policy.of(settings_of(tmp_path))
    basis = basis_of(policy.digest, 17, 4, 2)
    told = {(r.desk, r.rule, r.outcome, r.version) for r in explained(policy, basis, MESSAGE)}
    assert told >= {
        ("template", "offer", "changed", "3"),
        ("content", "card_masked", "changed", policy.digest),
        ("consent", "programmes all, offers", "passed", "17"),
        ("quiet_hours", "night", "held", policy.digest),
        ("sender", "senders.mandatory IT", "passed", "4"),
        ("route", "routes", "taken", "2"),
    }
    assert next(r.desk for r in explained(policy, basis, MESSAGE)) == "number"
    night = 1_795_906_800_000  # 2026-11-28 00:00 in Rome
    erased = MESSAGE._replace(ruled=None, at_ms=night, send_at_ms=night + 8 * 3_600_000)
    told_later = {(r.desk, r.outcome) for r in explained(policy, basis, erased)}
    assert ("quiet_hours", "held") in told_later and not {"content", "template"} & {desk for desk, _ in told_later}
    assert not any("333" in f"{r.rule} {r.why}" for r in explained(policy, basis, MESSAGE)), "the number is not told"


def test_an_exempt_class_says_so(tmp_path: Path) -> None:
    policy = Policy.of(settings_of(tmp_path))
    told = {
        r.desk: r.outcome
        for r in explained(policy, basis_of(policy.digest, 0, 0, 0), MESSAGE._replace(class_=OTP, ruled=()))
    }
    assert (told["consent"], told["quiet_hours"], told["content"]) == ("exempt", "exempt", "passed")


def test_without_a_basis_nothing_is_made_up() -> None:
    assert [r.desk for r in explained(None, "", MESSAGE)] == ["number", "template"]
    assert read_basis("") == {} and read_basis("policy=a consent=1 other=2") == {"policy": "a", "consent": "1"}


def test_a_policy_reads_back_as_it_was_and_nonsense_does_not(tmp_path: Path) -> None:
    policy = Policy.of(settings_of(tmp_path))
    again = Policy.read(policy.text)
    assert (again.digest, again.quiet.rows) == (policy.digest, policy.quiet.rows)
    assert again.consent.belongs(BULK, "SALE") == policy.consent.belongs(BULK, "SALE") == ("", "offers")
    for text in ("", "[]", "{}", '{"settings": {}}'):
        with pytest.raises(Error, match="cannot be read"):
            Policy.read(text)


def test_a_message_of_former_settings_is_explained_by_these(tmp_path: Path) -> None:
    before = EvidenceWatch(settings_of(tmp_path), "gateway-0")
    after = EvidenceWatch(settings_of(tmp_path, quiet_hours=[]), "gateway-0")
    basis = basis_of(before.policy.digest, 1, 1, 1)

    async def ask() -> list[Any]:
        await before.look()
        await after.look()
        facts = MESSAGE._replace(ruled=())
        return [r for r in await after.explain(basis, facts) if r.desk == "quiet_hours"]

    (ruling,) = asyncio.run(ask())
    before.close()
    after.close()
    assert (ruling.rule, ruling.outcome, ruling.version) == ("night", "passed", before.policy.digest)


def test_refusals_are_counted_by_hour_and_rule_and_policies_by_time(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    watch = EvidenceWatch(settings, "door")

    async def use() -> None:
        await watch.look()
        for _ in range(3):
            watch.refused(Error("content_refused", "x", rule="card"))
        watch.refused(Error("sender_unregistered", "x", country="IT"))

    asyncio.run(use())
    watch.close()  # what was not written yet is now
    book = EvidenceBook(settings)
    assert {(r.code, r.rule, r.times) for r in book.refusals(0, 1 << 62)} == {
        ("content_refused", "card", 3),
        ("sender_unregistered", "IT", 1),
    }
    book.refused({("suppressed", "offers"): 2}, "door", 5 * HOUR_MS + 7)
    book.refused({("suppressed", "offers"): 1}, "door", 5 * HOUR_MS + 8)
    assert book.refusals(5 * HOUR_MS + 9, 6 * HOUR_MS) == [Refused(5 * HOUR_MS, "door", "suppressed", "offers", 3)]
    other = Policy.of(settings_of(tmp_path, quiet_hours=[]))
    first = watch.policy
    for policy, at_ms in ((first, 10), (other, 20), (other, 25), (first, 30)):
        book.began(policy, "gateway-0", at_ms)
    assert book.in_force(22, 40) == [
        InForce(20, "gateway-0", other.digest),
        InForce(30, "gateway-0", first.digest),
    ]
    assert {p.digest for p in book.policies()} == {first.digest, other.digest}
    book.close()
