"""Inputs that try to be more than text: a table of kinds, each a few seeds, and mutations that hide them. 10,000 and more, the same every time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

MARK: Final = "cm7x"  # a tag of this name in an answer was not escaped
PRODUCT: Final = str(7_919 * 6_007)  # what 7919*6007 becomes where it is computed

#: Kind -> seeds. Sources: OWASP Web Security Testing Guide 4.7, PortSwigger's cheat sheets, sqlmap's boundaries.
SEEDS: Final[dict[str, tuple[str, ...]]] = {
    "sql": (
        *("'", "''", '"', "\\", ";", "1'--", "1'#", "1/*", "' OR '1'='1", "' OR 1=1--", '" OR ""="', "') OR ('1'='1"),
        *("1 UNION SELECT NULL--", "' UNION SELECT hash FROM session--", "'; DROP TABLE person;--", "1; PRAGMA user_version=9"),
        *("' AND 1=randomblob(500000000)--", "0x27", "CHAR(39)", "1e309", "-1", "9223372036854775808", "NULL", "' || (SELECT name FROM person) || '"),
        *("%", "_", "' ESCAPE '", "1' AND load_extension('x')--", "1 LIMIT 1 OFFSET -1", "' GLOB '*", "\x00'", "(SELECT 1)"),
    ),
    "template": (
        *("{{7919*6007}}", "{%print(7919*6007)%}", "${7919*6007}", "#{7919*6007}", "<%=7919*6007%>", "{{config}}", "{{self.__init__.__globals__}}"),
        *("{{''.__class__.__mro__[1].__subclasses__()}}", "{{request.application}}", "{{cycler.__init__.__globals__.os}}", "%(a)s", "{0.__class__}"),
        *("{{lipsum.__globals__['os'].popen('id').read()}}", "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}", "{#", "{{", "*{7919*6007}"),
    ),
    "xss": (
        *(f"<{MARK}>", f"<{MARK} onload=1>", f'"><{MARK}>', f"'><{MARK}>", f"</title><{MARK}>", f"</textarea><{MARK}>", f"--><{MARK}>"),
        *(f"<svg><{MARK}>", f"<script>{MARK}</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", f"'-{MARK}-'", f"\\u003c{MARK}\\u003e"),
        *(f"<scr<script>ipt>{MARK}", f"<{MARK}\x00>", f"<{MARK}/x>", f"<<{MARK}>>", f"<math><mtext></form><form><{MARK}>", f"]]><{MARK}>", f"&lt;{MARK}&gt;"),
        *("x onmouseover=alert(1) y=", '" autofocus onfocus=alert(1) x="', "data:text/html,<script>1</script>", "<a href=//evil.example>", "<base href=//e>"),
    ),
    "path": (
        *("../../etc/passwd", "..\\..\\etc\\passwd", "/etc/passwd", "....//....//etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd"),
        *("file:///etc/passwd", "..;/..;/etc/passwd", "/proc/self/environ", "..%c0%af..%c0%afetc/passwd", ".", "..", "~root", "CON", "a/b", "//evil.example/"),
        *("\\\\evil.example\\x", "http://evil.example/", "/static/../../access.db", "access.db", "..%00/etc/passwd"),
    ),
    "line": (
        *("a\r\nX-Injected: 1", "a\nSet-Cookie: x=1", "%0d%0aX-Injected: 1", "a\r\n\r\n<html>", "\u2028x", "a\x0bb", "\x1b[2J", "\ufeff"),
        *("=1+1", "@SUM(1)", "+cmd|' /C calc'!A0", "-2+3", "a\tb", "a\x00b", "\u202egnp.exe", "\ud7ff", "＜" + MARK + "＞", "ﬁ" * 3),
    ),
    "command": (
        *("; id", "| id", "`id`", "$(id)", "&& id", "|| id", "\nid\n", "; sleep 9", "$(sleep 9)", "`sleep 9`", "%0aid", "() { :;}; id", "a;id;b"),
        *("*)(uid=*))(|(uid=*", "*", "admin)(&)", '{"$gt": ""}', '{"__proto__": {}}', "[]", "{}", "true", "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"),
    ),
}  # fmt: skip

_HIDES: Final[tuple[Callable[[str], str], ...]] = (
    lambda s: s,
    quote,
    lambda s: quote(quote(s)),
    str.upper,
    str.swapcase,
    lambda s: s + "\x00",
    lambda s: "\x00" + s,
    lambda s: " " + s + " ",
    lambda s: s * 3,
    lambda s: s + "A" * 300,
    lambda s: s.replace(" ", "/**/"),
    lambda s: s.replace("<", "\uff1c").replace(">", "\uff1e"),
    lambda s: "".join(f"&#{ord(c)};" for c in s),
    lambda s: s.encode("unicode_escape").decode(),
    lambda s: "1" + s,
    lambda s: "+39347" + s,
    lambda s: "vera" + s,
    lambda s: s[::-1],
    lambda s: s + "--",
    lambda s: "2026-11-22" + s,
    lambda s: f'{{"a": "{s}"}}',
)


def payloads(count: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """`count` pairs of kind and text, each once: every seed plain, then mutated by one, by two, by three."""
    seeds = [(kind, text) for kind, texts in SEEDS.items() for text in texts]
    dice, seen = random.Random(seed), set[str]()
    for depth in itertools.count():
        chains = [()] if depth == 0 else itertools.product(_HIDES[1:], repeat=depth)
        found = [(kind, text, chain) for chain in chains for kind, text in seeds]
        dice.shuffle(found)
        for kind, text, chain in found:
            for hide in chain:
                text = hide(text)[:2_000]
            if text not in seen:
                seen.add(text)
                yield kind, text
                if len(seen) == count:
                    return
