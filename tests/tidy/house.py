"""Reads a source tree: its files, what each imports, the ladder drawn in a README, and what breaks the ladder's rules.

Works on any folder, so that the rules can be tried on a toy tree. Nothing is executed: files are parsed, not imported.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple


class Import(NamedTuple):
    """One imported name: `module` as an absolute dotted path, `name` what was taken from it ("" for `import module`)."""

    module: str
    name: str
    line: int


@dataclass(frozen=True)
class Source:
    """One Python file of the tree, parsed."""

    root: Path
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def name(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def package(self) -> list[str]:
        return list(self.path.relative_to(self.root).parts[:-1])

    @property
    def room(self) -> str:
        """`smpp` for appliance/smpp/codec.py, `errors` for appliance/errors.py, "" for appliance/__init__.py."""
        parts = self.path.relative_to(self.root).parts
        if parts[0] != "appliance":
            return parts[0]
        return "" if parts[1] == "__init__.py" else parts[1].removesuffix(".py")

    @cached_property
    def imports(self) -> list[Import]:
        """Every import, also those inside functions and under TYPE_CHECKING: both are dependencies."""
        out = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                out += [Import(alias.name, "", node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                if node.level:
                    package = self.package[: len(self.package) - node.level + 1]
                    module = ".".join([*package, *([module] if module else [])])
                out += [Import(module, alias.name, node.lineno) for alias in node.names]
        return out

    @property
    def top_imports(self) -> set[str]:
        """First parts of what is imported: {"asyncio", "appliance"}."""
        return {i.module.split(".")[0] for i in self.imports}

    def calls(self) -> list[ast.Call]:
        return [n for n in ast.walk(self.tree) if isinstance(n, ast.Call)]


@cache
def _source(root: Path, path: Path) -> Source:
    return Source(root, path)  # one for all tests: to parse the tree costs a second


def sources(root: Path, *packages: str) -> list[Source]:
    """Every Python file under the packages, in order."""
    return [_source(root, path) for package in packages for path in sorted((root / package).rglob("*.py"))]


class Level(NamedTuple):
    name: str
    rooms: tuple[str, ...]
    strangers: bool


def drawn_ladder(readme: str) -> list[Level]:
    """The ladder as drawn: a fenced block whose lines are `level   room, room` or `level   room | room`, highest first."""
    for block in re.findall(r"```[a-z]*\n(.*?)```", readme, re.S):
        lines = [
            re.fullmatch(r"(\w+) {2,}(\w+(?:( [|] |, )\w+)*)\s*", line) for line in block.splitlines() if line.strip()
        ]
        if len(lines) > 2 and all(lines) and lines[-1] is not None and lines[-1][1] == "ground":
            return [Level(m[1], tuple(re.split(r" \| |, ", m[2])), " | " in m[2]) for m in lines if m is not None]
    raise AssertionError("the README draws no ladder")


def offered(room: Path) -> set[str] | None:
    """What a room's front door lists in `__all__`; None for a room of one file, which offers every name without underscore."""
    if room.with_suffix(".py").exists():
        return None
    tree = ast.parse((room / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets) and node.value is not None:  # type: ignore[union-attr]
            return set(ast.literal_eval(node.value))  # type: ignore[union-attr]
    return set()


class House:
    """The tree under `root` measured against a ladder."""

    def __init__(self, root: Path, ladder: list[Level]) -> None:
        self.root = root
        self.ladder = ladder
        self.height = {room: len(ladder) - n for n, level in enumerate(ladder) for room in level.rooms}
        self.level = {room: level for level in ladder for room in level.rooms}
        self.files = sources(root, "appliance")
        self.rooms = {f.room for f in self.files} - {""}

    def target(self, i: Import) -> tuple[str, list[str]] | None:
        """The room an import enters and the path below it: `from appliance.smpp import X` -> ("smpp", ["X"])."""
        path = i.module.split(".") + ([i.name] if i.name else [])
        if path[0] != "appliance" or len(path) < 2:
            return None
        return path[1], path[2:]

    def unlisted(self) -> list[str]:
        """Rooms that exist and are not drawn, or the other way round."""
        drawn = set(self.height)
        return [f"{r} is not in the drawing" for r in sorted(self.rooms - drawn)] + [
            f"{r} is drawn and does not exist" for r in sorted(drawn - self.rooms)
        ]

    def broken(self) -> list[str]:
        """Imports that go upwards, sideways, through the back door, or tie a knot between neighbours."""
        out: list[str] = []
        neighbours: dict[str, set[str]] = {}
        for file in self.files:
            for i in file.imports:
                entered = self.target(i)
                if entered is None or entered[0] == file.room or (entered[0] not in self.height and file.room == ""):
                    continue
                room, below = entered
                where = f"{file.name}:{i.line}: {file.room or 'appliance'} -> {'.'.join([room, *below])}"
                if room == "__version__":
                    continue
                if room not in self.height or file.room not in self.height:
                    out.append(f"{where}: not on the ladder")
                elif self.height[room] > self.height[file.room]:
                    out.append(f"{where}: upwards")
                elif self.height[room] == self.height[file.room]:
                    if self.level[room].strangers:
                        out.append(f"{where}: sideways, they are strangers")
                    neighbours.setdefault(file.room, set()).add(room)
                out += [f"{where}: {fault}" for fault in self._doors(room, below, i)]
        return out + [f"neighbours in a knot: {' -> '.join(knot)}" for knot in knots(neighbours)]

    def _doors(self, room: str, below: list[str], i: Import) -> list[str]:
        if not (self.root / "appliance" / room).is_dir():
            return ["a private name"] if below and below[0].startswith("_") else []
        if len(i.module.split(".")) > 2:
            return ["through the back door"]
        doors = offered(self.root / "appliance" / room)
        if below and doors is not None and below[0] not in doors:
            return ["through the back door: not in the room's __all__"]
        return []


def knots(edges: dict[str, set[str]]) -> list[list[str]]:
    """Cycles in a small graph, each found once from its smallest member."""
    found: list[list[str]] = []

    def walk(path: list[str]) -> None:
        for to in sorted(edges.get(path[-1], ())):
            if to == path[0]:
                found.append([*path, to])
            elif to > path[0] and to not in path:
                walk([*path, to])

    for start in sorted(edges):
        walk([start])
    return found
