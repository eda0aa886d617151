"""One registration: which sender in which country, since when, until when, on what evidence. Pure: the time is passed in."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from phonenumbers import SUPPORTED_REGIONS

from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.numbering import sender_kind

from .dlt import check_templates
from .rules import institution_of, rule_of

STATES: Final = ("requested", "confirmed", "expired")
FOREVER_MS: Final = 1 << 62
EVIDENCE_CHARACTERS_MAX: Final = 200  # a reference to a file or a mail, not the file
TEMPLATE_CHARACTERS_MAX: Final = 2_000  # what DLT platforms take
TEMPLATES_MAX: Final = 200  # DLT templates of one header

NUMBER_LIKE_DIGITS: Final = 5  # from so many on, fewer than so many letters make no name
NUMBER_LIKE_LETTERS: Final = 3
_LIKE_DIGITS: Final = str.maketrans("OoIl", "0011")  # as handsets show them

Id = Annotated[str, Meta(max_length=40, pattern=r"^[A-Za-z0-9._-]*$")]
TemplateText = Annotated[str, Meta(min_length=1, max_length=TEMPLATE_CHARACTERS_MAX)]


class Details(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a country's register knows of a sender. `per_minute` and `per_day`: segments that a US campaign and its brand may send."""

    evidence: Annotated[
        str, Meta(max_length=EVIDENCE_CHARACTERS_MAX, description="where the confirmation is on file")
    ] = ""
    entity_id: Annotated[Id, Meta(description="India: the principal entity's id on the DLT platform")] = ""
    template_ids: Annotated[
        list[Id], Meta(max_length=TEMPLATES_MAX, description="India: ids of templates of this header")
    ] = []
    templates: Annotated[
        dict[Id, TemplateText],
        Meta(
            max_length=TEMPLATES_MAX,
            description="India: texts of this header's templates by id, variables as {#var#}; with any, a text must be one of them",
        ),
    ] = {}
    campaign_id: Annotated[Id, Meta(description="US: the 10DLC campaign's id")] = ""
    brand_id: Annotated[Id, Meta(description="US: the brand; its campaigns share what it may send a day")] = ""
    per_minute: Annotated[
        int, Meta(ge=0, le=1_000_000, description="US: segments a minute of the campaign; 0: no limit known")
    ] = 0
    per_day: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description="US: segments a day of the brand, to midnight Pacific; 0: no limit known",
        ),
    ] = 0


class Registration(Struct, frozen=True):
    """As it stands in the book. Times in milliseconds since 1970; `expires_ms` 0: not until it is said."""

    id: int
    sender: str
    country: str
    kind: str
    state: str
    requested_ms: int
    valid_from_ms: int
    expires_ms: int
    details: Details
    changed_ms: int
    who: str

    def state_at(self, at_ms: int) -> str:
        """One of STATES: what is confirmed and past its date is expired."""
        return "expired" if self.state == "confirmed" and self.expires_ms and at_ms >= self.expires_ms else self.state

    def holds(self, at_ms: int) -> bool:
        return self.state == "confirmed" and self.valid_from_ms <= at_ms < (self.expires_ms or FOREVER_MS)


def checked_sender(sender: str) -> str:
    """The kind of a sender that can be registered. Raises Error `sender_invalid`.

    A name that reads like a number is refused: AGCom, and most registers, do not take one. It reads like one when no letter is
    left but those that look like digits, or when a letter or two stand beside a short number's digits or more (`0800-33A`).
    """
    kind = sender_kind(sender)
    if kind == "alphanumeric":
        digits = sum(c.isdigit() for c in sender)
        letters = sum(c.isalpha() for c in sender)
        lone = not any(c.isalpha() for c in sender.translate(_LIKE_DIGITS)) and bool(digits or not letters)
        if lone or (digits >= NUMBER_LIKE_DIGITS and letters < NUMBER_LIKE_LETTERS):
            raise Error(
                "sender_invalid",
                "a sender's name must not look like a number",
                f"a name with fewer digits, or with {NUMBER_LIKE_LETTERS} letters at least",
            )
    return kind


def check_reserved(sender: str, country: str, details: Details) -> None:
    """A name of the country's institutions needs their leave on file. Raises Error `sender_invalid`."""
    name = institution_of(sender, country)
    if name and not details.evidence:
        raise Error(
            "sender_invalid",
            f"`{name}` is a name of an institution, which is reserved in {country}",
            "use the bank's own name, or say in `evidence` where the institution's consent is on file",
        )


def checked_country(text: str) -> str:
    """ISO 3166 code in capitals. Raises Error `invalid`."""
    country = text.strip().upper()
    if country not in SUPPORTED_REGIONS:
        raise Error("invalid", "that is no country's code", "two letters of ISO 3166, such as IT", field="country")
    return country


def check_details(details: Details) -> None:
    """Raises Error `invalid`."""
    check_templates(details.templates)
    if any(not c.isprintable() for c in details.evidence):
        raise Error(
            "invalid", "`evidence` has characters that cannot be printed", "a short reference", field="evidence"
        )


def check_confirmed(country: str, details: Details, valid_from_ms: int, expires_ms: int) -> None:
    """What must be on file before a registration may be confirmed. Raises Error `invalid`."""
    check_details(details)
    for name in rule_of(country).needs:
        if not getattr(details, name):
            raise Error(
                "invalid", f"a sender in {country} is confirmed with `{name}`", rule_of(country).where, field=name
            )
    if not details.evidence:
        raise Error(
            "invalid",
            "a sender is confirmed with `evidence`",
            "where the register's answer is on file",
            field="evidence",
        )
    if expires_ms and expires_ms <= valid_from_ms:
        raise Error("invalid", "`expires` is not after `valid_from`", "", field="expires")


_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def day_ms(text: str, name: str) -> int:
    """Milliseconds of midnight UTC of `2026-11-22`. Raises Error `invalid`."""
    from datetime import date

    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return (date.fromisoformat(text) - date(1970, 1, 1)).days * DAY_MS
    except ValueError:
        raise Error("invalid", f"`{name}` is not a day", "write it as 2026-11-22", field=name) from None


def merged(before: Details, given: Details) -> Details:
    """What was known with what is said now; what is not said stays."""
    said = {name: getattr(given, name) for name in given.__struct_fields__ if getattr(given, name)}
    return msgspec.structs.replace(before, **said)
