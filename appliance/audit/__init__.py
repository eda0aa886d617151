"""The audit log: append-only, Merkle-hashed, signed by the HSM, readable by other people's tools.

`Recorder` and `BlockingRecorder` record an act before it happens, `Outbox` and `forward` record it in the transaction of
what it did; `serve` is the auditor process that owns the log, `commands` what the command line does with it,
`written` what people take away on paper.
"""

from . import commands, note, written
from .entry import entry, impersonal
from .events import EVENTS
from .outbox import Outbox, forward
from .paper import LINE, Section, pdf
from .rate import Rate
from .recorder import BlockingRecorder, Recorder
from .reports import REPORTS
from .review import RULES
from .serving import serve

__all__ = [
    "EVENTS",
    "LINE",
    "REPORTS",
    "RULES",
    "BlockingRecorder",
    "Outbox",
    "Rate",
    "Recorder",
    "Section",
    "commands",
    "entry",
    "forward",
    "impersonal",
    "note",
    "pdf",
    "serve",
    "written",
]
