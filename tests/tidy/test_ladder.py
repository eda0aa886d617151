"""Is every import on the ladder that appliance/README.md draws? The checker is itself proven on a toy tree."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.tidy.house import House, drawn_ladder, sources

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT, drawn_ladder((ROOT / "appliance/README.md").read_text(encoding="utf-8")))


def test_every_room_is_drawn_and_every_drawn_room_exists(house: House) -> None:
    assert house.unlisted() == []


def test_every_import_goes_down_the_ladder_and_through_the_front_door(house: House) -> None:
    assert house.broken() == []


def test_the_package_itself_imports_nothing(house: House) -> None:
    assert [f.imports for f in house.files if f.room == ""] == [[]]


def test_hsm_is_a_leaf_and_only_keys_enters_it(house: House) -> None:
    hsm = sources(ROOT, "hsm")
    assert hsm, "the PKCS#11 library lives in hsm/"
    assert [f.name for f in hsm if "appliance" in f.top_imports] == []
    assert [f.name for f in house.files if "hsm" in f.top_imports and f.room != "keys"] == []
    # through its front door: only its __init__ is entered, and by `python -m` its own processes
    assert [f"{f.name}:{i.line}" for f in house.files for i in f.imports if i.module.startswith("hsm.")] == []


def test_firmware_is_a_leaf_and_only_updates_enters_it(house: House) -> None:
    firmware = sources(ROOT, "firmware")
    assert [f.name for f in firmware if f.top_imports & {"appliance", "hsm"}] == []
    assert [f.name for f in house.files if "firmware" in f.top_imports and f.room != "updates"] == []
    assert [f"{f.name}:{i.line}" for f in house.files for i in f.imports if i.module.startswith("firmware.")] == []


def test_the_verifier_of_the_audit_log_stands_alone() -> None:
    (verify,) = [f for f in sources(ROOT, "appliance") if f.name == "appliance/audit/verify.py"]
    foreign = {m for m in verify.top_imports if m not in sys.stdlib_module_names}
    assert foreign <= {"cryptography"}, foreign


def test_what_is_large_is_loaded_by_who_uses_it() -> None:
    """A process of a box that never prints, or asks nobody by HTTP, starts without them: memory of each serial console, and time of each start."""
    large = {"reportlab": set[str](), "httpx": {"courier", "client", "cli", "bench"}}
    for path in (ROOT / "appliance").rglob("*.py"):
        room = path.relative_to(ROOT / "appliance").parts[0]
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert room in large.get(name.split(".")[0], {room}), f"{path.name}: {name} belongs into the function"


def test_the_simulated_operator_shares_the_codec_and_nothing_else(house: House) -> None:
    ground = set(house.ladder[-1].rooms)
    entered = {t[0] for f in house.files if f.room == "simulator" for i in f.imports if (t := house.target(i))}
    assert entered - {"simulator"} <= {"smpp"} | ground


TOY = {
    "appliance/__init__.py": '"""Toy."""\n',
    "appliance/errors.py": '"""Ground."""\n',
    "appliance/smpp/__init__.py": '"""Pure."""\nfrom .codec import Pdu\n__all__ = ["Pdu"]\n',
    "appliance/smpp/codec.py": '"""Inside."""\nfrom appliance.errors import Error\nclass Pdu: ...\nclass Hidden: ...\n',
    "appliance/text/__init__.py": '"""Pure."""\n__all__ = []\n',
    "appliance/store/__init__.py": '"""Records."""\nfrom appliance.smpp import Pdu\n__all__ = ["X"]\nX = 1\n',
    "appliance/audit/__init__.py": '"""Records."""\nfrom appliance.store import X\n__all__ = ["X"]\n',
}
LADDER = """
```
records   store, audit
pure      smpp | text
ground    errors
```
"""


def toy(tmp_path: Path, changes: dict[str, str]) -> House:
    for name, text in (TOY | changes).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return House(tmp_path, drawn_ladder(LADDER))


def test_toy_tree_is_in_order(tmp_path: Path) -> None:
    house = toy(tmp_path, {})
    assert house.unlisted() == []
    assert house.broken() == []


@pytest.mark.parametrize(
    ("changes", "caught"),
    [
        ({"appliance/errors.py": "from appliance.smpp import Pdu\n"}, "upwards"),
        ({"appliance/errors.py": "def f():\n    import appliance.smpp\n"}, "upwards"),
        ({"appliance/smpp/codec.py": "from ..store import X\n"}, "upwards"),
        ({"appliance/smpp/codec.py": "from appliance import store\n"}, "upwards"),
        ({"appliance/text/__init__.py": "from appliance.smpp import Pdu\n"}, "sideways"),
        ({"appliance/store/__init__.py": "from appliance.smpp.codec import Hidden\n"}, "back door"),
        ({"appliance/store/__init__.py": "import appliance.smpp.codec\n"}, "back door"),
        ({"appliance/store/__init__.py": "from appliance.smpp import codec\n"}, "back door"),
        ({"appliance/store/__init__.py": "from appliance.smpp import Hidden\n"}, "back door"),
        ({"appliance/store/__init__.py": "from appliance.errors import _private\n"}, "a private name"),
        ({"appliance/store/rows.py": "from appliance.audit import X\n"}, "knot"),
        ({"appliance/store/rows.py": "from appliance.cellar import X\n"}, "not on the ladder"),
    ],
)
def test_toy_tree_is_caught(tmp_path: Path, changes: dict[str, str], caught: str) -> None:
    broken = toy(tmp_path, changes).broken()
    assert any(caught in fault for fault in broken), broken


def test_toy_tree_must_be_drawn_whole(tmp_path: Path) -> None:
    assert toy(tmp_path, {"appliance/cellar.py": ""}).unlisted() == ["cellar is not in the drawing"]
    (tmp_path / "appliance/cellar.py").unlink()
    (tmp_path / "appliance/text/__init__.py").unlink()
    assert House(tmp_path, drawn_ladder(LADDER)).unlisted() == ["text is drawn and does not exist"]
