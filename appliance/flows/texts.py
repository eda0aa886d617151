"""What a send state says to a customer: its own texts, or a template. Pure; texts are compiled once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from appliance.templates import Body, Template

from .definition import Definition, Send

#: A template's text: name, parameters, locale. Raises Error `not_found` or `params_invalid`.
Templates = Callable[[str, dict[str, Any], str | None], str]


def own_text(flow: Definition, state: Send, variables: dict[str, Any], locale: str | None) -> str:
    """Of a state with `texts`. Raises Error `params_invalid`."""
    assert state.texts is not None
    template = _compiled(tuple(state.texts.items()), flow.locale)
    return template.text({name: variables[name] for name in template.kinds if name in variables}, locale)


@lru_cache(maxsize=512)
def _compiled(texts: tuple[tuple[str, str], ...], locale: str) -> Template:
    return Template("flow", 1, Body(dict(texts), locale))
