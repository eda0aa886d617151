"""By which rule each desk let a message through: for its preview, and for its timeline long after. Pure; it never says number or text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from appliance.clock import rfc3339
from appliance.consent import ALL_NAME
from appliance.message import CLASSES
from appliance.numbering import calling_code_of, region_of

from .basis import read_basis
from .policy import Policy

PASSED, CHANGED, HELD, EXEMPT, TAKEN = "passed", "changed", "held", "exempt", "taken"
OUTCOMES: Final = (PASSED, CHANGED, HELD, EXEMPT, TAKEN)


class Ruling(Struct):
    """One decision: the desk, the rule by its name, what came of it, why, and which version of the rule's table it was."""

    desk: str
    rule: str
    outcome: str
    why: str
    version: str | None = None


class Facts(NamedTuple):
    """What is known of a message. `ruled`: as in its Content, None when that was erased; `links`: where it went or would go, empty when nobody knows yet."""

    to: str | None
    class_: int
    sender: str
    at_ms: int
    send_at_ms: int = 0
    ruled: tuple[str, ...] | None = ()
    links: tuple[str, ...] = ()


def explained(policy: Policy | None, basis: str, facts: Facts) -> list[Ruling]:
    """A ruling a desk, in the order in which they are asked. `policy` None: that of a time of which nothing is kept."""
    versions = read_basis(basis)
    digest = versions.get("policy")
    said = _by_desk(facts.ruled or ())
    out: list[Ruling] = []
    country = region_of(facts.to, calling_code_of(facts.to)) if facts.to else ""
    if facts.to:
        rule = f"numbering plan of {country or 'no country'}"
        tables = policy.document["phonenumbers"] if policy is not None else None
        out.append(
            Ruling("number", rule, PASSED, "the plan has such numbers", f"phonenumbers {tables}" if tables else None)
        )
    out += [
        Ruling("template", name, CHANGED, "the text is made by this template", version or None)
        for name, _, version in (each.partition("@") for each in said.get("template", ()))
    ]
    if policy is None:
        return out
    if facts.ruled is not None:
        out += _content(policy, said.get("content", ()), digest)
    if facts.to:
        out.append(_consent(policy, facts, versions))
        out.append(_quiet(policy, facts, said.get("quiet_hours", ()), digest))
        out.append(_sender(policy, country, versions))
    if facts.links:
        out.append(Ruling("route", "routes", TAKEN, f"over link {', then '.join(facts.links)}", versions.get("routes")))
    return out


def _by_desk(ruled: Iterable[str]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for each in ruled:
        desk, _, rule = each.partition(":")
        out.setdefault(desk, []).append(rule)
    return out


def _content(policy: Policy, rules: Iterable[str], version: str | None) -> list[Ruling]:
    changed = [Ruling("content", rule, CHANGED, "the text was changed by this rule", version) for rule in rules]
    if changed:
        return changed
    asked = ", ".join(f"{name} = {policy[name]}" for name in ("content.cards", "content.secrets", "content.otp_links"))
    return [Ruling("content", asked, PASSED, "nothing in the text that these rules are about", version)]


def _consent(policy: Policy, facts: Facts, versions: dict[str, str]) -> Ruling:
    name = CLASSES[facts.class_]
    if facts.class_ in policy.consent.exempt:
        return Ruling("consent", "consent.exempt_classes", EXEMPT, f"{name} passes any STOP", versions.get("policy"))
    of = ", ".join(each or ALL_NAME for each in policy.consent.belongs(facts.class_, facts.sender))
    return Ruling(
        "consent",
        f"programmes {of}",
        PASSED,
        "its customer had not asked to be left alone in these",
        versions.get("consent"),
    )


def _quiet(policy: Policy, facts: Facts, names: list[str] | tuple[()], version: str | None) -> Ruling:
    if facts.ruled is None and facts.to:  # worked out again: what was held left when its quiet hours ended
        wait = policy.quiet.wait_of(facts.to, facts.class_, facts.sender, facts.at_ms)
        names = list(wait.rules) if wait is not None and wait.until_ms == facts.send_at_ms else ()
    if names:
        why = f"it waits until {rfc3339(facts.send_at_ms)} by its recipient's clock"
        return Ruling("quiet_hours", ", ".join(names), HELD, why, version)
    if facts.class_ in policy.consent.exempt:
        return Ruling("quiet_hours", "consent.exempt_classes", EXEMPT, "it leaves at any hour", version)
    rows = policy.quiet.keeps(facts.class_, facts.sender)
    if not rows:
        return Ruling("quiet_hours", "none", PASSED, "no quiet hours are about such messages", version)
    return Ruling(
        "quiet_hours",
        ", ".join(row.name for row in rows),
        PASSED,
        "it was not quiet where its recipient lives",
        version,
    )


def _sender(policy: Policy, country: str, versions: dict[str, str]) -> Ruling:
    if country in policy["senders.mandatory"]:
        return Ruling(
            "sender", f"senders.mandatory {country}", PASSED, "its sender was registered there", versions.get("senders")
        )
    return Ruling(
        "sender", "senders.mandatory", PASSED, "that country asks for no registration here", versions.get("policy")
    )
