"""What a box finds out about itself at a start: is the hardware enough, is the box what was shipped, is it closed."""

from .facts import Facts, gathered
from .judge import Finding, findings, report

__all__ = ["Facts", "Finding", "findings", "gathered", "report"]
