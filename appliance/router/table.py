"""HOT: longest prefix decides; the answer is a group of links in order of preference."""

from __future__ import annotations

from collections.abc import Iterable


class RouteTable:
    """Compiled from (prefix without plus, link names in order of preference). Immutable: a change is a new table."""

    def __init__(self, routes: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        self._groups = dict(routes)
        self._lengths = sorted({len(prefix) for prefix in self._groups}, reverse=True)

    def links(self, to: str) -> tuple[str, ...]:
        """Links for an E.164 number with its plus, in order of preference; empty when no route serves it."""
        groups = self._groups
        for length in self._lengths:
            group = groups.get(to[1 : length + 1])
            if group is not None and len(to) > length:
                return group
        return ()

    def __len__(self) -> int:
        return len(self._groups)
