"""Casemate: an on-premises messaging appliance for banks. The map of the rooms is in README.md beside this file."""

__version__ = "0.1.0"
