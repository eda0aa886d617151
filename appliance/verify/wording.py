"""What a customer reads: built-in texts in the languages of most banks here, or the bank's own template of the purpose. Pure.

A bank's template is named `verify.PURPOSE`; without one these are taken. A payment's text names payee and amount, always.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.settings import Settings
from appliance.templates import PREFIX, Body, Snapshot, Template

from .binding import NONE, Payment
from .binding import shown as as_shown

#: By locale: an ordinary code, a payment's, and the warning.
TEXTS: Final[dict[str, tuple[str, str, str]]] = {
    "en": (
        "{code} is your code. It is valid for {minutes, number} min.",
        "{code} is your code to pay {amount, number, currency} to {payee}. It is valid for {minutes, number} min.",
        "Never share it with anyone, not even with us.",
    ),
    "it": (
        "{code} è il tuo codice. Vale {minutes, number} min.",
        "{code} è il tuo codice per pagare {amount, number, currency} a {payee}. Vale {minutes, number} min.",
        "Non comunicarlo a nessuno, nemmeno a noi.",
    ),
    "de": (
        "{code} ist Ihr Code. Er gilt {minutes, number} Min.",
        "{code} ist Ihr Code für die Zahlung von {amount, number, currency} an {payee}. Er gilt {minutes, number} Min.",
        "Geben Sie ihn niemandem weiter, auch uns nicht.",
    ),
    "fr": (
        "{code} est votre code. Il est valable {minutes, number} min.",
        "{code} est votre code pour payer {amount, number, currency} à {payee}. Il est valable {minutes, number} min.",
        "Ne le communiquez à personne, pas même à nous.",
    ),
    "es": (
        "{code} es su código. Es válido {minutes, number} min.",
        "{code} es su código para pagar {amount, number, currency} a {payee}. Es válido {minutes, number} min.",
        "No lo comparta con nadie, ni siquiera con nosotros.",
    ),
    "pt": (
        "{code} é o seu código. É válido por {minutes, number} min.",
        "{code} é o seu código para pagar {amount, number, currency} a {payee}. É válido por {minutes, number} min.",
        "Não o partilhe com ninguém, nem connosco.",
    ),
    "pt-BR": (
        "{code} é o seu código. É válido por {minutes, number} min.",
        "{code} é o seu código para pagar {amount, number, currency} a {payee}. É válido por {minutes, number} min.",
        "Não o compartilhe com ninguém, nem conosco.",
    ),
    "nl": (
        "{code} is uw code. Hij is {minutes, number} min geldig.",
        "{code} is uw code om {amount, number, currency} te betalen aan {payee}. Hij is {minutes, number} min geldig.",
        "Deel hem met niemand, ook niet met ons.",
    ),
    "pl": (
        "{code} to Twój kod. Jest ważny {minutes, number} min.",
        "{code} to Twój kod płatności {amount, number, currency} na rzecz {payee}. Jest ważny {minutes, number} min.",
        "Nie podawaj go nikomu, nawet nam.",
    ),
    "ro": (
        "{code} este codul dvs. Este valabil {minutes, number} min.",
        "{code} este codul dvs. pentru plata a {amount, number, currency} către {payee}. Este valabil {minutes, number} min.",
        "Nu îl comunicați nimănui, nici măcar nouă.",
    ),
    "tr": (
        "Kodunuz {code}. {minutes, number} dk geçerlidir.",
        "{payee} alıcısına {amount, number, currency} ödemeniz için kodunuz {code}. {minutes, number} dk geçerlidir.",
        "Bizimle bile olsa kimseyle paylaşmayın.",
    ),
    "ar": (
        "{code} هو رمزك. صالح لمدة {minutes, number} دقيقة.",
        "{code} هو رمزك لدفع {amount, number, currency} إلى {payee}. صالح لمدة {minutes, number} دقيقة.",
        "لا تشاركه مع أحد، ولا حتى معنا.",
    ),
}
OWN: Final = "en"  # for everybody whose language is not there
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")
_APP: Final = re.compile(r"[A-Za-z0-9+/]{11}")


class Said(NamedTuple):
    """A text, and what the audit log is told of it: template, version and locale."""

    text: str
    template: str


class Wording:
    """Texts as the settings `verify.*` want them. Raises Error `settings_invalid`."""

    def __init__(self, settings: Settings) -> None:
        self.locale: str = settings["verify.locale"]
        self.warns: bool = settings["verify.never_share"]
        self.host: str = settings["verify.webotp_host"]
        self.app: str = settings["verify.app_hash"]
        if self.host and not _HOST.fullmatch(self.host):
            raise Error("settings_invalid", "verify.webotp_host is not the name of a host", "such as bank.example")
        if self.app and not _APP.fullmatch(self.app):
            raise Error("settings_invalid", "verify.app_hash is not 11 characters of base64", "such as FA+9qCX9VSu")

    def text(
        self,
        purpose: str,
        locale: str | None,
        code: str,
        payment: Payment,
        minutes: int,
        templates: Snapshot,
        named: str = "",
    ) -> Said:
        """`named`: a template of the bank's in place of the purpose's. Raises Error `template_invalid` when it and the request are not both a
        payment, or both not, and when there is none of that name for codes."""
        locale = locale or self.locale
        own = templates.get(named or PREFIX + purpose)
        if named and (own is None or not named.startswith(PREFIX)):
            hint = f"save it first; templates of codes are named {PREFIX}..."
            raise Error("template_invalid", "there is no such template of codes", hint, field="template")
        template = own if own is not None else built_in(payment != NONE, self.warns)
        pays = "payee" in template.kinds
        if pays != (payment != NONE):
            raise Error(
                "template_invalid",
                "the template of this purpose does not name payee and amount"
                if not pays
                else "the template of this purpose is a payment's",
                "give `payee`, `amount` and `currency`, or another `purpose`" if pays else "save one that does",
                field="template" if named else "purpose",
            )
        given: dict[str, Any] = {
            "code": code,
            "minutes": minutes,
            "payee": as_shown(payment.payee),
            "amount": {"amount": payment.amount, "currency": payment.currency},
        }
        said = template.text({name: given[name] for name in template.kinds}, locale)
        lines = [said, *([self.app] if self.app else []), *([f"@{self.host} #{code}"] if self.host else [])]
        shown = template.chosen(locale)
        name = f"{template.name}@{template.version}" if own is not None else "built-in"
        return Said("\n".join(lines), f"{name} {shown}")


@lru_cache(maxsize=4)
def built_in(payment: bool, warns: bool) -> Template:
    """The built-in texts as one template."""
    texts = {
        tag: (pays if payment else plain) + (f" {warning}" if warns else "")
        for tag, (plain, pays, warning) in TEXTS.items()
    }
    return Template("verify.payment" if payment else "verify.code", 0, Body(texts, OWN))
