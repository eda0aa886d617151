"""Every setting as one row of one table; the TOML reader, `--help`, the manual page and Ansible's argument specs derive from it."""

from .link import LINK_SETTINGS, TLV_KINDS, Link, Tlv
from .listen import address, check_listen
from .reading import TABLES, Settings, home_of, load, parse
from .route import ROUTE_SETTINGS, Route
from .rows import INDETERMINATE_POLICIES, SETTINGS, Setting

__all__ = [
    "INDETERMINATE_POLICIES",
    "LINK_SETTINGS",
    "ROUTE_SETTINGS",
    "SETTINGS",
    "TABLES",
    "TLV_KINDS",
    "Link",
    "Route",
    "Setting",
    "Settings",
    "Tlv",
    "address",
    "check_listen",
    "home_of",
    "load",
    "parse",
]
