"""Countries that share a calling code are told apart where it matters."""

from __future__ import annotations

import pytest

from appliance.numbering import region_of


@pytest.mark.parametrize(
    ("number", "calling_code", "country"),
    [
        ("+12125550100", 1, "US"),
        ("+18005550100", 1, "US"),
        ("+14165550100", 1, "CA"),
        ("+18765550100", 1, "JM"),
        ("+79161234567", 7, "RU"),
        ("+77011234567", 7, "KZ"),
        ("+393331234567", 39, "IT"),
        ("+447911123456", 44, "GB"),
        ("+88213123456", 882, ""),
    ],
)
def test_countries_by_number(number: str, calling_code: int, country: str) -> None:
    assert region_of(number, calling_code) == region_of(number, calling_code) == country
