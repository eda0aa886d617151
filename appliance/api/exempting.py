"""Exemptions over REST: is strong authentication required, or is the payment a candidate for an article; and what the bank tells of what it did."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.limits import PAYEE_CHARACTERS_MAX, SINGLE_BODY_OCTETS_MAX
from appliance.verify import (
    AMOUNT,
    CURRENCY,
    KINDS,
    RISKS,
    Asked,
    Payers,
    Rate,
    articles,
    best,
    cents_of,
    keyed,
    payment_of,
    quarter_before,
    quarter_of,
)

from .asgi import Answer, Request
from .gateway import Gateway
from .requests import decoded_once

_encode: Final = msgspec.json.Encoder().encode
_QUARTER: Final = re.compile(r"20[0-9]{2}-Q[1-4]", re.ASCII)

Payer = Annotated[
    str, Meta(min_length=1, max_length=128, description="your own id of who pays; only a keyed digest is kept")
]
Payee = Annotated[str, Meta(min_length=1, max_length=PAYEE_CHARACTERS_MAX, examples=["Rossi S.r.l."])]
Amount = Annotated[str, Meta(pattern=AMOUNT, examples=["10.00"])]
Currency = Annotated[str, Meta(pattern=CURRENCY, examples=["EUR"])]
Kind = Literal["account_access", "contactless", "unattended", "remote_card", "transfer", "corporate"]
assert set(Kind.__args__) == set(KINDS)  # type: ignore[attr-defined]


class Risks(msgspec.Struct, forbid_unknown_fields=True):
    """What your real-time analysis found (article 18(2)(c)); every one has to be said."""

    abnormal_spending: bool
    unusual_device: bool
    malware: bool
    known_fraud: bool
    abnormal_location: bool
    risky_payee_location: bool


assert set(Risks.__struct_fields__) == set(RISKS)


class ExemptionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A payment, or a look at the account. `amount_eur`: of a payment in another currency; without it no threshold is met."""

    payer: Payer
    kind: Kind
    amount: Amount | None = None
    currency: Currency | None = None
    amount_eur: Amount | None = None
    payee: Payee | None = None
    own_account: bool = False
    risks: Risks | None = None


class ReportRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What was done. `reference`: your id of the payment, under which it counts once; `series`: it began a series with this payee and amount."""

    reference: Annotated[str, Meta(min_length=1, max_length=128)]
    payer: Payer
    kind: Kind
    authenticated: bool
    amount: Amount | None = None
    currency: Currency | None = None
    amount_eur: Amount | None = None
    payee: Payee | None = None
    series: bool = False
    article: Literal["10", "11", "12", "13", "14", "15", "16", "17", "18"] | None = None


class TrustRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A payee put on a payer's list of trusted beneficiaries, with strong authentication (article 13(1)), or taken from it."""

    payer: Payer
    payee: Payee
    trusted: bool


class RateRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Value in euro of fraud and of all payments of a kind in a quarter, with strong authentication and without."""

    kind: Literal["remote_card", "transfer"]
    fraud: Amount
    total: Amount


class ForgetRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A payer whose counters, trusted payees and series are to be erased."""

    payer: Payer


class ArticleSaid(msgspec.Struct):
    """What one article of Delegated Regulation (EU) 2018/389 says."""

    article: str
    candidate: bool
    because: str


class ExemptionAnswer(msgspec.Struct):
    """Strong authentication is required, or the payment is a candidate for `article`. Never a decision: that is yours, and so is answering for it."""

    answer: Literal["required", "candidate"]
    article: str | None
    because: str
    articles: list[ArticleSaid]


class Noted(msgspec.Struct):
    """`changed`: whether anything did; the same again changes nothing."""

    changed: bool


EXEMPTION_BODIES: Final = (
    ExemptionRequest,
    ReportRequest,
    TrustRequest,
    RateRequest,
    ForgetRequest,
    ExemptionAnswer,
    Noted,
)


class Exempting:
    """Endpoints as bound methods."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.book = gateway.exemptions

    async def ask(self, request: Request) -> Answer:
        """POST /v1/exemptions"""
        asked: ExemptionRequest = await self._read(request, ExemptionRequest)
        cents = _cents(asked)
        payer, payee, series = await self._digests(request, asked)
        at_ms = now_ms()
        risks = asked.risks

        def look(book: Payers) -> Any:
            return (
                book.counters(payer),
                bool(payee) and book.is_known(payer, payee, "trusted"),
                bool(series) and book.is_known(payer, series, "series"),
                book.rates(asked.kind),
            )

        counters, trusted, recurring, rates = await self.book.do(look)
        found = None if risks is None else frozenset(name for name in RISKS if getattr(risks, name))
        said = articles(
            Asked(asked.kind, cents, asked.own_account, trusted, recurring, found),
            counters,
            rates,
            _quarter(at_ms),
            at_ms,
        )
        chosen = best(said)
        views = [ArticleSaid(*one) for one in said]
        if chosen is None:
            return Answer(200, _encode(ExemptionAnswer("required", None, "no article fits", views)))
        return Answer(200, _encode(ExemptionAnswer("candidate", chosen.article, chosen.because, views)))

    async def report(self, request: Request) -> Answer:
        """POST /v1/exemptions/reports: on the audit log before it counts."""
        asked: ReportRequest = await self._read(request, ReportRequest)
        cents = _cents(asked)
        if asked.kind not in ("account_access", "corporate") and not asked.authenticated and cents is None:
            raise Error(
                "invalid", "the amount in euro is missing", "`amount_eur` beside another currency", field="amount"
            )
        payer, _, series = await self._digests(request, asked)
        if asked.series and not (series and asked.authenticated):
            raise Error(
                "invalid",
                "a series begins with payee, amount and strong authentication",
                "article 14(1)",
                field="series",
            )
        at_ms = now_ms()
        reference = keyed(await self._key(), b"reference", f"{request.caller.id} {asked.reference}")
        detail: dict[str, Any] = {"payment": asked.kind, "authenticated": asked.authenticated}
        await self._record(
            request, "exemption.reported", **detail, **({"article": asked.article} if asked.article else {})
        )

        def count(book: Payers) -> bool:
            _, fresh = book.report(payer, reference, asked.kind, cents or 0, asked.authenticated, at_ms)
            if fresh and asked.series:
                book.know(payer, series, "series", at_ms)
            return fresh

        return _noted(await self._act(count))

    async def trust(self, request: Request) -> Answer:
        """POST /v1/exemptions/trusted"""
        asked: TrustRequest = await self._read(request, TrustRequest)
        payer, payee, _ = await self._digests(request, asked)
        at_ms = now_ms()
        await self._record(request, "exemption.trusted", trusted=asked.trusted)

        def change(book: Payers) -> bool:
            known = book.is_known(payer, payee, "trusted")
            if asked.trusted:
                book.know(payer, payee, "trusted", at_ms)
            else:
                book.unknow(payer, payee, "trusted")
            return known != asked.trusted

        return _noted(await self._act(change))

    async def rate(self, request: Request) -> Answer:
        """PUT /v1/exemptions/rates/{id}: of one quarter."""
        quarter, at_ms = request.param, now_ms()
        if not _QUARTER.fullmatch(quarter) or quarter >= _quarter(at_ms):
            raise Error(
                "invalid",
                "the address does not end in a quarter that is over",
                f"such as {quarter_before(_quarter(at_ms))}",
            )
        asked: RateRequest = await self._read(request, RateRequest)
        fraud, total = cents_of(asked.fraud), cents_of(asked.total)
        if fraud is None or total is None or not total > 0 or fraud > total:
            raise Error(
                "invalid", "fraud is more than the total, or the total is nothing", "values in euro", field="fraud"
            )
        who = f"api:{request.caller.name}"
        rate = Rate(quarter, fraud, total)
        await self._record(
            request, "exemption.rate_told", payment=asked.kind, quarter=quarter, fraud_cents=fraud, total_cents=total
        )

        def tell(book: Payers) -> bool:
            before = book.rates(asked.kind).get(quarter)
            book.tell_rate(asked.kind, rate, who, at_ms)
            return before != rate

        return _noted(await self._act(tell))

    async def forget(self, request: Request) -> Answer:
        """POST /v1/exemptions/forget"""
        asked: ForgetRequest = await self._read(request, ForgetRequest)
        payer, _, _ = await self._digests(request, asked)
        await self._record(request, "exemption.forgotten")
        return _noted(bool(await self._act(lambda book: book.forget(payer))))

    # --- their parts --------------------------------------------------------------------------------------

    async def _read(self, request: Request, body: type[Any]) -> Any:
        self.gateway.charge(request.caller, 0)
        return decoded_once(_DECODERS[body], await request.body(SINGLE_BODY_OCTETS_MAX))

    async def _digests(self, request: Request, asked: Any) -> tuple[bytes, bytes, bytes]:
        """Payer, payee and series (payee, amount, currency) as the book knows them; empty for what was not said."""
        key, mine = await self._key(), f"{request.caller.id} "
        payer = keyed(key, b"payer", mine + asked.payer)
        payee = getattr(asked, "payee", None)
        if payee is None:
            return payer, b"", b""
        amount, currency = getattr(asked, "amount", None), getattr(asked, "currency", None)
        series = b""
        if amount is not None and currency is not None:
            series = keyed(key, b"series", "\0".join((mine, *payment_of(payee, amount, currency))))
        return payer, keyed(key, b"payee", mine + payee), series

    async def _act(self, what: Any) -> Any:
        at_ms = now_ms()

        def act(book: Payers) -> Any:
            book.sweep(at_ms)
            return what(book)

        return await self.book.do(lambda book: book.act(act))

    async def _record(self, request: Request, event: str, **detail: Any) -> None:
        await self.gateway.recorder.record(f"api:{request.caller.name}", event, "exemption:api", **detail)

    async def _key(self) -> bytes:
        return await self.gateway.ring.derive("exemption", "")


def _cents(asked: ExemptionRequest | ReportRequest) -> int | None:
    """In euro, None when that is not known. Raises Error `invalid`."""
    if (asked.amount is None) != (asked.currency is None):
        raise Error("invalid", "`amount` and `currency` go together", "both or none", field="currency")
    if asked.amount is not None and asked.currency is not None:
        payment_of("x", asked.amount, asked.currency)
    if asked.currency == "EUR" and asked.amount is not None:
        return cents_of(asked.amount)
    return None if asked.amount_eur is None else cents_of(asked.amount_eur)


def _quarter(at_ms: int) -> str:
    text = rfc3339(at_ms)
    return quarter_of(int(text[:4]), int(text[5:7]))


_DECODERS: Final = {body: msgspec.json.Decoder(body) for body in EXEMPTION_BODIES}


def _noted(changed: bool) -> Answer:
    return Answer(200, _encode(Noted(changed)))
