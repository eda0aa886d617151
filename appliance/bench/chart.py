"""A run as one SVG picture: what happened over time, and where the processor's time went. Pure: outcomes come in, text goes out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from .outcome import Outcome, Report, Series, number

WIDTH: Final = 960
LEFT: Final = 70
RIGHT: Final = 250
TOP: Final = 34
PLOT: Final = 150
GAP: Final = 40
BAR: Final = 18
COLOURS: Final = ("#1b6ca8", "#c8553d", "#3a7d44", "#7d5ba6", "#b8860b", "#4a4a4a", "#0f8b8d", "#a23b72")
INK: Final = "#222"
FAINT: Final = "#d8d8d8"


def drawn(report: Report) -> str:
    """The whole picture: a panel of lines for each outcome that has any, then its bars."""
    parts: list[str] = []
    y = 20.0
    parts.append(_text(LEFT, y, _machine(report), 12))
    y += 24
    for outcome in report.outcomes:
        parts.append(_text(LEFT, y, f"{outcome.scenario}: {outcome.title}", 15, weight="bold"))
        y += TOP - 14
        if outcome.series:
            parts.append(_lines(outcome.series, y))
            y += PLOT + GAP
        if outcome.cpu_us:
            parts.append(_bars(outcome, y))
            y += BAR * len(_shown(outcome)) + GAP
        y += 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y:.0f}" viewBox="0 0 {WIDTH} {y:.0f}" '
    return (
        f'{head}font-family="sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _machine(report: Report) -> str:
    told = report.hardware
    return ", ".join(
        str(word)
        for word in (
            f"{told.get('cores', '?')} x {told.get('processor', 'unknown')}",
            told.get("disk", ""),
            f"sync {told.get('fsync_us_median', '?')} us",
            f"SQLite {told.get('sqlite', '?')}",
            f"casemate {told.get('casemate', '?')}",
        )
        if word
    )


def _text(
    x: float, y: float, text: str, size: int = 11, anchor: str = "start", weight: str = "normal", fill: str = INK
) -> str:
    at = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}"'
    return f"<text {at}>{escape(text)}</text>"


def step(most: float) -> float:
    """A round distance between lines of a scale from 0 to `most`: 1, 2 or 5 times a power of ten, at most five lines."""
    if most <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(most / 5))
    return next(power * n for n in (1, 2, 5, 10) if power * n * 5 >= most)


def _lines(series: dict[str, Series], y: float) -> str:
    width = WIDTH - LEFT - RIGHT
    start = min((at for points in series.values() for at, _ in points), default=0.0)
    last = max((at for points in series.values() for at, _ in points), default=1.0)
    most = max((value for points in series.values() for _, value in points), default=1.0)
    each, span = step(most), max(last - start, 1e-9)
    top = each * max(1, math.ceil(most / each))
    out = []
    for n in range(round(top / each) + 1):
        at = y + PLOT - PLOT * n * each / top
        out.append(f'<line x1="{LEFT}" x2="{LEFT + width}" y1="{at:.1f}" y2="{at:.1f}" stroke="{FAINT}"/>')
        out.append(_text(LEFT - 6, at + 4, number(n * each), anchor="end"))
    apart = step(span)
    for n in range(int(span / apart) + 1):
        at = LEFT + width * n * apart / span
        out.append(_text(at, y + PLOT + 14, f"{number(n * apart)} s", anchor="middle"))
    for n, (name, points) in enumerate(series.items()):
        colour = COLOURS[n % len(COLOURS)]
        path = " ".join(
            f"{LEFT + width * (at - start) / span:.1f},{y + PLOT - PLOT * value / top:.1f}" for at, value in points
        )
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        out.append(_text(LEFT + width + 12, y + 12 + 16 * n, name, 12, fill=colour))
    return "\n".join(out)


def _shown(outcome: Outcome) -> Sequence[tuple[str, float]]:
    """Processes worth a bar."""
    total = sum(outcome.cpu_us.values())
    return sorted(((n, us) for n, us in outcome.cpu_us.items() if us > total / 200), key=lambda item: -item[1])


def _bars(outcome: Outcome, y: float) -> str:
    rows = _shown(outcome)
    width = WIDTH - LEFT - RIGHT - 120
    most = max((us for _, us in rows), default=1.0) or 1.0
    out = [_text(LEFT, y - 6, "processor time a message, us")]
    for n, (name, us) in enumerate(rows):
        at = y + BAR * n
        out.append(_text(LEFT + 96, at + 13, name, anchor="end"))
        out.append(
            f'<rect x="{LEFT + 102}" y="{at + 2:.1f}" width="{width * us / most:.1f}" height="{BAR - 5}" fill="{COLOURS[0]}"/>'
        )
        out.append(_text(LEFT + 108 + width * us / most, at + 13, number(us)))
    return "\n".join(out)
