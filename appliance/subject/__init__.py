"""Subject: one person's data, by telephone number: all of it in one folder for its owner (GDPR art. 15), or erased and certified (art. 17)."""

from . import certificate
from .erasing import Caller, Erasing, Site
from .export import write
from .holdings import Holdings
from .journal import Erasure, Journal
from .sites import sites
from .tables import TABLES

__all__ = ["TABLES", "Caller", "Erasing", "Erasure", "Holdings", "Journal", "Site", "certificate", "sites", "write"]
