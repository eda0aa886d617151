"""The register of certificates, keys and secrets (DORA RTS (EU) 2024/1774 article 7): who answers for each, until when, how it is replaced."""

from . import token_key
from .alarms import DAYS, Due, due
from .asking import KINDS, Asked, ask
from .files import certificates, shown, slots
from .item import Item
from .watch import Watch, register
from .writing import COLUMNS, as_csv, as_json, rows

__all__ = [
    "COLUMNS",
    "DAYS",
    "KINDS",
    "Asked",
    "Due",
    "Item",
    "Watch",
    "as_csv",
    "as_json",
    "ask",
    "certificates",
    "due",
    "register",
    "rows",
    "shown",
    "slots",
    "token_key",
]
