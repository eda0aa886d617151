"""What is made of an operator's word on a number before a code goes there: whether it is a risk, and whether the code leaves. Pure.

A code by SMS proves that somebody holds the SIM (EBA Q&A 2018_4039), so it proves nothing on a SIM that was just changed. What was asked for and what was
answered goes to the audit log with the verification; the number never does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from appliance.errors import Error
from appliance.settings import ANY_PURPOSE, NumberCheck

#: What an operator can say of a SIM and of a contract. The first of each is a risk.
CHANGED, UNCHANGED, UNKNOWN = "changed", "unchanged", "unknown"
SHORT, LONG = "short", "long"


class Told(NamedTuple):
    """`sim`: CHANGED, UNCHANGED, UNKNOWN, or "" when it was not asked for; `tenure` likewise; `why` it is not known; `asked_of`: a host."""

    sim: str = ""
    tenure: str = ""
    why: str = ""
    asked_of: str = ""


def check_of(checks: Iterable[NumberCheck], purpose: str) -> NumberCheck | None:
    """The row for a purpose: the one that names it, else the one for all; None: nothing is asked."""
    rows = list(checks)
    for wanted in (purpose, ANY_PURPOSE):
        for row in rows:
            if wanted in row.purposes:
                return row
    return None


def risk(told: Told) -> str:
    """What of it is a risk: `sim_changed`, `tenure_short`, or nothing."""
    return "sim_changed" if told.sim == CHANGED else "tenure_short" if told.tenure == SHORT else ""


def check_told(check: NumberCheck, told: Told) -> None:
    """Raises Error `number_at_risk` or `number_unchecked` where the row says that no code goes there. A risk counts before what is not known."""
    found = risk(told)
    if found:
        if check.at_risk == "refuse":
            what = "the SIM of the number was changed" if found == "sim_changed" else "the contract of the number began"
            raise Error(
                "number_at_risk",
                f"{what} too short a time ago for a code of this purpose",
                "make sure of the customer in another way: whoever has the SIM now would read the code",
                field="to",
                rule=found,
            )
    elif UNKNOWN in (told.sim, told.tenure) and check.unknown == "refuse":
        raise Error(
            "number_unchecked",
            "the operator does not say whether the number is safe for a code of this purpose",
            "ask again in a moment, or make sure of the customer in another way",
            field="to",
        )


def detail(check: NumberCheck, told: Told) -> dict[str, str | int]:
    """For the audit log: what was asked for, of whom, and what was answered."""
    out: dict[str, str | int] = {"asked_of": told.asked_of} if told.asked_of else {}
    if check.swap_hours:
        out |= {"sim": told.sim or UNKNOWN, "sim_hours": check.swap_hours}
    if check.tenure_days:
        out |= {"tenure": told.tenure or UNKNOWN, "tenure_days": check.tenure_days}
    return out | ({"unknown_why": told.why} if told.why else {})


#: Members of a log entry's detail that say so, for the evidence of an authentication.
DETAIL: Final = ("sim", "sim_hours", "tenure", "tenure_days", "asked_of", "unknown_why")
