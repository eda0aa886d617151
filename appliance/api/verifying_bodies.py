"""What the calls about verifications take and give: the bodies, and so their part of the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from appliance.flows import AskedWay, ChannelName
from appliance.limits import (
    BATCH_PAYEES_MAX,
    CODE_DIGITS_MAX,
    CODE_DIGITS_MIN,
    CODE_LIFE_S_MAX,
    CODE_LIFE_S_MIN,
    PAYEE_CHARACTERS_MAX,
    PURPOSE_CHARACTERS_MAX,
    WAYS_MAX,
)
from appliance.verify import AMOUNT, CURRENCY

from .requests import Locale, To
from .views import Time

Purpose = Annotated[
    str,
    Meta(
        # It stands on the audit log, where nothing may look like a telephone number.
        pattern=f"^(?!(?:.*[0-9]){{8}})[A-Za-z0-9][A-Za-z0-9._-]{{0,{PURPOSE_CHARACTERS_MAX - 1}}}$",
        description="what the code is for, in your words, at most seven digits among them; the template `verify.PURPOSE` is taken when there is one",
        examples=["login"],
    ),
]
Payee = Annotated[str, Meta(min_length=1, max_length=PAYEE_CHARACTERS_MAX, examples=["Rossi S.r.l."])]
Amount = Annotated[str, Meta(pattern=AMOUNT, description="a decimal string; 10.00 and 10 are one", examples=["10.00"])]
Currency = Annotated[str, Meta(pattern=CURRENCY, description="ISO 4217", examples=["EUR"])]
#: Whatever is presented is compared; only its size is refused.
Presented = Annotated[str, Meta(max_length=1_000)]


Payees = Annotated[
    list[Payee],
    Meta(min_length=1, max_length=BATCH_PAYEES_MAX, description="of a batch, in any order; `amount` is then its total"),
]


class VerificationRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A code to be sent. For a payment `payee` (or `payees`), `amount` and `currency`, all three: it is worth nothing for another one."""

    to: To
    purpose: Purpose
    locale: Locale | None = None
    channels: (
        Annotated[
            list[ChannelName | AskedWay],
            Meta(
                min_length=1,
                max_length=WAYS_MAX,
                description="in this order: the next when a receipt says undelivered, or none came in time; a new code each time",
                examples=[["sms", {"channel": "sms-second", "after_s": 30}]],
            ),
        ]
        | None
    ) = None
    payee: Payee | None = None
    payees: Payees | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    length: Annotated[int, Meta(ge=CODE_DIGITS_MIN, le=CODE_DIGITS_MAX, description="digits")] | None = None
    life_s: Annotated[int, Meta(ge=CODE_LIFE_S_MIN, le=CODE_LIFE_S_MAX)] | None = None
    template: (
        Annotated[
            str,
            Meta(max_length=64, description="one of yours in place of the purpose's", examples=["verify.login-app"]),
        ]
        | None
    ) = None
    user: (
        Annotated[
            str, Meta(min_length=1, max_length=128, description="your customer's id; its codes in an hour are limited")
        ]
        | None
    ) = None
    address: (
        Annotated[str, Meta(max_length=45, description="IP address that the customer asks from, likewise")] | None
    ) = None


class CheckRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What the customer entered; for a payment also the one that is about to be executed."""

    code: Annotated[str, Meta(max_length=64, examples=["123456"])]
    payee: Presented | None = None
    amount: Presented | None = None
    currency: Presented | None = None
    payees: Annotated[list[Presented], Meta(max_length=BATCH_PAYEES_MAX)] | None = None


class VerificationBegun(msgspec.Struct):
    """A verification whose message is on disk."""

    id: str
    status: Literal["pending"]
    expires_at: Time


class VerificationChecked(msgspec.Struct):
    """Approved once, or denied: nothing says why."""

    status: Literal["approved", "denied"]


class EvidenceRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The payment of a dispute, to be compared with what the code was bound to; or nothing."""

    payee: Presented | None = None
    amount: Presented | None = None
    currency: Presented | None = None
    payees: Annotated[list[Presented], Meta(max_length=BATCH_PAYEES_MAX)] | None = None


class EvidenceFiles(msgspec.Struct):
    """File name -> content, as text: the record, a proof of each entry of the audit log, the log's public key."""

    digest: str
    files: dict[str, str]


class VerificationView(msgspec.Struct):
    """How it stands. `bound`: whether to a payment; `sends`, `tries`: how many there were; `run`: the workflow that sends it, as one by several channels has."""

    id: str
    status: Literal["pending", "approved", "failed", "cancelled", "expired"]
    purpose: str
    bound: bool
    created_at: Time
    expires_at: Time
    sends: int
    tries: int
    run: str | None = None
