"""Text of a message as octets and back: GSM 03.38 and UCS-2, the smallest that fits, cut into parts. No sockets, no clock."""

from appliance.text.codec import GSM7, UCS2, decode, encode
from appliance.text.gsm import ALPHABET, EXTENSION, in_alphabet
from appliance.text.parts import parts_with_udh, reference_bits_for, segments_of, split, udh

__all__ = [
    "ALPHABET",
    "EXTENSION",
    "GSM7",
    "UCS2",
    "decode",
    "encode",
    "in_alphabet",
    "parts_with_udh",
    "reference_bits_for",
    "segments_of",
    "split",
    "udh",
]
