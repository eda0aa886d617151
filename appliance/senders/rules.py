"""Where the law or the operators want senders registered: one row a country. A row counts when `senders.mandatory` names it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Rule(NamedTuple):
    """What a country asks. `kinds`: senders that must be confirmed; `needs`: details without which nothing is confirmed."""

    kinds: frozenset[str]
    needs: tuple[str, ...]
    where: str  # what a person does next, for the hint of a refusal
    source: str  # who says so


ANY: Final = frozenset({"alphanumeric", "short_code", "number"})

RULES: Final[dict[str, Rule]] = {
    "IT": Rule(
        frozenset({"alphanumeric"}),
        (),
        "have the alias registered at https://alias.agcom.it by your operator; capitals and small letters count",
        "AGCom, delibera 42/13/CIR and Code of conduct of February 2024 (https://www.agcom.it/node/1149/printable/print)",
    ),
    "IN": Rule(
        ANY,
        ("entity_id",),
        "have the header registered with an operator's DLT platform, and note the entity's id",
        "TRAI TCCCPR 2018 as amended in February 2025: parameters 0x1400 entity, 0x1401 template",
    ),
    "US": Rule(
        frozenset({"number"}),
        ("campaign_id",),
        "have brand and campaign registered for 10DLC, and note the campaign's id",
        "10DLC; unregistered traffic is blocked since February 2025"
        " (https://developers.telnyx.com/docs/messaging/10dlc/10dlc-rate-limits.md)",
    ),
}

#: A country without a row of its own: every sender must be confirmed.
OTHERS: Final = Rule(ANY, (), "have the sender registered as the country asks", "the setting senders.mandatory")


def rule_of(country: str) -> Rule:
    return RULES.get(country, OTHERS)


#: Country -> words and whole names that belong to its institutions, in capitals and without blanks and marks.
#: IT: AGCom's rules (delibera 42/13/CIR, Code of conduct of February 2024) reserve names of institutions; the list is ours: the State's
#: bodies, authorities and police by the short names they use of themselves (https://indicepa.gov.it), in eleven characters.
RESERVED: Final[dict[str, frozenset[str]]] = {
    "IT": frozenset(
        {
            "ACI", "ADM", "AGCM", "AGCOM", "AGENAS", "AGENTRATE", "AGENZENTRAT", "AGID", "AIFA", "ANAC", "ARERA",
            "BANCAITALIA", "BANKITALIA", "CARABINIERI", "CONSIP", "CONSOB", "CORTECONTI", "DOGANE", "ENAC", "GDF",
            "GOVERNO", "GUARDIAFIN", "INAIL", "INPS", "ISTAT", "ITALERT", "IVASS", "MEF", "MINISTERO", "MINSALUTE",
            "PAGOPA", "PARLAMENTO", "POLIZIA", "PREFETTURA", "PROTCIVILE", "QUESTURA", "QUIRINALE", "SENATO",
            "TRIBUNALE", "VIGILFUOCO", "VVF",
        }
    )
}  # fmt: skip


def institution_of(sender: str, country: str) -> str:
    """The reserved name that a sender is, or has as a word; empty where there is none."""
    reserved = RESERVED.get(country, frozenset())
    words = "".join(c if c.isalnum() else " " for c in sender.upper()).split()
    return next((name for name in ("".join(words), *words) if name in reserved), "")
