"""The chart as a PNG: the few shapes that `chart` writes, drawn once more with Pillow."""

from __future__ import annotations

import io
from typing import Any, Final
from xml.etree import ElementTree

from PIL import Image, ImageDraw, ImageFont

from appliance.errors import Error

SCALE: Final = 2  # pixels for each unit of the chart: sharp on a page
_SVG: Final = "{http://www.w3.org/2000/svg}"
_ANCHORS: Final = {"start": "ls", "middle": "ms", "end": "rs"}


def png(svg: str) -> bytes:
    """The picture of a chart. Raises Error `invalid` for a shape that is none of a chart's."""
    root = ElementTree.fromstring(svg)  # our own
    size = tuple(round(float(root.attrib[name]) * SCALE) for name in ("width", "height"))
    image = Image.new("RGB", (size[0], size[1]), "white")
    draw = ImageDraw.Draw(image)
    fonts: dict[int, Any] = {}
    for shape in root.iter():
        kind, of = shape.tag.removeprefix(_SVG), shape.attrib
        if kind == "text":
            points = int(of["font-size"])
            font = fonts.setdefault(points, ImageFont.load_default(points * SCALE))
            bold = 1 if of["font-weight"] == "bold" else 0
            at = float(of["x"]) * SCALE, float(of["y"]) * SCALE
            draw.text(
                at, shape.text or "", of["fill"], font, _ANCHORS[of["text-anchor"]], stroke_width=bold * SCALE / 4
            )
        elif kind == "line":
            ends = [float(of[name]) * SCALE for name in ("x1", "y1", "x2", "y2")]
            draw.line(ends, of["stroke"], SCALE)
        elif kind == "polyline":
            line = [tuple(float(n) * SCALE for n in point.split(",")) for point in of["points"].split()]
            draw.line(line, of["stroke"], round(float(of["stroke-width"]) * SCALE), joint="curve")
        elif kind == "rect" and "x" in of:
            x, y, width, height = (float(of[name]) * SCALE for name in ("x", "y", "width", "height"))
            draw.rectangle((x, y, x + width, y + height), of["fill"])
        elif kind not in ("svg", "rect"):
            raise Error("invalid", f"a chart has no {kind}")
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
