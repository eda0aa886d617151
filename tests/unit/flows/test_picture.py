"""Pictures of the shipped workflows: every state and way out is there, and the words of no arrow stand on others or on a box."""

from __future__ import annotations

import re

import msgspec
import pytest

from appliance.flows import Definition, drawn, shipped
from appliance.flows.definition import exits
from appliance.flows.picture import BOX_H, BOX_W, LABEL_H, LETTER_W

Area = tuple[int, int, int, int]


def meet(a: Area, b: Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize("name", shipped())
def test_what_an_arrow_says_can_be_read(name: str) -> None:
    flow = msgspec.json.decode(shipped()[name].encode(), type=Definition)
    svg = drawn(flow, flow.start, [flow.start])
    words = re.findall(r'<text x="(-?\d+)" y="(-?\d+)" text-anchor="middle">([^<]*)<', svg)
    assert len(words) == sum(len(set(exits(state).values())) for state in flow.states.values())
    labels: list[Area] = []
    for left, top, said in words:
        x, y, half = int(left), int(top), len(said) * LETTER_W // 2
        labels.append((x - half, y - LABEL_H, x + half, y + 2))
    boxes = [(int(x), int(y), int(x) + BOX_W, int(y) + BOX_H) for x, y in re.findall(r'<rect x="(\d+)" y="(\d+)"', svg)]
    assert len(boxes) == len(flow.states)
    assert not [1 for n, one in enumerate(labels) for other in [*labels[:n], *boxes] if meet(one, other)]
