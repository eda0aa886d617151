"""The schema of `detail` for each event: which fields it may hold, what they mean, and of what type they are.

A field means the same in every event. `?` after a name: it is not always there. `*` instead of a name: names given by the bank.
"""

from __future__ import annotations

from typing import Any, Final

#: Name of a field -> (type, what it says).
FIELDS: Final[dict[str, tuple[type, str]]] = {
    "act": (str, "what was decided: one of the words of the act"),
    "address": (str, "IP address, or its network where one host has many"),
    "api_key": (int, "number of the API key"),
    "attempts": (int, "how many there were since the last entry of this kind"),
    "back_from": (int, "number of the version that was active before"),
    "before": (str, "digest of the settings file before"),
    "bound": (bool, "whether the code is bound to payee, amount and currency"),
    "by": (str, "for whom the process did it"),
    "change": (str, "which property was changed"),
    "changed": (str, "which property was changed"),
    "code": (str, "error code"),
    "country": (str, "ISO 3166-1 country"),
    "day": (str, "UTC day of a data key or a partition"),
    "digest": (
        str,
        "SHA-256 in hexadecimal: of the file, of the routes, of ids and blind indexes of a batch; keyed, of a payment",
    ),
    "exit": (int, "exit code of the process; below zero the signal that ended it"),
    "expected_index": (int, "the number of the source that was expected"),
    "fit": (bool, "whether the token can do what the appliance needs"),
    "found": (int, "how many were found"),
    "from_ms": (int, "begin, milliseconds since 1970"),
    "got_index": (int, "the number of the source that came"),
    "keys_made": (int, "how many keys were made in the token"),
    "kind": (str, "kind of sender"),
    "locales": (int, "how many languages"),
    "mechanism": (str, "how the data key is wrapped"),
    "message": (bool, "whether a message was sent"),
    "messages": (int, "how many messages"),
    "minutes": (int, "for how long"),
    "model": (str, "model of the token"),
    "name": (str, "name of the API key"),
    "networks": (str, "networks the account may come from"),
    "numbers": (int, "how many numbers (never which)"),
    "on_index": (int, "number of the key, root or hold it is about; 0 for none"),
    "page": (int, "1 for the first page of results, 2 for further ones"),
    "pid": (int, "process id"),
    "problem_count": (int, "how many problems were found"),
    "programme": (str, "programme of messages that the customer's word is about"),
    "purpose": (str, "what a key is for: message or tenant; or a code, as its system calls it"),
    "rate_per_s": (int, "messages a second; -1 for no limit"),
    "reason": (str, "why it was refused, or done"),
    "recipients": (int, "how many recipients of inbound messages the account has"),
    "refused": (int, "how many lines were refused"),
    "role": (str, "role of the person"),
    "routes": (int, "how many routes"),
    "rows": (int, "how many rows"),
    "segments": (int, "how many segments"),
    "sent_again": (int, "how many of them are sent again"),
    "since_ms": (int, "begin, milliseconds since 1970"),
    "size_count": (int, "how many entries the log, or the checkpoint, had"),
    "source": (str, "where the wish came from: api, keyword, console, cli"),
    "state": (str, "state of the key, as in NIST SP 800-57"),
    "template": (str, "which text was shown: its name and version, and the locale"),
    "token_made": (bool, "whether the token itself was initialised"),
    "uid": (str, "user the process runs as"),
    "under": (str, "the key that wraps it now"),
    "until": (str, "last UTC day"),
    "until_ms": (int, "end, milliseconds since 1970; 0 for none"),
    "version": (int, "number of the version"),
    "why": (str, "reason in words"),
    "worker": (int, "number of the worker that logged in"),
}

#: Event -> fields of its detail.
DETAIL: Final[dict[str, str]] = {
    "process.start": "pid?",
    "process.stop": "pid?",
    "process.died": "pid exit",
    "settings.loaded": "digest",
    "settings.changed": "before digest",
    "console.login": "role? reason?",
    "console.logout": "",
    "console.user_created": "role",
    "console.user_changed": "change? changed?",
    "console.user_removed": "role",
    "apikey.created": "name rate_per_s?",
    "apikey.revoked": "name",
    "apikey.secret_shown": "name",
    "apikey.refused": "attempts",
    "door.account_created": "api_key networks? recipients? rate_per_s? *",
    "door.account_changed": "networks? recipients? rate_per_s? *",
    "door.account_password": "",
    "door.account_revoked": "",
    "door.bound": "address attempts",
    "door.refused": "address? attempts",
    "door.letters_again": "",
    "token.initialised": "token_made model keys_made",
    "hsm.login": "worker",
    "hsm.commissioned": "fit",
    "hsm.lost": "code",
    "hsm.back": "",
    "key.created": "day purpose mechanism",
    "key.unwrapped": "pid uid day",
    "key.index_derived": "pid uid",
    "key.derived": "pid uid",
    "key.state_changed": "day state",
    "key.rewrapped": "day under",
    "key.hold_set": "day until",
    "key.hold_lifted": "day",
    "root.changed": "state",
    "approval.asked": "act on_index",
    "approval.decided": "act state",
    "approval.used": "act",
    "key.destroyed": "day state reason",
    "batch.committed": "messages digest",
    "messages.indeterminate": "segments sent_again?",
    "message.viewed": "",
    "message.searched_by_number": "found? page?",
    "number.looked_up": "",
    "message.cancelled": "",
    "message.replaced": "",
    "message.decided": "act",
    "verification.created": "purpose bound digest? template",
    "verification.resent": "purpose bound digest? template",
    "verification.checked": "purpose reason? bound digest?",
    "verification.cancelled": "purpose bound digest?",
    "consent.stopped": "programme source",
    "consent.started": "programme source",
    "consent.help_asked": "programme",
    "consent.review_listed": "programme",
    "consent.reviewed": "act",
    "consent.looked_up": "",
    "consent.imported": "numbers refused",
    "consent.exported": "numbers",
    "evidence.exported": "digest",
    "subject.export_begun": "",
    "subject.exported": "digest found",
    "message.redacted": "",
    "partition.quarantined": "",
    "partition.erased": "",
    "template.saved": "locales",
    "template.removed": "",
    "sender.requested": "country kind",
    "sender.confirmed": "country kind from_ms until_ms",
    "sender.expired": "country kind",
    "link.up": "why?",
    "link.down": "why?",
    "link.drained": "",
    "link.resumed": "",
    "link.tested": "message",
    "link.trace_on": "minutes",
    "link.trace_off": "",
    "routes.explained": "",
    "routes.activated": "digest routes? back_from?",
    "routes.loaded": "version digest routes by",
    "routes.damaged": "version digest routes by",
    "numbers.imported": "version rows digest",
    "numbers.back": "*",
    "link.changed": "change?",
    "audit.verified": "size_count problem_count",
    "audit.exported": "",
    "audit.cosigned": "size_count",
    "audit.gap": "expected_index got_index",
    "audit.stalled": "since_ms code",
    "siem.connected": "",
    "siem.lost": "why",
    "bench.run": "",
}


def fields_of(what: str) -> tuple[frozenset[str], frozenset[str], bool]:
    """Fields that an event always has, those it may have besides, and whether there may be others."""
    words = DETAIL[what].split()
    always = frozenset(w for w in words if w not in ("*",) and not w.endswith("?"))
    return always, frozenset(w.rstrip("?") for w in words if w != "*"), "*" in words


def stray(what: str, detail: dict[str, Any]) -> str:
    """What is wrong with a detail by the schema of its event; empty when nothing is."""
    if what not in DETAIL:
        return f"{what} has no row in the table of details"
    always, known, open_ended = fields_of(what)
    if missing := sorted(always - detail.keys()):
        return f"{what} lacks {', '.join(missing)}"
    if unknown := sorted(detail.keys() - known) if not open_ended else []:
        return f"{what} has no field {', '.join(unknown)}"
    for name, value in detail.items():
        if name in FIELDS and type(value) is not FIELDS[name][0]:
            return f"{what}: {name} is not of type {FIELDS[name][0].__name__}"
    return ""
