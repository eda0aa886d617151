"""The rules that settings make, as one document with a digest: what a message was let through by is told from it years later. Pure."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final

from appliance.consent import LISTS, Consent, Quiet, Suppressed
from appliance.errors import Error
from appliance.settings import Programme, QuietHours, Settings

DIGEST_CHARACTERS: Final = 16  # 64 bits name one among the few policies that a box ever has
#: Settings that decide on messages, beside programmes and quiet hours.
NAMED: Final = (
    "consent.exempt_classes", "consent.revoke_all", "content.cards", "content.link_hosts", "content.otp_links",
    "content.secrets", "senders.mandatory", "text.transliterate",
)  # fmt: skip


class Policy:
    """Immutable. `document` is what is kept; `digest` names it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        self.digest = hashlib.sha256(self.text.encode()).hexdigest()[:DIGEST_CHARACTERS]

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """What the settings say, and the tables of others that they are applied with."""
        words = json.dumps(LISTS, ensure_ascii=False).encode()
        return cls(
            {
                "settings": {name: settings[name] for name in NAMED},
                "programmes": [_row(each) for each in settings.programmes],
                "quiet_hours": [_row(each) for each in settings.quiet_hours],
                "keyword_lists": hashlib.sha256(words).hexdigest(),
                "phonenumbers": version("phonenumbers"),
                "tzdata": version("tzdata"),
            }
        )

    @classmethod
    def read(cls, text: str) -> Policy:
        """Raises Error `store_damaged` for what is none."""
        try:
            policy = cls(json.loads(text))
            _ = policy.consent, policy.quiet
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Error("store_damaged", "a policy of former settings cannot be read", "") from None
        return policy

    def __getitem__(self, name: str) -> Any:
        """One of NAMED."""
        return self.document["settings"][name]

    @cached_property
    def consent(self) -> Consent:
        """Whose programme a message was; it knows nobody who asked to be left alone."""
        rows = tuple(Programme(**_tuples(each)) for each in self.document["programmes"])
        return Consent(rows, self["consent.exempt_classes"], self["consent.revoke_all"], Suppressed())

    @cached_property
    def quiet(self) -> Quiet:
        rows = [QuietHours(**_tuples(each)) for each in self.document["quiet_hours"]]
        return Quiet(rows, self.consent.belongs)


def _row(row: Any) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(row).items()}


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
