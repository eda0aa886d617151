"""Links in a text: where a customer who taps could be led. Their hosts, to be compared with a list."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

#: Generic endings that links in messages really have; two-letter endings are countries' (ISO 3166).
_GENERIC: Final = (
    "com", "net", "org", "info", "biz", "name", "mobi", "app", "dev", "bank", "finance", "online", "site", "website", "shop", "store",
    "link", "click", "top", "xyz", "icu", "club", "live", "life", "page", "pages", "cloud", "digital", "tech", "support", "help",
    "zip", "mov", "cfd", "sbs", "buzz", "vip", "win", "bid", "work", "world", "today", "space", "fun", "one", "pro", "cash", "money", "credit", "loan",
)  # fmt: skip
_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_ADDRESS: Final = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]{{1,15}}://)(?:[^\s/@]{{1,64}}@)?(?P<host>[^\s/?#:]{{1,253}})"
    rf"|(?<![\w@.-])(?P<bare>(?:{_LABEL}\.){{1,6}}(?P<ending>[^\W\d_]{{2,24}}))(?![\w@])(?P<after>[/?:]?)",
    re.IGNORECASE,
)


class Found(NamedTuple):
    """One link: where it stands, and its host in lower case."""

    begin: int
    end: int
    host: str


def links(text: str) -> list[Found]:
    """Every link of `text`: with a scheme, or a name that ends as internet names do."""
    out: list[Found] = []
    text = _dotted(text)
    if not _maybe(text):
        return out
    for m in _ADDRESS.finditer(text):
        host = m["host"]
        if host is None:
            ending = m["ending"]
            if not (m["after"] == "/" or ending.islower() or ending.isupper()):
                continue  # "the app.In it": a blank was forgotten
            if len(ending) > 2 and ending.lower() not in _GENERIC and m["after"] != "/":
                continue
            if not ending.isascii() and m["after"] != "/":
                continue
            host = m["bare"]
        out.append(Found(m.start(), m.end(), host.rstrip(".").lower()))
    return out


def maybe_link(text: str) -> bool:
    """Whether there may be one in it, or in one of many texts that were put one behind another."""
    return _maybe(_dotted(text))


def _dotted(text: str) -> str:
    """With dots for the full stops that browsers take for such (UTS 46)."""
    return text if text.isascii() else text.replace("\u3002", ".").replace("\uff0e", ".")


def _maybe(text: str) -> bool:
    """Whether there may be one: the expression takes a hundred times as long to say no. Most full stops end a sentence."""
    if "://" in text:
        return True
    at = text.find(".")
    while at >= 0:
        if text[at + 1 : at + 3].isalpha() and text[at - 1 : at].isalnum():
            return True
        at = text.find(".", at + 1)
    return False


def allowed(host: str, hosts: frozenset[str]) -> bool:
    """Whether a host is one of `hosts` or within one of them. A host in another script is nobody's but its own."""
    while host:
        if host in hosts:
            return True
        _, _, host = host.partition(".")
    return False
