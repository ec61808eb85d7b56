"""Imports run closurax -> surrogates -> datasets -> physics, and never the other way."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "physics": ROOT / "physics",
    "datasets": ROOT / "datasets",
    "surrogates": ROOT / "surrogates",
    "closurax": ROOT / "src" / "closurax",
}
MAY_IMPORT = {
    "physics": {"physics"},
    "datasets": {"physics", "datasets"},
    "surrogates": {"physics", "datasets", "surrogates"},
    "closurax": {"physics", "datasets", "surrogates", "closurax"},
}
ROOMS = FOLDERS.keys() - {"closurax"}


def module_name(room: str, file: Path) -> list[str]:
    """The parts of the installed name, with `__init__` as the last one for a package."""
    prefix = ["closurax"] if room == "closurax" else ["closurax", room]
    return [*prefix, *file.relative_to(FOLDERS[room]).with_suffix("").parts]


def imported_names(tree: ast.AST, module: list[str]) -> Iterator[str]:
    """Every name that is imported anywhere in a module, made absolute.

    `from a import b` gives `a.b`: whether `b` is a module or a member makes no difference to
    the room that it is in.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                parents = module[:-level] if level else []
                parts = [*parents, *(source.split(".") if source else [])]
                yield from (".".join([*parts, alias.name]) for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def room_of(name: str) -> str | None:
    """The room that an absolute name belongs to, `None` for what is not ours."""
    top, _, rest = name.partition(".")
    if top != "closurax":
        return None
    first = rest.partition(".")[0]
    return first if first in ROOMS else "closurax"


def forbidden(room: str, name: str) -> bool:
    ours = room_of(name)
    bare_folder = name.partition(".")[0] in ROOMS
    return bare_folder or (ours is not None and ours not in MAY_IMPORT[room])


@pytest.mark.parametrize("room", FOLDERS)
def test_room_imports_only_rooms_below_it(room):
    files = sorted(FOLDERS[room].rglob("*.py"))
    assert files, f"no modules in {FOLDERS[room]}"
    found = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in imported_names(
            ast.parse(file.read_text(encoding="utf-8")), module_name(room, file)
        )
        if forbidden(room, name)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "room, file, source, wrong",
    [
        ("physics", "model.py", "from .scheme import Slot", False),
        ("physics", "solvers/cfl.py", "from ..scheme import Slot", False),
        ("physics", "solvers/__init__.py", "from .. import errors", False),
        ("physics", "solvers/cfl.py", "from ... import datasets", True),
        ("physics", "model.py", "def f():\n    import closurax.surrogates.training", True),
        ("physics", "model.py", "from closurax import __version__", True),
        ("physics", "model.py", "import_module('closurax.datasets')", True),
        ("physics", "model.py", "import jax, datasets", True),
        ("datasets", "__init__.py", "from closurax import physics", False),
        ("datasets", "__init__.py", "from closurax.physics.model import AbstractModel", False),
        ("datasets", "__init__.py", "from ..surrogates import load", True),
        ("surrogates", "closures/cnn.py", "from ...physics import AbstractScheme", False),
        ("surrogates", "closures/cnn.py", "from ...report import write", True),
        ("closurax", "cli.py", "from .surrogates import load", False),
        ("closurax", "report/page.py", "from .. import physics", False),
    ],
)
def test_the_check_itself(room, file, source, wrong):
    module = module_name(room, FOLDERS[room] / file)
    names = list(imported_names(ast.parse(source), module))
    assert names
    assert any(forbidden(room, name) for name in names) is wrong
