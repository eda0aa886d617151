"""Every table of the appliance's stores, and what it has of a person: the closed list that export and erasure are complete by.

A test builds every store anew and compares: a new table, or a new column, is judged here before it is there.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Table(NamedTuple):
    """`holds`: columns with something of a person, sealed, keyed or by a blind index; `told`, `erased`: by what; `why`: none, or why not."""

    columns: str
    holds: str = ""
    told: str = ""
    erased: str = ""
    why: str = ""


_TIES: Final = "a message's number, times and statuses: the skeleton that stays"
_COUNTS: Final = "counts"
_AUDIT: Final = "entries of the audit log on their way there, which never have a number"
_SQLITE: Final = "SQLite's own"
_DAY: Final = "engine: erase_subject"

_OWN: Final = {
    "_sqlite_migrations": Table("id migration_set name applied_at", why=_SQLITE),
    "sqlite_sequence": Table("name seq", why=_SQLITE),
}
_AUDIT_OUTBOX: Final = {
    "audit_outbox": Table("n entry", why=_AUDIT),
    "audit_outbox_identity": Table("identity", why=_AUDIT),
}

_PARTITION: Final = {
    "message": Table(
        "seq id caller class encoding segments sender calling_code number_index number content key_id accepted_ms send_at_ms"
        " expires_ms notify",
        "number_index number content",
        "messages.json",
        _DAY,
    ),
    "batch": Table(
        "first last count classes from_ms upto_ms numbers columns", "numbers columns", "messages.json", _DAY
    ),
    "number": Table("n entries", "entries", "messages.json, which is found by it", _DAY),
    "inbound": Table(
        "n id link at_ms key_id number_index number recipient content",
        "number_index number content",
        "inbound.json",
        _DAY,
    ),
    "heard": Table(
        "n id at_ms key_id number_index number recipient content", "number_index number content", "inbound.json", _DAY
    ),
    "parked": Table(
        "link operator_id status at_ms error number_index sender reference text_length text_index accepted_ms",
        "operator_id number_index text_index",
        "keyed indexes only: nothing that could be told",
        _DAY,
    ),
    "idempotency": Table(
        "key_mac body_mac key_id answer",
        why="keyed MACs of a request; the sealed answer has ids and the bank's own reference, and goes with its day",
    ),
    "basis": Table("seq text", why="versions of rules"),
    "progress": Table("seq status link changed_ms sent_ms error", why=_TIES),
    "segment": Table("key status link submitted_ms answered_ms operator_id receipted_ms error", why=_TIES),
    "event": Table("n seq at_ms status detail", why=_TIES),
    "schedule": Table("seq send_at_ms class", why=_TIES),
    "undecided": Table("key link act at_ms", why=_TIES),
    "raw_id": Table("key operator_id", why=_TIES),
    "sent_as": Table("key sender", why="senders are the bank's"),
    "tally": Table("first open upto statuses rest", why=_TIES),
    "moves": Table("n lowest highest rows", why=_TIES),
    "ended": Table("n digests", why="digests of operators' ids"),
    "webhook_outbox": Table("n seq status at_ms error", why="points at `message`, which is read when it is sent"),
    "door_outbox": Table("n seq status at_ms error", why="points at `message`, which is read when it is sent"),
    "loose": Table("n", why="points at `inbound`"),
    "link": Table("number name", why="names of links"),
    "mark": Table("name value", why="how far something is"),
}

_CONSENT: Final = {
    "decision": Table(
        "n at_ms subject number programme action source word evidence who",
        "subject number",
        "consent.json",
        "consent.forget_number; the blind index stays, so that a STOP outlives the erasure",
    ),
    "suppressed": Table(
        "subject programme decision", "subject", "consent.json, those that count", "never: it is the STOP"
    ),
    "review": Table(
        "n at_ms subject number programme word evidence closed_ms closed_by outcome",
        "subject number",
        "reviews.json",
        "consent.forget_number, with the decision",
    ),
}

_VERIFY: Final = {
    "verification": Table(
        "id caller purpose state subject mac bound key_id sealed created_ms expires_ms sends tries claimed_ms request request_body"
        " resend checks prefix flow operator run",
        "subject mac bound sealed",
        "verifications.json",
        "verify.forget_subject",
    ),
    "failure": Table(
        "subject purpose wrong last_ms", "subject", "a count of wrong codes for some minutes", "verify.forget_subject"
    ),
    "bucket": Table("name full_ms", "name", "a rate, for an hour", "verify.forget_subject"),
    "tally": Table("day purpose outcome n", why=_COUNTS),
    "traffic": Table("prefix slot sent approved", why=_COUNTS),
    "carrier": Table("operator slot sent approved", why=_COUNTS),
    "block": Table("prefix why since_ms until_ms", why="ranges of numbers, nobody's own"),
    "handing": Table(
        "id sends gateway key_id sealed at_ms",
        "sealed",
        "verifications.json, the verification it is of",
        "verify.forget_subject",
    ),
}

_COURIER: Final = {
    "parcel": Table(
        "id caller key_id sealed host received flow",
        "sealed",
        "copies of messages.json and inbound.json",
        "courier: forget",
    ),
    "event": Table("n id status at_ms error received_ms attempts next_ms host", why="goes with its parcel"),
    "source": Table("name upto", why="how far something is"),
    "tally": Table("name count", why=_COUNTS),
}

_DOOR: Final = {
    "letter": Table(
        "n account id status at_ms error recipient link key_id number content received_ms aside",
        "number content",
        "copies of messages.json and inbound.json; of what no engine has: waiting.json",
        "door: forget, forget_number",
    ),
    "source": Table("name upto", why="how far something is"),
    "tally": Table("name count", why=_COUNTS),
}

_PARTS: Final = {
    "part": Table("id number mac key_id sealed", "mac sealed", "waiting.json", "door: forget_number"),
    "whole": Table("id mac account total first_ms", "mac", "waiting.json", "door: forget_number, with its parts"),
}

_FLOWS: Final = {
    "definition": Table(
        "name version body saved_ms who state asked_by asked_ms reason decided_by decided_ms",
        why="the bank's own texts and people",
    ),
    "run": Table(
        "id workflow version caller caller_name subject key_id sealed machine state phase effect next_ms wait_ms started_ms changed_ms"
        " outcome request request_body",
        "subject sealed",
        "workflows.json",
        "flows.forget_subject",
    ),
    "trace": Table(
        "run n at_ms step state heard went", why="names of states, and as which word a reply counted: goes with its run"
    ),
    "inbox": Table(
        "n source run heard at_ms after_ms message key_id number content recipient",
        "number content",
        "copies of inbound.json, until their run has read them: a second",
        "by the next turn: whose run was erased has no other; the key with its day",
    ),
    "seen": Table("source at_ms", why="ids of messages, for two days"),
    "tally": Table("workflow outcome n", why=_COUNTS),
}

_ERASURE: Final = {
    "erasure": Table(
        "n request subject stands_for asked_ms begun_ms done_ms done_by certificate signature entry",
        "subject",
        "the erasure itself, while it is under way",
        "when it is done",
    ),
    "step": Table("erasure place counts done", why=_COUNTS),
}

#: Store -> table -> what it has. The others have no customer's number in them: WITHOUT_NUMBERS.
TABLES: Final[dict[str, dict[str, Table]]] = {
    "partition": _PARTITION | _OWN | _AUDIT_OUTBOX,
    "consent.db": _CONSENT | _OWN,
    "verify.db": _VERIFY | _OWN | _AUDIT_OUTBOX,
    "flows.db": _FLOWS | _OWN,
    "courier.db": _COURIER | _OWN,
    "door.db": _DOOR | _OWN,
    "door-parts.db": _PARTS | {"_sqlite_migrations": _OWN["_sqlite_migrations"]},
    "erasure.db": _ERASURE | _OWN,
}

#: Migration sets of stores that no number, text or blind index of a customer ever enters.
WITHOUT_NUMBERS: Final = {
    "keys": "keys, holds and requests by number",
    "access": "API keys, people and systems of the bank",
    "templates": "texts with places for parameters",
    "senders": "the bank's own senders",
    "exemptions": "keyed digests of the bank's own ids of payers and payees, to which no number leads",
    "updates": "releases of the appliance's software",
    "figures": "counts of messages by day, class, link, sender, and API key",
    "field": "accounts of field engineers, officers' keys and tries at the serial console",
    "searches": "filters of the audit log, which hold no number: checked when they are saved",
    "evidence": "policies, and counts of refusals",
    "audit": "entries without numbers, which is checked where each is made",
}
