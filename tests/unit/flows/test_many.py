"""A few hundred definitions made by hypothesis; thousands by `python -m tests.unit.flows.many`."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings

from appliance.flows import Happening

from .many import definitions, happenings, holds


@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(definitions(), happenings)
def test_a_definition_is_refused_with_line_and_reason_or_runs_to_its_end(
    definition: dict[str, Any], happens: list[Happening]
) -> None:
    holds(definition, happens)
