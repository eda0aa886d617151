"""Text of a message as octets and back: GSM 03.38 and UCS-2, the smallest that fits, cut into parts. No sockets, no clock."""

from appliance.text.codec import GSM7, UCS2, decode, encode
from appliance.text.cutting import Cut, Cutter, Shape, sender_octets, shape_of
from appliance.text.gsm import ALPHABET, EXTENSION, in_alphabet
from appliance.text.lookalikes import transliterated
from appliance.text.parts import parts_with_udh, reference_bits_for, segments_of, split, udh
from appliance.text.septets import fill_bits, pack_septets, unpack_septets

__all__ = [
    "ALPHABET",
    "EXTENSION",
    "GSM7",
    "UCS2",
    "Cut",
    "Cutter",
    "Shape",
    "decode",
    "encode",
    "fill_bits",
    "in_alphabet",
    "pack_septets",
    "parts_with_udh",
    "reference_bits_for",
    "segments_of",
    "sender_octets",
    "shape_of",
    "split",
    "transliterated",
    "udh",
    "unpack_septets",
]
