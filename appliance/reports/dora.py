"""The forms of a major ICT-related incident: which fields there are, at which stage each is due, until when. Pure.

Fields and their numbers: Implementing Regulation (EU) 2025/302, Annex I. Time limits: Delegated Regulation (EU) 2025/301, Article 5. What must be
in which: its Articles 2 to 4. The box fills in what it knows; what only the bank knows is left empty, and the form says so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

#: Stage -> the first digits of the numbers of its own fields; a later form has those of the earlier ones, too.
STAGES: Final[dict[str, tuple[str, ...]]] = {
    "initial": ("1", "2"),
    "intermediate": ("1", "2", "3"),
    "final": ("1", "2", "3", "4"),
}

FIELDS: Final[dict[str, str]] = {
    "1.1": "Type of submission",
    "1.2": "Name of the entity submitting the report",
    "1.3": "Identification code of the entity submitting the report",
    "1.4": "Type of financial entity affected",
    "1.5": "Name of the financial entity affected",
    "1.6": "LEI code of the financial entity affected",
    "1.7": "Primary contact person name",
    "1.8": "Primary contact person email",
    "1.9": "Primary contact person telephone",
    "1.10": "Second contact person name",
    "1.11": "Second contact person email",
    "1.12": "Second contact person telephone",
    "1.13": "Name of the ultimate parent undertaking",
    "1.14": "LEI code of the ultimate parent undertaking",
    "1.15": "Reporting currency",
    "2.1": "Incident reference code assigned by the financial entity",
    "2.2": "Date and time of detection of the major ICT-related incident",
    "2.3": "Date and time of classification of the ICT-related incident as major",
    "2.4": "Description of the major ICT-related incident",
    "2.5": "Classification criteria that triggered the incident report",
    "2.6": "Materiality thresholds for the classification criterion 'Geographical spread'",
    "2.7": "Discovery of the major ICT-related incident",
    "2.8": "Indication whether the major ICT-related incident originates from a third-party provider or another financial entity",
    "2.9": "Activation of business continuity plan, if activated",
    "2.10": "Other relevant information",
    "3.1": "Incident reference code provided by the competent authority",
    "3.2": "Date and time of occurrence of the major ICT-related incident",
    "3.3": "Date and time when services, activities or operations have been recovered",
    "3.4": "Number of clients affected",
    "3.5": "Percentage of clients affected",
    "3.6": "Number of financial counterparts affected",
    "3.7": "Percentage of financial counterparts affected",
    "3.8": "Impact on relevant clients or financial counterparts",
    "3.9": "Number of affected transactions",
    "3.10": "Percentage of affected transactions",
    "3.11": "Value of affected transactions",
    "3.12": "Whether the numbers are actual or estimates, or whether there has not been any impact",
    "3.13": "Reputational impact",
    "3.14": "Contextual information about the reputational impact",
    "3.15": "Duration of the incident",
    "3.16": "Service downtime",
    "3.17": "Whether the numbers for duration and service downtime are actual or estimates",
    "3.18": "Types of impact in the Member States",
    "3.19": "Description of how the incident has an impact in other Member States",
    "3.20": "Materiality thresholds for the classification criterion 'Data losses'",
    "3.21": "Description of the data losses",
    "3.22": "Classification criterion 'Critical services affected'",
    "3.23": "Type of the major ICT-related incident",
    "3.24": "Other types of incidents",
    "3.25": "Threats and techniques used by the threat actor",
    "3.26": "Other types of techniques",
    "3.27": "Affected functional areas and business processes",
    "3.28": "Affected infrastructure components supporting business processes",
    "3.29": "Information about affected infrastructure components supporting business processes",
    "3.30": "Possible impact on the financial interest of clients",
    "3.31": "Reporting to other authorities",
    "3.32": "Specification of 'other' authorities",
    "3.33": "Temporary actions or measures taken or planned to be taken to recover from the incident",
    "3.34": "Description of any temporary actions and measures",
    "3.35": "Indicators of compromise",
    "4.1": "High-level classification of root causes of the incident",
    "4.2": "Detailed classification of root causes of the incident",
    "4.3": "Additional classification of root causes of the incident",
    "4.4": "Other types of root cause",
    "4.5": "Information about the root causes of the incident",
    "4.6": "Incident resolution",
    "4.7": "Date and time when the incident root cause was addressed",
    "4.8": "Date and time when the incident was resolved",
    "4.9": "Information if the permanent resolution date differs from the initially planned implementation date",
    "4.10": "Assessment of risk to critical functions for resolution purposes",
    "4.11": "Information relevant for resolution authorities",
    "4.12": "Materiality threshold for the classification criterion 'Economic impact'",
    "4.13": "Amount of gross direct and indirect costs and losses",
    "4.14": "Amount of financial recoveries",
    "4.15": "Whether non-major incidents have been recurring",
    "4.16": "Date and time of occurrence of recurring incidents",
}

HOUR_MS: Final = 3_600_000


class Limits(NamedTuple):
    """Until when each form has to be with the authority, at the latest."""

    initial_ms: int
    intermediate_ms: int
    final_ms: int


def limits(detected_ms: int, classified_ms: int) -> Limits:
    """Four hours after the classification and a day after the bank knew of it, whichever is first; 72 hours after that; a month after that.

    The later two count from when the form before was handed in: handed in earlier, they are due earlier. Weekends and bank holidays are not
    looked at: Article 5 lets some entities wait for the next working day's noon.
    """
    initial = min(classified_ms + 4 * HOUR_MS, detected_ms + 24 * HOUR_MS)
    intermediate = initial + 72 * HOUR_MS
    return Limits(initial, intermediate, month_later(intermediate))


def month_later(at_ms: int) -> int:
    """The same day and time of the next month, its last day when it has no such day."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    year, month = at.year + at.month // 12, at.month % 12 + 1
    for day in (at.day, 30, 29, 28):
        try:
            return int(at.replace(year=year, month=month, day=day).timestamp() * 1000)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def fields_of(stage: str) -> list[str]:
    """Numbers of the fields of a form, in order."""
    return [number for number in FIELDS if number.split(".")[0] in STAGES[stage]]


def form(stage: str, told: dict[str, str]) -> list[tuple[str, str, str, str]]:
    """(number, field, value, who fills it in) of a form; `told`: what the box knows by number."""
    submission = {
        "1.1": {"initial": "initial notification", "intermediate": "intermediate report", "final": "final report"}[
            stage
        ]
    }
    known = told | submission
    rows = []
    for number in fields_of(stage):
        value = known.get(number, "")
        rows.append((number, FIELDS[number], value, "filled in by the box: check it" if value else "the bank's"))
    return rows
