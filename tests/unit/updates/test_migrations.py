"""A release that is left must be able to go on: no migration takes away or renames what an older release reads."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TAKES_AWAY = re.compile(r"\b(DROP\s+(TABLE|COLUMN)|RENAME\s+(TO|COLUMN))\b|\.(transform|drop)\(", re.I)

#: Files with such a migration, and why an older release goes on all the same. This list may only shrink.
EXCUSED: dict[str, str] = {
    "appliance/keys/register.py": "of before the first release",
    "appliance/store/schema.py": "of before the first release",
}


def test_migrations_only_add() -> None:
    found = []
    for path in sorted((ROOT / "appliance").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "Migrations(" not in text:
            continue
        for node in ast.parse(text).body:  # what a method does to rows is no migration
            step = isinstance(node, ast.FunctionDef) and any(
                "MIGRATIONS" in ast.unparse(d).upper() for d in node.decorator_list
            )
            statements = isinstance(node, ast.Assign | ast.AnnAssign)
            if (step or statements) and TAKES_AWAY.search(ast.unparse(node)):
                found.append(path.relative_to(ROOT).as_posix())
    assert sorted(set(found)) == sorted(EXCUSED)
