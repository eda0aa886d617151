"""Exemptions from strong customer authentication: which article a payment may be a candidate for, and why not. Facts as tables; pure.

Delegated Regulation (EU) 2018/389, consolidated version of 12 September 2023, articles 10 to 18 and annex. What is told is a candidate and its
reason, never a decision: whether an exemption is used, and answering for it, is the bank's (article 3, 21).
Where an article can be read in two ways it is read strictly: what is told as a candidate is one by the other reading as well.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Final, NamedTuple

SOURCE: Final = "Delegated Regulation (EU) 2018/389, consolidated 12 September 2023"
DAY_MS: Final = 86_400_000

#: What a payer does, as the bank calls it.
KINDS: Final = {
    "account_access": "the balance, or the payments of the last 90 days, are looked at",
    "contactless": "a contactless payment at a terminal",
    "unattended": "a transport fare or a parking fee at an unattended terminal",
    "remote_card": "a card payment at a distance",
    "transfer": "a credit transfer at a distance",
    "corporate": "a payment of a legal person by a dedicated process that consumers cannot use",
}
REMOTE: Final = frozenset({"remote_card", "transfer"})

ACCESS_DAYS: Final = 180  # articles 10, 10a, by Delegated Regulation (EU) 2022/2360
CONTACTLESS_CENTS, CONTACTLESS_SUM_CENTS, CONTACTLESS_COUNT = 50_00, 150_00, 5  # article 11
REMOTE_CENTS, REMOTE_SUM_CENTS, REMOTE_COUNT = 30_00, 100_00, 5  # article 16

#: Annex: amount up to which a fraud rate in parts per million is low enough, the widest last.
REFERENCE_RATES: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "remote_card": ((100_00, 1_300), (250_00, 600), (500_00, 100)),
    "transfer": ((100_00, 150), (250_00, 100), (500_00, 50)),
}

#: Article 18(2)(c): what real-time analysis must not have found.
RISKS: Final = {
    "abnormal_spending": "abnormal spending or behavioural pattern of the payer",
    "unusual_device": "unusual information about the payer's device or software",
    "malware": "malware in any session of the authentication",
    "known_fraud": "a known fraud scenario",
    "abnormal_location": "abnormal location of the payer",
    "risky_payee_location": "high-risk location of the payee",
}


class Counters(NamedTuple):
    """Of one payer since the last strong authentication; cents of euro. `access_ms`: the last one for looking at the account, 0: never."""

    remote_cents: int = 0
    remote_count: int = 0
    contactless_cents: int = 0
    contactless_count: int = 0
    access_ms: int = 0


class Asked(NamedTuple):
    """One payment or look. `cents`: of euro, None when not known; `risks` None: no analysis was made."""

    kind: str
    cents: int | None
    own_account: bool = False
    trusted: bool = False
    recurring: bool = False
    risks: frozenset[str] | None = None


class Rate(NamedTuple):
    """Value of fraud and of all payments of a kind in a quarter, with strong authentication and without (EBA Q&A 2018_4043)."""

    quarter: str
    fraud_cents: int
    total_cents: int


class Said(NamedTuple):
    """Of one article: whether the payment is a candidate, and because of what."""

    article: str
    candidate: bool
    because: str


def quarter_of(year: int, month: int) -> str:
    """`2026-Q4`."""
    return f"{year}-Q{(month + 2) // 3}"


def quarter_before(quarter: str) -> str:
    """The quarter before."""
    year, q = int(quarter[:4]), int(quarter[-1])
    return f"{year - 1}-Q4" if q == 1 else f"{year}-Q{q - 1}"


def cents_of(amount: str) -> int:
    """Of a decimal string; a part of a cent counts as one, which is the strict reading of every threshold."""
    return int((Decimal(amount) * 100).to_integral_value(ROUND_CEILING))


def articles(asked: Asked, counters: Counters, rates: dict[str, Rate], now: str, at_ms: int) -> list[Said]:
    """What each article says that the kind comes under, in their order. `rates`: by quarter, of the kind; `now`: this quarter."""
    if asked.kind == "account_access":
        return [_access(counters, at_ms)]
    out: list[Said] = []
    if asked.kind == "contactless":
        out.append(_small("11", asked.cents, counters.contactless_cents, counters.contactless_count))
    if asked.kind == "unattended":
        out.append(Said("12", True, KINDS["unattended"]))
    out.append(
        Said("13", asked.trusted, _yes(asked.trusted, "the payee is on the payer's list of trusted beneficiaries"))
    )
    out.append(
        Said(
            "14",
            asked.recurring,
            _yes(asked.recurring, "a series of this amount to this payee was begun with strong authentication"),
        )
    )
    if asked.kind == "transfer":
        out.append(Said("15", asked.own_account, _yes(asked.own_account, "both accounts are the payer's, held here")))
    if asked.kind in REMOTE:
        out.append(_small("16", asked.cents, counters.remote_cents, counters.remote_count))
    if asked.kind == "corporate":
        out.append(
            Said(
                "17", True, "a dedicated corporate process; the authority must be satisfied with its level of security"
            )
        )
    if asked.kind in REMOTE:
        out.append(_risk(asked, rates, now))
    return out


def best(said: list[Said]) -> Said | None:
    """The first candidate; None: strong authentication is required."""
    return next((one for one in said if one.candidate), None)


def counted(kind: str, cents: int, authenticated: bool, counters: Counters, at_ms: int) -> Counters:
    """The counters after a payment or look was made. An authentication ends both rows of small payments."""
    if authenticated:
        return Counters(access_ms=at_ms if kind == "account_access" else counters.access_ms)
    if kind in REMOTE:
        return counters._replace(remote_cents=counters.remote_cents + cents, remote_count=counters.remote_count + 1)
    if kind == "contactless":
        return counters._replace(
            contactless_cents=counters.contactless_cents + cents, contactless_count=counters.contactless_count + 1
        )
    return counters


_SMALL: Final = {
    "11": (CONTACTLESS_CENTS, CONTACTLESS_SUM_CENTS, CONTACTLESS_COUNT),
    "16": (REMOTE_CENTS, REMOTE_SUM_CENTS, REMOTE_COUNT),
}


def _small(article: str, cents: int | None, before_cents: int, count: int) -> Said:
    """Both the sum and the count, though a bank may choose one of the two."""
    most, sum_most, count_most = _SMALL[article]
    if cents is None:
        return Said(article, False, "the amount in euro is not known")
    if cents > most:
        return Said(article, False, f"the amount is over {_euro(most)}")
    if before_cents + cents > sum_most:
        return Said(article, False, f"with it {_euro(sum_most)} since the last strong authentication are passed")
    if count >= count_most:
        return Said(article, False, f"{count} payments in a row went without strong authentication")
    return Said(
        article,
        True,
        f"at most {_euro(most)}; with it {_euro(before_cents + cents)} of {_euro(sum_most)} and {count + 1} of {count_most} in a row",
    )


def _access(counters: Counters, at_ms: int) -> Said:
    if not counters.access_ms:
        return Said("10", False, "the account was never looked at with strong authentication")
    days = max(0, at_ms - counters.access_ms) // DAY_MS
    if days >= ACCESS_DAYS:
        return Said("10", False, f"the last strong authentication for it was {days} days ago")
    return Said("10", True, f"the last strong authentication for it was {days} of {ACCESS_DAYS} days ago")


def _risk(asked: Asked, rates: dict[str, Rate], now: str) -> Said:
    """Article 18, and 20: a rate that is too high ends it for an amount until it is low again."""
    if asked.risks is None:
        return Said("18", False, "no real-time risk analysis is told")
    found = sorted(asked.risks)
    if found:
        return Said("18", False, f"the analysis found {RISKS[found[0]]}")
    if asked.cents is None:
        return Said("18", False, "the amount in euro is not known")
    last = quarter_before(now)
    rate = rates.get(last) or rates.get(quarter_before(last))
    if rate is None or rate.total_cents <= 0:
        return Said("18", False, f"no fraud rate of {last} or the quarter before is told")
    ppm = -(-rate.fraud_cents * 1_000_000 // rate.total_cents)  # rounded up
    for most, reference in REFERENCE_RATES[asked.kind]:
        if asked.cents <= most:
            low = ppm <= reference
            what = (
                f"fraud rate of {rate.quarter} {_percent(ppm)}, reference for up to {_euro(most)} {_percent(reference)}"
            )
            return Said("18", low, what if low else f"{what}: too high")
    return Said("18", False, f"the amount is over {_euro(REFERENCE_RATES[asked.kind][-1][0])}")


def _yes(fact: bool, what: str) -> str:
    return what if fact else f"not so: {what}"


def _euro(cents: int) -> str:
    return f"EUR {cents // 100}" + (f".{cents % 100:02}" if cents % 100 else "")


def _percent(ppm: int) -> str:
    return f"{ppm / 10_000:.4f}".rstrip("0").rstrip(".") + " %"
