"""The transcript as PDF, A4, in Courier: the readable text, its digest on every page, lines for signatures by hand at the end."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

_SIZE: Final = 9.5
_LEADING: Final = 12.5
_LEFT: Final = 60.0
_TOP: Final = 780.0
_LINES: Final = 56


def paper(text: str, title: str, digest: str, seats: list[dict[str, Any]]) -> bytes:
    """The same transcript gives the same octets."""
    from reportlab.lib.pagesizes import A4  # here, because it is large and who conducts a ceremony prints once
    from reportlab.pdfgen.canvas import Canvas

    lines = [*text.splitlines(), "", "Signed by hand:", ""]
    for seat in seats:
        lines += ["", f"{'.' * 40}  {seat['title']}, {seat['person']}"]
    pages = [lines[at : at + _LINES] for at in range(0, len(lines), _LINES)]
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setTitle(title)
    canvas.setCreator("Casemate")
    for number, page in enumerate(pages, 1):
        drawn = canvas.beginText(_LEFT, _TOP)
        drawn.setFont("Courier", _SIZE, _LEADING)
        drawn.textLines(page)
        canvas.drawText(drawn)
        canvas.setFont("Courier", 7)
        canvas.drawString(_LEFT, 40, f"sha256 of transcript.jsonl: {digest}")
        canvas.drawRightString(A4[0] - _LEFT, 40, f"{number} of {len(pages)}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()
