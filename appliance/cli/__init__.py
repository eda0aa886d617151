"""The command line: `casemate` and its commands. Each command loads only the rooms it needs."""

from .program import main

__all__ = ["main"]
