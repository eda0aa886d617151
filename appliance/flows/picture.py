"""A definition drawn: states in layers from the start, every way out an arrow. SVG as text, without a script. Pure."""

from __future__ import annotations

from collections.abc import Collection
from html import escape
from typing import Final

from .definition import Branch, Definition, End, Send, Set, State, Verify, Wait, Webhook, exits

BOX_W, BOX_H, GAP_X, GAP_Y, MARGIN = 190, 52, 46, 58, 24
LETTER_W, LABEL_H = 6, 12  # of an arrow's words, about
#: Parts of an arrow's way at which its words may stand, in order: near where it leaves first.
PLACES: Final = (0.3, 0.2, 0.42, 0.55, 0.68, 0.8, 0.9)
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

Place = tuple[int, int]
Area = tuple[int, int, int, int]

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
    taken = [(x, y, x + BOX_W, y + BOX_H) for x, y in places.values()]
    for name, state in flow.states.items():
        by_target: dict[str, list[str]] = {}
        for how, to in exits(state).items():
            by_target.setdefault(to, []).append(how)
        for to, hows in by_target.items():
            been_here = name in been and (to in been or to == here)
            out.append(_arrow(places[name], places[to], ", ".join(hows), been_here, taken))
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


def _arrow(begin: Place, end: Place, how: str, been: bool, taken: list[Area]) -> str:
    (x1, y1), (x2, y2) = begin, end
    if y2 > y1:  # down
        a, b, c, d = x1 + BOX_W // 2, y1 + BOX_H, x2 + BOX_W // 2, y2
        way = ((a, b), (a, b + 30), (c, d - 30), (c, d - 2))
    elif y2 == y1 and x2 != x1:  # beside
        a, c, b = x1 + BOX_W // 2 + 30, x2 + BOX_W // 2 - 30, y1
        way = ((a, b), (a, b - 34), (c, b - 34), (c, b - 2))
    else:  # back up, or to itself
        a, b, d = x1 + BOX_W, y1 + BOX_H // 2 + 8, y2 + BOX_H // 2 - 8
        c = x2 + BOX_W
        out = max(a, c) + 34
        way = ((a, b), (out, b), (out, d), (c + 2, d))
    said = how if len(how) <= 26 else how[:25] + "…"
    x, y = _beside(way, len(said) * LETTER_W // 2, taken)
    start, *rest = (f"{px} {py}" for px, py in way)
    return (
        f'<g class="{"way been" if been else "way"}"><path d="M{start}C{" ".join(rest)}" marker-end="url(#arrow)"/>'
        f'<text x="{x}" y="{y}" text-anchor="middle">{escape(said)}</text></g>'
    )


def _beside(way: tuple[Place, ...], half: int, taken: list[Area]) -> Place:
    """Where the words of an arrow stand on its way: the first place at which no box and no other words are; that is then taken."""
    found = None
    for part in PLACES:
        x, y = (round(_on(part, *axis)) for axis in zip(*way, strict=True))
        area = (x - half, y - LABEL_H, x + half, y + 2)
        if not any(area[0] < t[2] and t[0] < area[2] and area[1] < t[3] and t[1] < area[3] for t in taken):
            found = x, y, area
            break
    if found is None:  # nowhere is room
        x, y = (round(_on(PLACES[0], *axis)) for axis in zip(*way, strict=True))
        found = x, y, (x - half, y - LABEL_H, x + half, y + 2)
    taken.append(found[2])
    return found[0], found[1]


def _on(part: float, a: float, b: float, c: float, d: float) -> float:
    """A point of a cubic Bézier curve, on one axis."""
    rest = 1 - part
    return rest**3 * a + 3 * rest**2 * part * b + 3 * rest * part**2 * c + part**3 * d


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
