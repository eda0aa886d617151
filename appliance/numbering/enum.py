"""ENUM without sockets: a number's domain name, and what its NAPTR records say of the operator (RFC 6116, RFC 3403, RFC 4694).

What an answer may say of portability: `rn` and `npdi` of a tel URI (RFC 4694, RFC 4769), `spn` beside them, or an operator's
own host `mncNNN.mccNNN` (GSMA IR.67). Nothing of a record is ever shown or kept but the operator's code.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import regex

REGEXP_CHARACTERS_MAX: Final = 255  # RFC 1035 section 3.3: one character-string
MATCH_S_MAX: Final = 0.05  # of sixteen characters; a pattern that needs longer is made to cost
CODE: Final = regex.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,46}[A-Za-z0-9])?")
_PARAMETER: Final = regex.compile(r";(rn|spn|npdi)(?:=([^;?]*))?", regex.I)
_HOST: Final = regex.compile(r"[@.](?:[a-z0-9-]+\.)*mnc(\d{2,3})\.mcc(\d{3})\.", regex.I)
_BACK: Final = regex.compile(r"\\(\d)")


class Naptr(NamedTuple):
    """One record as the wire has it."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str  # a domain name, without its last dot; empty for the root


class Verdict(NamedTuple):
    """`code`: whom the number belongs to, empty: to whom the number plan says; None: nothing is said. `next`: the name to ask now.

    `broken`: records that could not be read.
    """

    code: str | None = None
    next: str = ""
    broken: int = 0


def domain_of(number: str, apex: str) -> str:
    """RFC 6116 section 3.2: "+393331234567" is 7.6.5.4.3.2.1.3.3.3.9.3 and the apex."""
    return f"{'.'.join(reversed(number[1:]))}.{apex}"


def verdict(records: Iterable[Naptr], number: str) -> Verdict:
    """Of the records of one name, in their order (RFC 3403 section 4.1): the first that says something, else the next name."""
    broken = 0
    onward = ""
    for record in sorted(records, key=lambda r: (r.order, r.preference)):
        if record.flags == "":  # non-terminal: the replacement is a name to ask (RFC 6116 section 3.4.1)
            if record.regexp or not record.replacement:
                broken += 1
            else:
                onward = onward or record.replacement
            continue
        if record.flags.lower() != "u" or not _enum(record.service):
            continue
        uri = _applied(record.regexp, number)
        if uri is None:
            broken += 1
            continue
        code = code_of(uri)
        if code is not None:
            return Verdict(code, "", broken)
    return Verdict(None, onward, broken)


def _enum(service: str) -> bool:
    """E2U and at least one enumservice (RFC 6116 section 3.4.3)."""
    head, *services = service.lower().split("+")
    return head == "e2u" and any(services)


def _applied(regexp: str, number: str) -> str | None:
    """The URI that a regexp field makes of a number (RFC 3402 section 3.2); None when it is broken or does not fit."""
    if len(regexp) < 3 or len(regexp) > REGEXP_CHARACTERS_MAX or regexp[0].isalnum() or regexp[0] == "\\":
        return None
    parts = regex.split(rf"(?<!\\){regex.escape(regexp[0])}", regexp[1:])
    if len(parts) != 3 or parts[2] not in ("", "i"):
        return None
    pattern, template, flags = parts
    try:
        found = regex.compile(pattern, regex.I if flags else 0).search(number, timeout=MATCH_S_MAX)
        if found is None:
            return None
        made = _BACK.sub(lambda m: found[int(m[1])] or "", template.replace(f"\\{regexp[0]}", regexp[0]))
    except (regex.error, TimeoutError, IndexError, RecursionError):
        return None
    uri = number[: found.start()] + made + number[found.end() :]
    return uri if ":" in uri and uri.isascii() and uri.isprintable() else None


def code_of(uri: str) -> str | None:
    """The operator's code in a URI: routing number or provider's name, without plus and hyphens; MCC and three digits of MNC.

    Empty: it was looked up and the number did not move (`npdi` without `rn`). None: it says nothing of the kind.
    """
    scheme, _, rest = uri.partition(":")
    if scheme.lower() not in ("tel", "sip", "sips", "mailto", "pstn"):
        return None
    given = {name.lower(): value or "" for name, value in _PARAMETER.findall(rest)}
    for name in ("rn", "spn"):
        if given.get(name):
            code = given[name].lstrip("+").replace("-", "")
            return code if CODE.fullmatch(code) else None
    host = _HOST.search(rest + ".")
    if host is not None:
        return f"{host[2]}{host[1]:0>3}"
    return "" if "npdi" in given else None
