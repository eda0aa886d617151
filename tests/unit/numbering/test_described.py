"""What the plans say of a number, known and unknown ranges."""

from __future__ import annotations

import pytest

from appliance.numbering import calling_code_of, described


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("+393331234567", ("IT", True, "mobile")),
        ("+390612345678", ("IT", True, "fixed_line")),
        ("+12125550100", ("US", True, "fixed_line_or_mobile")),
        ("+447400123456", ("GB", True, "mobile")),
        ("+80012345678", ("", True, "toll_free")),
        ("+12115550100", ("US", False, "")),
    ],
)
def test_plans_and_types(number: str, said: tuple[str, bool, str]) -> None:
    assert described(number, calling_code_of(number)) == said
