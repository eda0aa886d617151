"""HOT: which programmes a message belongs to, and whether its customer asked to be left alone. Pure: who did is passed in.

A class that is exempt is never held back. Of the others a message is refused when the customer left every programme, or one
that the message belongs to by its class and sender.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from appliance.errors import Error
from appliance.message import CLASSES
from appliance.settings import Programme, Settings

from .book import EVERY
from .suppressed import Suppressed

SENDERS_MAX: Final = 10_000  # combinations of class and sender that are remembered
ALL_NAME: Final = "all"  # what people read for EVERY


class Consent:
    """The rules of the settings; `suppressed` is replaced by its owner when there is a newer one."""

    def __init__(
        self, programmes: tuple[Programme, ...], exempt: Iterable[str], revoke_all: bool, suppressed: Suppressed
    ) -> None:
        self.programmes = programmes
        self.exempt = frozenset(CLASSES.index(name) for name in exempt)
        self.revoke_all = revoke_all
        self.suppressed = suppressed
        self._of: dict[tuple[int, str], tuple[str, ...]] = {}

    @classmethod
    def of(cls, settings: Settings) -> Consent:
        """Raises Error `settings_invalid` for an exempt class that there is not."""
        exempt: list[str] = settings["consent.exempt_classes"]
        for name in exempt:
            if name not in CLASSES:
                raise Error("settings_invalid", f"consent.exempt_classes: {name!r}", f"classes: {', '.join(CLASSES)}")
        return cls(settings.programmes, exempt, settings["consent.revoke_all"], Suppressed())

    def belongs(self, class_: int, sender: str) -> tuple[str, ...]:
        """Names of the programmes whose STOP holds such a message back, EVERY first; none for an exempt class."""
        found = self._of.get((class_, sender))
        if found is None:
            if class_ in self.exempt:
                found = ()
            else:
                name = CLASSES[class_]
                found = (
                    EVERY,
                    *(p.name for p in self.programmes if name in p.classes and (not p.senders or sender in p.senders)),
                )
            if len(self._of) >= SENDERS_MAX:
                self._of.clear()
            self._of[class_, sender] = found
        return found

    def check(self, subject: bytes, class_: int, sender: str) -> None:
        """Raises Error `suppressed` whose `rule` is the programme's name."""
        names = self._of.get((class_, sender))
        if names is None:
            names = self.belongs(class_, sender)
        if names:
            name = self.suppressed.first_of(names, subject)
            if name is not None:
                raise Error(
                    "suppressed",
                    "the customer asked not to be written to",
                    "only the customer's own START, or a person with the evidence for it, ends this",
                    field="to",
                    rule=name or ALL_NAME,
                )

    def addressed(self, recipient: str) -> list[Programme]:
        """The programmes that a customer who writes to `recipient` means: those that name it, else those that name none."""
        plain = recipient.removeprefix("+")
        named = [
            p for p in self.programmes if any(plain == each.removeprefix("+") for each in (*p.recipients, *p.senders))
        ]
        return named or [p for p in self.programmes if not p.recipients] or list(self.programmes)
