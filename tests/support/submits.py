"""A submit_sm as any ESME would send it, for tests of whoever hears it: by the tables, not by a link's packer."""

from __future__ import annotations

from appliance.smpp import Pdu, encode, source_form, spec


def packed_submit(
    sequence: int,
    source: str,
    dest: str,
    esm_class: int = 0,
    data_coding: int = 0,
    registered_delivery: int = 1,
    validity: bytes = b"",
    short_message: bytes = b"",
    service_type: bytes = b"",
) -> bytes:
    """`dest` with or without its plus; `validity` empty or 16 octets."""
    ton, npi = source_form(source)
    return encode(
        Pdu(
            spec.SUBMIT_SM,
            0,
            sequence,
            {
                "service_type": service_type,
                "source_addr_ton": ton,
                "source_addr_npi": npi,
                "source_addr": source.encode(),
                "dest_addr_ton": 1,
                "dest_addr_npi": 1,
                "destination_addr": dest.removeprefix("+").encode(),
                "esm_class": esm_class,
                "validity_period": validity,
                "registered_delivery": registered_delivery,
                "data_coding": data_coding,
                "short_message": short_message,
            },
        )
    )
