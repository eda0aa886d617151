"""The policy on what a text may carry, compiled once from settings: each text passes, is masked, or is refused with the rule's name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from appliance.errors import Error
from appliance.limits import TEXT_CHARACTERS_MAX
from appliance.settings import Settings

from .card import DIGITS_MIN, card_numbers, maybe_card
from .link import allowed, links, maybe_link
from .secret import maybe_secret, secrets

Plain = Callable[[str], str]  # a text without look-alikes; the very same where there is nothing to change

POLICIES: Final = ("refuse", "mask", "allow")
MASK: Final = "*"  # in every alphabet of 3GPP TS 23.038
#: Between texts that are looked at together: nothing that is looked for has it in it, or begins or ends with it.
BETWEEN: Final = "\nx\n"
SHOWN: Final = 4  # digits of a card that stay: PCI DSS 3.4.1 allows the last four


class Verdict(NamedTuple):
    """A text that may leave, and the rules that changed it (`card_masked`, `secret_masked`, `transliterated`), in order."""

    text: str
    rules: tuple[str, ...]


class Guard:
    """The compiled policy. Immutable. `link_hosts`: where links of one-time codes may lead, names with all that is below them."""

    def __init__(
        self, cards: str, passwords: str, otp_links: str, link_hosts: Iterable[str], plain: Plain | None = None
    ) -> None:
        assert cards in POLICIES and passwords in POLICIES and otp_links in ("refuse", "allow")
        self.cards = cards
        self.passwords = passwords
        self.otp_links = otp_links
        self.plain = plain
        self.link_hosts = frozenset(host.lower().rstrip(".") for host in link_hosts)

    @classmethod
    def of(cls, settings: Settings, plain: Plain) -> Guard:
        """As the settings' section `content` says. `plain`: what `text.transliterate` does to a text, when it is on."""
        return cls(
            settings["content.cards"],
            settings["content.secrets"],
            settings["content.otp_links"],
            settings["content.link_hosts"],
            plain if settings["text.transliterate"] == "look-alikes" else None,
        )

    def check(self, text: str, otp: bool) -> Verdict:
        """Raises Error `content_refused`; its detail names the rule, nothing says what was found.

        And `text_too_long` before it looks: what no message can be is not worth the time.
        """
        if len(text) > TEXT_CHARACTERS_MAX:
            raise Error(
                "text_too_long",
                f"the text has {len(text)} characters, at most {TEXT_CHARACTERS_MAX} are sent",
                "characters are Unicode code points; send the text as several messages",
                characters=len(text),
                most=TEXT_CHARACTERS_MAX,
            )
        rules: tuple[str, ...] = ()
        if self.cards != "allow" and len(text) >= DIGITS_MIN:
            spans = card_numbers(text)
            if spans and self.cards == "refuse":
                raise _refused("card", "the text has a payment card number in it", "write its last four digits only")
            if spans:
                text, rules = _masked(text, spans, SHOWN), ("card_masked",)
        if self.passwords != "allow":
            spans = secrets(text)
            if spans and self.passwords == "refuse":
                raise _refused(
                    "secret",
                    "the text has a password or key in it",
                    "send a one-time code or a link to set one instead",
                )
            if spans:
                text, rules = _masked(text, spans, 0), (*rules, "secret_masked")
        if otp and self.otp_links == "refuse" and not all(allowed(f.host, self.link_hosts) for f in links(text)):
            raise _refused(
                "otp_link",
                "a one-time code's text has a link to a host that is not on the list",
                "leave it out, or an administrator adds the host to content.link_hosts",
            )
        if self.plain is not None and (put := self.plain(text)) is not text:
            text, rules = put, (*rules, "transliterated")
        return Verdict(text, rules)

    def doubtful(self, texts: Sequence[str], otp: Sequence[bool]) -> list[int]:
        """The places of those that have to be checked one by one; `check` lets the others through as they are.

        What says that nothing is in a text says the same of many texts at once, at a fraction of the cost.
        """
        every = list(range(len(texts)))
        if self.plain is not None or max(map(len, texts), default=0) > TEXT_CHARACTERS_MAX:
            return every
        out: set[int] = set()
        for plain in (True, False):  # looking costs more where there is any other letter
            places = [n for n in every if texts[n].isascii() is plain]
            if self.cards != "allow":
                out.update(_some(maybe_card, texts, places))
            if self.passwords != "allow":
                out.update(_some(maybe_secret, texts, places))
            if self.otp_links == "refuse":
                out.update(_some(maybe_link, texts, [n for n in places if otp[n]]))
        return sorted(out)


def _some(maybe: Callable[[str], bool], texts: Sequence[str], places: list[int]) -> list[int]:
    """Those of `places` that `maybe` is true of: mostly none, which is asked once for all."""
    if not maybe(BETWEEN.join([texts[n] for n in places])):
        return []
    return [n for n in places if maybe(texts[n])]


def _refused(rule: str, message: str, hint: str) -> Error:
    return Error("content_refused", message, hint, field="text", rule=rule)


def _masked(text: str, spans: list[tuple[int, int]], shown: int) -> str:
    """The letters and digits of each span as asterisks, but for the last `shown`."""
    out: list[str] = []
    at = 0
    for begin, end in spans:
        out.append(text[at:begin])
        piece = list(text[begin:end])
        places = [n for n, c in enumerate(piece) if shown == 0 or c.isdigit() or c.isnumeric()]
        for n in places[: len(places) - shown]:
            piece[n] = MASK
        out.append("".join(piece))
        at = end
    out.append(text[at:])
    return "".join(out)
