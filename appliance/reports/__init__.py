"""Reports of the box: of a day, of a month by operator, against what was promised, who may do what, and of an incident; each bound to the audit log."""

from .access import review
from .incident import Incident, checked, report
from .known import Known
from .operations import daily, monthly, sla
from .pack import write
from .sheet import Report, Table, csv_of

__all__ = [
    "Incident",
    "Known",
    "Report",
    "Table",
    "checked",
    "csv_of",
    "daily",
    "monthly",
    "report",
    "review",
    "sla",
    "write",
]
