"""What happened to one message, step by step, down to the PDUs: for its page. Only what is kept, and what follows from it; pure but for the reader's language.

Of the PDUs themselves a trace keeps some for minutes, masked; where none ran, they are packed once more (`rebuilt.py`), and each says which it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from markupsafe import Markup, escape

from appliance.evidence import read_basis
from appliance.message import (
    CLASSES,
    DELIVERED,
    ENCODINGS,
    FINAL,
    NOTIFY_DOOR,
    NOTIFY_DOOR_FAILURES,
    NOTIFY_WEBHOOK,
    STATUSES,
    Content,
)
from appliance.router import Active, Explained, explain
from appliance.settings import Link
from appliance.smpp import PduError
from appliance.store import Found, Part

from .languages import N_, moment, ngettext, say
from .rebuilt import SUBSCRIBER_DIGITS, Submits, answer
from .terms import term
from .words import CLASS_WORDS, STATUS_WORDS

PARTS_SHOWN: Final = 6  # with their PDUs; of a long message the others are in the table below
TRACED, REBUILT, KEPT = "traced", "rebuilt", "kept"
HOW: Final = {
    TRACED: N_("as it passed: a trace of the link ran"),
    REBUILT: N_("rebuilt from what is kept, by the link's settings of now: the PDU itself is not kept"),
    KEPT: N_("what is kept of it: the PDU itself is not"),
}
LATE: Final = ("sent", *(STATUSES[status] for status in sorted(FINAL)))
#: The register of senders adds these by the text of a message.
BY_REGISTER: Final = N_("Parameters that the register of senders adds by the text are not rebuilt.")


class Shown(NamedTuple):
    """A PDU as lines, and where it is from."""

    name: str
    lines: list[str]
    how: str
    note: str = ""


class Happened(NamedTuple):
    """One step. `why`: the rules that were asked, where there were any."""

    at_ms: int
    what: object
    tone: str
    said: object = ""
    pdus: Sequence[Shown] = ()
    why: Explained | None = None


class Known(NamedTuple):
    """What is at hand about a message beside what the store has."""

    caller: str
    links: Mapping[str, Link]
    active: Active
    number: str | None = None  # in clear, when somebody revealed it
    content: Content | None = None
    traced: Sequence[Mapping[str, Any]] = ()
    untold: Sequence[Sequence[Any]] | None = ()  # as the courier's book has them; None: it does not answer


def course(found: Found, known: Known) -> list[Happened]:
    """Oldest first."""
    why = routed(found, known)
    steps = [_accepted(found, known), _sealed(found), _let_through(found, known)]
    for at_ms, word, detail in found.events:
        if word not in ("accepted", *LATE):
            steps.append(_event(at_ms, word, detail))
    steps.append(_routed(found, known, why))
    steps += _parts(found, known, why.sender if why is not None and why.sender else found.sender)
    # What a message became is said after what of its segments made it so, at the same instant.
    steps += [_event(at_ms, word, detail) for at_ms, word, detail in found.events if word in LATE]
    return sorted((step for step in steps if step.what), key=lambda step: step.at_ms) + _told(found, known)


def _event(at_ms: int, word: str, detail: str) -> Happened:
    return Happened(at_ms, term("status", word), STATUS_WORDS.get(word, ("quiet", ""))[0], detail)


def _accepted(found: Found, known: Known) -> Happened:
    said = say(
        "from %(caller)s: %(kind)s, %(encoding)s, %(segments)s",
        caller=known.caller,
        kind=say(CLASS_WORDS[CLASSES[found.class_]]),
        encoding=ENCODINGS[found.encoding],
        segments=ngettext("%(n)s segment", "%(n)s segments", found.segments),
    )
    return Happened(found.accepted_ms, term("status", "accepted"), "info", said)


def _sealed(found: Found) -> Happened:
    said = say("number and text under data key %(key)s, before they were on disk", key=found.key_id)
    return Happened(found.accepted_ms, say("sealed"), "info", said)


def _let_through(found: Found, known: Known) -> Happened:
    basis = read_basis(found.basis)
    if not basis:
        return Happened(found.accepted_ms, "", "info")
    said: Markup = say(
        "by policy %(policy)s, decisions about consent up to %(consent)s, acts in the register of senders up to %(senders)s",
        policy=basis.get("policy", "–")[:12],
        consent=basis.get("consent", "–"),
        senders=basis.get("senders", "–"),
    )
    ruled = known.content.ruled if known.content is not None else None
    if ruled:
        said = said + Markup("; {}").format(", ".join(ruled))
    return Happened(found.accepted_ms, say("let through"), "info", said)


# --- why this link ----------------------------------------------------------------------------------------


def routed(found: Found, known: Known) -> Explained | None:
    """The rules for its route. None: they look at more of the number than its country, and it is sealed."""
    to = known.number
    table = known.active.table
    if to is None:
        code = str(found.calling_code)
        to = f"+{code}{'0' * SUBSCRIBER_DIGITS}"
        deeper = any(r.route.prefix.startswith(code) and len(r.route.prefix) > len(code) for r in table.rows())
        if deeper or any(row.operator for row in table.chain(to)):
            return None
    return explain(table, to, found.class_, found.sender, found.accepted_ms)


def _routed(found: Found, known: Known, why: Explained | None) -> Happened:
    taken = [name for name in dict.fromkeys(part.link for part in found.parts) if name]
    then, now = read_basis(found.basis).get("routes", ""), known.active.version
    if not taken and found.link is None:
        return Happened(0, "", "")
    at_ms = min((part.submitted_ms for part in found.parts if part.submitted_ms), default=found.accepted_ms)
    over = say("over %(links)s", links=", ".join(taken or [found.link or "–"]))
    if why is None:
        said = say(
            "The rules look at more of the number than its country: reveal it, or ask with it on the page of routes."
        )
    elif then == str(now):
        said = say("by version %(version)s of the routes, which is still active", version=now)
    elif then:
        said = say("by version %(then)s of the routes; below the rules of now, version %(now)s", then=then, now=now)
    else:
        said = say("below the rules of now, version %(now)s: those of then are not known", now=now)
    return Happened(at_ms, say("routed"), "info", over + Markup(" – ") + said, (), why)


# --- over the link ----------------------------------------------------------------------------------------


def _parts(found: Found, known: Known, sender: str) -> list[Happened]:
    steps: list[Happened] = []
    submits: dict[str, Submits | str] = {}
    for part in found.parts[:PARTS_SHOWN]:
        link = known.links.get(part.link or "")
        if link is not None and link.name not in submits:
            try:
                submits[link.name] = Submits(link, found, sender, known.number, known.content)
            except PduError as e:
                submits[link.name] = e.message
        steps += _part(found, part, link, submits.get(part.link or "", ""), known)
    if len(found.parts) > PARTS_SHOWN:
        at_ms = found.parts[PARTS_SHOWN].submitted_ms or found.accepted_ms
        more = len(found.parts) - PARTS_SHOWN
        said = ngettext("%(n)s segment more: see the table below", "%(n)s segments more: see the table below", more)
        steps.append(Happened(at_ms, say("and so on"), "quiet", said))
    return steps


def _part(found: Found, part: Part, link: Link | None, submits: Submits | str, known: Known) -> list[Happened]:
    of = say("segment %(part)s of %(all)s", part=part.part, all=found.segments) if found.segments > 1 else ""
    over = say("over %(links)s", links=part.link or "–")
    wire = [row for row in known.traced if part.operator_id and part.operator_id in row["ids"]]
    steps = []
    if part.submitted_ms:
        pdu = _traced(wire, "submit_sm") or _rebuilt(link, submits, part)
        steps.append(Happened(part.submitted_ms, say("submitted"), "info", _joined(of, over), pdu))
    if part.answered_ms or (part.error and answer(part)):
        pdu = _traced(wire, "submit_sm_resp") or [
            Shown("submit_sm_resp", lines, KEPT) for lines in [answer(part)] if lines
        ]
        refused = part.operator_id is None and bool(part.error)
        what = say("refused by the operator") if refused else say("taken by the operator")
        at_ms = part.answered_ms or found.changed_ms
        steps.append(
            Happened(at_ms, what, "bad" if refused else "info", _joined(of, part.error or "" if refused else ""), pdu)
        )
    if part.receipted_ms:
        good = part.status == STATUSES[DELIVERED]
        read = say("understood as %(status)s", status=term("status", part.status))
        pdu = _traced(wire, "deliver_sm", "data_sm")
        steps.append(
            Happened(
                part.receipted_ms,
                say("receipt"),
                "good" if good else "bad",
                _joined(
                    of,
                    read,
                    part.error or "",
                    "" if pdu else say("as it came it is not kept: no trace of the link ran"),
                ),
                pdu,
            )
        )
    return steps


def _joined(*pieces: object) -> Markup:
    return Markup(", ").join(escape(piece) for piece in pieces if piece)


def _traced(wire: Sequence[Mapping[str, Any]], *names: str) -> list[Shown]:
    return [Shown(row["name"], row["lines"], TRACED) for row in wire if row["name"] in names]


def _rebuilt(link: Link | None, submits: Submits | str, part: Part) -> list[Shown]:
    if link is None or isinstance(submits, str):
        why = submits if isinstance(submits, str) and submits else N_("the link is not in the settings any more")
        return [Shown("submit_sm", [], REBUILT, why)]
    try:
        note = BY_REGISTER if any(tlv.register for tlv in link.tlvs) else ""
        return [Shown("submit_sm", submits.lines(part), REBUILT, note)]
    except (PduError, IndexError):
        return [Shown("submit_sm", [], REBUILT, N_("this link cuts such a message otherwise now"))]


# --- the bank ---------------------------------------------------------------------------------------------


def _told(found: Found, known: Known) -> list[Happened]:
    """Who is told of it, and what of that still waits; what was told is not kept one by one."""
    steps = []
    if found.notify & NOTIFY_WEBHOOK:
        if known.untold is None:
            steps.append((say("webhook"), "warn", say("The courier does not answer, so what waits is not known.")))
        elif not known.untold:
            steps.append(
                (say("webhook"), "good", say("nothing waits: all was taken by the bank, or given up after a day"))
            )
        for _, _, status, _, _, attempts, next_ms, host, _ in reversed(known.untold or ()):
            what = term("status", STATUSES[status]) if 0 <= status < len(STATUSES) else str(status)
            said = say(
                "%(status)s waits to be told to %(host)s: %(attempts)s attempts so far, the next at %(next)s UTC",
                status=what, host=host or "–", attempts=attempts, next=moment(next_ms),
            )  # fmt: skip
            steps.append((say("webhook"), "warn" if attempts else "info", said))
    if found.notify & (NOTIFY_DOOR | NOTIFY_DOOR_FAILURES):
        steps.append(
            (say("receipt to the bank"), "info", say("at the SMPP door, when its system is bound and asked for one"))
        )
    if not steps:
        steps.append((say("told to the bank"), "info", say("when it asks: no webhook was wanted")))
    return [Happened(0, what, tone, said) for what, tone, said in steps]
