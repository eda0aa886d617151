"""The recipe as checked data: what `recipe.toml` says, with every key known and every value of its kind."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TREES = ("root", "tools")


class Fault(Exception):
    """What stops a build, with what to do about it. The command line prints it; nothing else of a build is shown to people as a traceback."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Recipe:
    """`recipe.toml`, read once. Sizes in MiB, times in seconds since 1970."""

    id: str
    suite: str
    architecture: str
    epoch: int
    seed: str
    packages: dict[str, tuple[str, ...]]
    paths_without: tuple[str, ...]
    paths_kept: tuple[str, ...]
    removed: tuple[str, ...]
    kernel_line: tuple[str, ...]
    dracut_add: tuple[str, ...]
    dracut_omit: tuple[str, ...]
    drivers: tuple[str, ...]
    partitions: dict[str, int]


#: table -> key -> type. A key that is not here, or is missing, stops the build before it starts.
SHAPE: dict[str, dict[str, type]] = {
    "image": {"id": str, "suite": str, "architecture": str, "epoch": int, "seed": str},
    "packages": {"root": list, "tools": list},
    "without": {"paths": list, "kept": list, "removed": list},
    "kernel": {"line": list, "dracut_add": list, "dracut_omit": list, "drivers": list},
    "partitions": {"esp": int, "root": int, "verity": int, "data_min": int, "disk": int},
}


def read(path: Path = HERE / "recipe.toml") -> Recipe:
    """The recipe in `path`. Raises Fault naming the table and key that are wrong."""
    try:
        with path.open("rb") as file:
            said = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as e:
        raise Fault(f"{path.name} cannot be read: {e}", "restore it from the repository") from None
    for table in set(said) ^ set(SHAPE):
        raise Fault(f"{path.name}: table [{table}] is {'unknown' if table in said else 'missing'}")
    for table, keys in SHAPE.items():
        for key in set(said[table]) ^ set(keys):
            raise Fault(f"{path.name}: {table}.{key} is {'unknown' if key in said[table] else 'missing'}")
        for key, kind in keys.items():
            value: Any = said[table][key]
            texts = kind is not list or (isinstance(value, list) and all(isinstance(v, str) and v for v in value))
            if type(value) is not kind or not texts:
                raise Fault(f"{path.name}: {table}.{key} is not {'a list of texts' if kind is list else kind.__name__}")
    sizes = said["partitions"]
    needed = sizes["esp"] + 2 * (sizes["root"] + sizes["verity"]) + 4
    if min(sizes.values()) < 1 or sizes["disk"] < needed:
        raise Fault(f"{path.name}: partitions.disk is {sizes['disk']} MiB, and both slots need {needed}")
    return Recipe(
        **said["image"],
        packages={tree: tuple(said["packages"][tree]) for tree in TREES},
        paths_without=tuple(said["without"]["paths"]),
        paths_kept=tuple(said["without"]["kept"]),
        removed=tuple(said["without"]["removed"]),
        kernel_line=tuple(said["kernel"]["line"]),
        dracut_add=tuple(said["kernel"]["dracut_add"]),
        dracut_omit=tuple(said["kernel"]["dracut_omit"]),
        drivers=tuple(said["kernel"]["drivers"]),
        partitions=dict(sizes),
    )
