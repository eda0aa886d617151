"""A definition drawn: states in layers from the start, every way out an arrow. SVG as text, without a script. Pure."""

from __future__ import annotations

from collections.abc import Collection
from html import escape
from typing import Final

from .definition import Branch, Definition, End, Send, Set, State, Verify, Wait, Webhook, exits

BOX_W, BOX_H, GAP_X, GAP_Y, MARGIN = 190, 52, 46, 58, 24
#: Type -> the sign before its name.
SIGNS: Final = {
    Send: "✉",
    Wait: "◷",
    Branch: "◇",
    Verify: "✱",
    Webhook: "↗",
    Set: "=",
    End: "■",
}

_ARROW: Final = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z"/></marker></defs>'
)


def drawn(flow: Definition, here: str = "", been: Collection[str] = ()) -> str:
    """The picture; `here`: the state of a run, `been`: those it came through. Classes are styled by the page."""
    places = _places(flow)
    width = max(x for x, _ in places.values()) + BOX_W + MARGIN
    height = max(y for _, y in places.values()) + BOX_H + MARGIN
    title = escape(flow.title or flow.name)
    head = (
        f'<svg class="flow" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="Workflow: {title}"><title>{title}</title>'
    )
    out = [head, _ARROW]
    for name, state in flow.states.items():
        by_target: dict[str, list[str]] = {}
        for how, to in exits(state).items():
            by_target.setdefault(to, []).append(how)
        for to, hows in by_target.items():
            out.append(_arrow(places[name], places[to], ", ".join(hows), name in been and (to in been or to == here)))
    for name, state in flow.states.items():
        out.append(_box(name, state, places[name], "here" if name == here else "been" if name in been else ""))
    return "".join([*out, "</svg>"])


def _places(flow: Definition) -> dict[str, tuple[int, int]]:
    """Each state in the layer of its shortest way from the start; ends as low as the lowest."""
    layer, todo = {flow.start: 0}, [flow.start]
    for name in todo:
        for to in exits(flow.states[name]).values():
            if to not in layer:
                layer[to] = layer[name] + 1
                todo.append(to)
    lowest = max((n for name, n in layer.items() if not isinstance(flow.states[name], End)), default=0) + 1
    rows: dict[int, list[str]] = {}
    for name in todo:
        rows.setdefault(lowest if isinstance(flow.states[name], End) else layer[name], []).append(name)
    widest = max(len(names) for names in rows.values())
    out = {}
    for row, (_, names) in enumerate(sorted(rows.items())):
        left = MARGIN + (widest - len(names)) * (BOX_W + GAP_X) // 2
        for n, name in enumerate(names):
            out[name] = (left + n * (BOX_W + GAP_X), MARGIN + row * (BOX_H + GAP_Y))
    return out


def _arrow(begin: tuple[int, int], end: tuple[int, int], how: str, been: bool) -> str:
    (x1, y1), (x2, y2) = begin, end
    kind = "way been" if been else "way"
    label = escape(how if len(how) <= 26 else how[:25] + "…")
    if y2 > y1:  # down
        a, b, c, d = x1 + BOX_W // 2, y1 + BOX_H, x2 + BOX_W // 2, y2
        path = f"M{a} {b}C{a} {b + 30} {c} {d - 30} {c} {d - 2}"
        at = (round(a + (c - a) * 0.3), round(b + (d - b) * 0.38))
    elif y2 == y1 and x2 != x1:  # beside
        a, c, b = x1 + BOX_W // 2 + 30, x2 + BOX_W // 2 - 30, y1
        path = f"M{a} {b}C{a} {b - 34} {c} {b - 34} {c} {b - 2}"
        at = ((a + c) // 2, b - 22)
    else:  # back up, or to itself
        a, b, d = x1 + BOX_W, y1 + BOX_H // 2 + 8, y2 + BOX_H // 2 - 8
        c = x2 + BOX_W
        out = max(a, c) + 34
        path = f"M{a} {b}C{out} {b} {out} {d} {c + 2} {d}"
        at = (out - 12, (b + d) // 2)
    return (
        f'<g class="{kind}"><path d="{path}" marker-end="url(#arrow)"/>'
        f'<text x="{at[0]}" y="{at[1]}" text-anchor="middle">{label}</text></g>'
    )


def _box(name: str, state: State, at: tuple[int, int], mark: str) -> str:
    x, y = at
    kind = type(state).__name__.lower()
    bound = f" ≤{state.most}" if state.most else ""
    said = escape(_says(state))
    return (
        f'<g class="state {kind} {mark}"><title>{escape(name)}: {kind}. {escape(state.note)}</title>'
        f'<rect x="{x}" y="{y}" width="{BOX_W}" height="{BOX_H}" rx="7"/>'
        f'<text class="name" x="{x + 10}" y="{y + 21}">{SIGNS[type(state)]} {escape(name[:24])}{bound}</text>'
        f'<text class="says" x="{x + 10}" y="{y + 40}">{said}</text></g>'
    )


def _says(state: State) -> str:
    match state:
        case Send():
            ways = f", {len(state.ways)} ways" if len(state.ways) > 1 else ""
            return f"{state.template or 'own text'}, {state.class_}{ways}"[:30]
        case Wait():
            return f"{state.for_}, {_span(state.timeout_s or 0)}"
        case Verify():
            return f"code, {_span(state.life_s)}{', payment' if state.payment else ''}"
        case Webhook():
            return state.event[:30]
        case Set():
            return ", ".join([*state.values, *(f"{v} + 1" for v in state.count)])[:30]
        case End():
            return f"outcome {state.outcome}"[:30]
    return ""


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
