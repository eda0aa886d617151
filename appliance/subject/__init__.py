"""Subject: what the box holds about one telephone number, all of it in one folder for its owner (GDPR art. 15)."""

from .export import write
from .holdings import Holdings

__all__ = ["Holdings", "write"]
