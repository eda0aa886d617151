"""Every setting as one row of one table; the TOML reader, `--help`, the manual page and Ansible's argument specs derive from it."""

from .camara import ANY_PURPOSE, CAMARA_SETTINGS, NUMBER_CHECK_SETTINGS, Camara, NumberCheck, web_server
from .channel import CHANNEL_NAME, CHANNEL_SETTINGS, SMS, Channel
from .directory import server as directory_server
from .enum import ENUM_SETTINGS, Enum
from .hours import Hours, zone_of
from .inbound import INBOUND_SETTINGS, InboundWebhook, inbound_of, webhooks_for
from .link import LINK_SETTINGS, TLV_KINDS, Link, Tlv
from .listen import LOOPBACK, address, behind_front, caller_of, check_listen, witness_address
from .oidc import issuer_address
from .profile import Profile, parse_profile
from .profile import find as find_profile
from .profile import names as profile_names
from .programme import MARKETING, PROGRAMME_SETTINGS, Programme, programmes_of
from .quiet import QUIET_SETTINGS, QuietHours, quiet_of
from .reading import TABLES, Settings, home_of, load, parse, parse_routes
from .route import OPERATOR_SETTINGS, ROUTE_SETTINGS, Operator, Route
from .rows import INDETERMINATE_POLICIES, SETTINGS, Setting

__all__ = [
    "ANY_PURPOSE",
    "CAMARA_SETTINGS",
    "CHANNEL_NAME",
    "CHANNEL_SETTINGS",
    "ENUM_SETTINGS",
    "INBOUND_SETTINGS",
    "INDETERMINATE_POLICIES",
    "LINK_SETTINGS",
    "LOOPBACK",
    "MARKETING",
    "NUMBER_CHECK_SETTINGS",
    "OPERATOR_SETTINGS",
    "PROGRAMME_SETTINGS",
    "QUIET_SETTINGS",
    "ROUTE_SETTINGS",
    "SETTINGS",
    "SMS",
    "TABLES",
    "TLV_KINDS",
    "Camara",
    "Channel",
    "Enum",
    "Hours",
    "InboundWebhook",
    "Link",
    "NumberCheck",
    "Operator",
    "Profile",
    "Programme",
    "QuietHours",
    "Route",
    "Setting",
    "Settings",
    "Tlv",
    "address",
    "behind_front",
    "caller_of",
    "check_listen",
    "directory_server",
    "find_profile",
    "home_of",
    "inbound_of",
    "issuer_address",
    "load",
    "parse",
    "parse_profile",
    "parse_routes",
    "profile_names",
    "programmes_of",
    "quiet_of",
    "web_server",
    "webhooks_for",
    "witness_address",
    "zone_of",
]
