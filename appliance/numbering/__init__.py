"""Telephone numbers and senders: what is one, in which one form, of which country. Pure: no sockets, no clock."""

from appliance.numbering.described import Described, described
from appliance.numbering.enum import Naptr, Verdict, domain_of, verdict
from appliance.numbering.number import calling_code_of, normalise
from appliance.numbering.plan import country_of
from appliance.numbering.region import region_of
from appliance.numbering.sender import SENDER_KINDS, sender_kind
from appliance.numbering.zones import zones_of

__all__ = [
    "SENDER_KINDS",
    "Described",
    "Naptr",
    "Verdict",
    "calling_code_of",
    "country_of",
    "described",
    "domain_of",
    "normalise",
    "region_of",
    "sender_kind",
    "verdict",
    "zones_of",
]
