"""Which entity and which template a text to India is of, as the operator's optional parameters want them. One moment of the register; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .dlt import Templates
from .registration import Registration

INDIA: Final = "IN"


class DltIds:
    """Of the registrations that hold. `variable`: characters of one `{#var#}`."""

    def __init__(self, registrations: Iterable[Registration], at_ms: int, variable: int) -> None:
        held = [r for r in registrations if r.country == INDIA and r.holds(at_ms)]
        self._entities = {r.sender: r.details.entity_id for r in held if r.details.entity_id}
        self._templates = {r.sender: Templates(r.details.templates, variable) for r in held if r.details.templates}
        self._only = {
            r.sender: r.details.template_ids[0]
            for r in held
            if len(r.details.template_ids) == 1 and not r.details.templates
        }

    def of(self, sender: str, text: str) -> dict[str, str]:
        """`entity_id` and `template_id`, each where it is known; a header with one id and no texts on file has that one."""
        out = {}
        if sender in self._entities:
            out["entity_id"] = self._entities[sender]
        templates = self._templates.get(sender)
        number = templates.match(text) if templates is not None else self._only.get(sender, "")
        return out | ({"template_id": number} if number else {})
