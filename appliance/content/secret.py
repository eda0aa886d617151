"""Password-like secrets in a text: something called a password that looks like one, or a key in a well-known form.

One-time codes are what these messages are for: digits alone are never a secret here.
"""

from __future__ import annotations

import re
from typing import Final

#: The word, in the languages of most banks here. Compared without case.
WORDS: Final = (
    "password", "passwd", "pwd", "passphrase", "passcode", "passwort", "kennwort", "mot de passe", "contraseña", "contrasena",
    "clave", "senha", "palavra-passe", "parola d'ordine", "wachtwoord", "hasło", "haslo", "heslo", "lösenord", "passord",
    "adgangskode", "salasana", "parolă", "parola", "şifre", "sifre", "jelszó", "lozinka", "geslo", "κωδικός πρόσβασης",
    "пароль", "парола", "лозинка", "كلمة المرور", "סיסמה", "पासवर्ड", "密码", "密碼", "パスワード", "비밀번호", "mật khẩu", "kata sandi", "รหัสผ่าน",
)  # fmt: skip
#: What may stand between the word and the secret.
_JOIN: Final = r"\s*(?:[:=\uff1a]|\bis\b|\bist\b|\best\b|\bes\b|\bè\b|\bé\b|\blautet\b|\bwordt\b|→|->)\s*"
_SAID: Final = re.compile(
    rf"(?:{'|'.join(map(re.escape, WORDS))}){_JOIN}[\"'\u201c\u2018\u00ab]?(?P<secret>[^\s\"'\u201d\u2019\u00bb]{{6,128}})",
    re.IGNORECASE,
)
#: Keys that say by their form what they are.
_FORMS: Final = re.compile(
    r"(?P<secret>"
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"  # JSON Web Token, RFC 7519
    r"|\bcm_[1-9]\d{0,17}_[A-Za-z0-9_-]{43}"  # an API key of this appliance
    r"|\bwhsec_[A-Za-z0-9+/=]{24,}"  # Standard Webhooks
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36,}"
    r"|\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"
    r")"
)
#: Each word above has one of these in it; a test says so.
_ASCII_STEMS: Final = (
    "pass", "pwd", "kennwort", "contrase", "clave", "senha", "parola", "wachtwoord", "haslo", "heslo", "adgangskode",
    "salasana", "sifre", "lozinka", "geslo", "kata sandi",
)  # fmt: skip
_STEMS: Final = (*_ASCII_STEMS, *(word for word in WORDS if not any(stem in word for stem in _ASCII_STEMS)))
_LATIN_STEMS: Final = tuple(stem for stem in _STEMS if all(c < "\u0100" for c in stem))  # of ISO 8859-1
#: Each form above has one of these in it.
_HINTS: Final = ("_", "eyJ", "AKIA", "PRIVATE KEY")
_TRAILING: Final = ".,;:!?)]}>"


def secrets(text: str) -> list[tuple[int, int]]:
    """(begin, end) of each secret in `text`, in order."""
    found: list[tuple[int, int]] = []
    if _hinted(text):
        found = [m.span("secret") for m in _FORMS.finditer(text)]
    # Nearly always there is none, and the expression below takes a hundred times as long to say so.
    if not _named(text):
        return found
    for m in _SAID.finditer(text):
        begin, end = m.span("secret")
        while end > begin and text[end - 1] in _TRAILING:
            end -= 1
        if _looks_chosen(text[begin:end]) and not any(a < end and begin < b for a, b in found):
            found.append((begin, end))
    return sorted(found)


def maybe_secret(text: str) -> bool:
    """Whether there may be one in it, or in one of many texts that were put one behind another."""
    return _hinted(text) or _named(text)


def _hinted(text: str) -> bool:
    return any(hint in text for hint in _HINTS)


def _named(text: str) -> bool:
    lower = text.lower()
    for stem in _ASCII_STEMS if text.isascii() else _LATIN_STEMS if _is_latin(lower) else _STEMS:
        if stem in lower:
            return True
    return False


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _looks_chosen(word: str) -> bool:
    """At least six characters, of two kinds at least: `hunter2`, `Tr0ub4dor&3`; not `reset`, not `123456`, not a link."""
    if len(word) < 6 or "://" in word:
        return False
    letters = any(c.isalpha() for c in word)
    digits = any(c.isdigit() for c in word)
    marks = any(not c.isalnum() for c in word[1:-1]) and not re.fullmatch(
        r"[\d.,:/-]+|[^\W\d]+(?:[-'’.][^\W\d]+)*", word
    )
    return (letters and digits) or (marks and (letters or digits))
