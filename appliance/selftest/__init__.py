"""What a box finds out about itself at a start: is the hardware enough, is the box what was shipped, is it closed."""

from .facts import Facts, gathered
from .judge import REPORT, WELL, Finding, findings, named_ports, report

__all__ = ["REPORT", "WELL", "Facts", "Finding", "findings", "gathered", "named_ports", "report"]
