"""HOT: the register at one moment: may this sender be used for this number? One look-up a message where it is asked at all.

Immutable. Nothing is asked for countries that `senders.mandatory` does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from appliance.errors import Error
from appliance.message import CLASSES
from appliance.numbering import country_of, region_of, sender_kind

from .dlt import VARIABLE_CHARACTERS, Templates
from .registration import Registration
from .rules import Rule, rule_of

DLT: Final = "IN"  # where texts are registered
LEAVING_MAX: Final = 10_000  # answers of `leaving` remembered; senders are the bank's own and few


class Group(Protocol):
    """Of the routes: messages that leave over the same links; `ways` put senders."""

    @property
    def ways(self) -> tuple[Any, ...]: ...


class Register:
    """`mandatory`: countries where registration is asked. `defaults`: link -> the sender it puts where a message has none.

    `version`: number of the last act in it. `dlt_required`: in India a header without templates on file sends nothing; `dlt_variable`:
    characters of one `{#var#}`.
    """

    def __init__(
        self,
        registrations: Iterable[Registration] = (),
        mandatory: Iterable[str] = (),
        defaults: dict[str, str] | None = None,
        version: int = 0,
        dlt_required: bool = False,
        dlt_variable: int = VARIABLE_CHARACTERS,
    ) -> None:
        self.mandatory = frozenset(mandatory)
        self._defaults = defaults or {}
        self.version = version
        self._rules = {country: rule_of(country) for country in self.mandatory}
        self._known = {(r.country, r.sender): r for r in registrations if r.country in self.mandatory}
        self._dlt_required = dlt_required
        self._templates = {
            key: Templates(r.details.templates, dlt_variable) for key, r in self._known.items() if r.details.templates
        }
        self._codes: dict[int, bool] = {}
        self._leaving: dict[tuple[Any, str, int], tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def check(
        self,
        to: str,
        calling_code: int,
        class_: int,
        sender: str,
        at_ms: int,
        group: Callable[[str, int, str], Group],
        text: str | None = None,
    ) -> str:
        """The country whose rule the sender passed, empty where there is none. Raises Error `sender_unregistered`.

        And `content_refused` for a text that is none of the templates registered for the sender; None: it is not known yet.
        `group`: the route's group of number, class and sender: what counts is the sender that leaves.
        """
        asked = self._codes.get(calling_code)
        if asked is None:
            asked = self._codes[calling_code] = self._may_ask(calling_code)
        if not asked:
            return ""
        country = region_of(to, calling_code)
        rule = self._rules.get(country)
        if rule is None:
            return ""
        for leaving in self._senders(group(to, class_, sender), sender, class_):
            found = self._known.get((country, leaving))
            if found is None or not found.holds(at_ms):
                self._refuse(country, rule, leaving, found, at_ms)
            elif text is not None:
                if country == DLT and self._dlt_required and (country, leaving) not in self._templates:
                    raise _none_of_them(country, leaving, "none is on file")
                self.template(country, leaving, text)
        return country

    def template(self, country: str, sender: str, text: str) -> str:
        """Id of the registered template that a text is made by; empty where none are on file. Raises Error `content_refused`."""
        templates = self._templates.get((country, sender))
        if templates is None:
            return ""
        number = templates.match(text)
        if not number:
            nearest, where = templates.nearest(text)
            raise _none_of_them(country, sender, f"the nearest is {nearest}: {where}")
        return number

    def checker(self, group: Callable[[str, int, str], Group], at_ms: int) -> Callable[..., str] | None:
        """`check` with the routes and the time given, for many messages; None where no country asks."""
        if not self.mandatory:
            return None
        return lambda to, calling_code, class_, sender, text=None: self.check(
            to, calling_code, class_, sender, at_ms, group, text
        )

    def _may_ask(self, calling_code: int) -> bool:
        return calling_code in (1, 7) or country_of(calling_code) in self.mandatory

    def _senders(self, group: Group, sender: str, class_: int) -> tuple[str, ...]:
        """What may leave instead of `sender`: routes put senders, links put their own where there is none."""
        key = (group, sender, class_)
        found = self._leaving.get(key)
        if found is None:
            out: dict[str, None] = {}
            for way in group.ways:
                put = way.put(sender, CLASSES[class_])
                for each in (put,) if put else tuple(self._defaults.get(link, "") for link in way.links):
                    if each:
                        out[each] = None
            if len(self._leaving) >= LEAVING_MAX:
                self._leaving.clear()
            found = self._leaving[key] = tuple(out)
        return found

    def _refuse(self, country: str, rule: Rule, sender: str, found: Registration | None, at_ms: int) -> None:
        """Raises Error `sender_unregistered` when the rule is about senders of this kind."""
        kind = sender_kind(sender)
        if kind not in rule.kinds:
            return
        said = "a number" if kind == "number" else f"`{sender}`"
        why = f"as sender {said} is not registered in {country}"
        hint = f"{rule.where}; then `casemate sender add` and `confirm`"
        if found is not None:
            state = found.state_at(at_ms)
            if state == "requested":
                why = f"the registration of sender {said} in {country} is requested, not confirmed"
                hint = "when the register has confirmed it: `casemate sender confirm`"
            elif state == "expired":
                why = f"the registration of sender {said} in {country} has expired"
                hint = f"renew it: {rule.where}; then `casemate sender confirm`"
            else:
                why = f"the registration of sender {said} in {country} is not valid yet"
                hint = "wait for its first day, or mend `valid_from` with `casemate sender confirm`"
        elif kind == "alphanumeric":
            like = next((s for c, s in self._known if c == country and s.casefold() == sender.casefold()), None)
            if like is not None:
                hint = f"it is registered as `{like}`: capitals and small letters count"
        raise Error("sender_unregistered", why, hint, field="from", country=country)


def _none_of_them(country: str, sender: str, why: str) -> Error:
    return Error(
        "content_refused",
        f"the text is none of the templates registered for `{sender}` in {country}",
        f"{why}; write it so, or register it and add it with `casemate sender confirm --templates`",
        field="text",
        rule="dlt_template",
        country=country,
    )
