"""The reference in the documentation lists what the packages export."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("physics", "datasets", "surrogates")


@pytest.mark.parametrize("room", ROOMS)
def test_functions_named_like_their_file_have_an_entry_of_their_own(room):
    """The file hides them where their package is listed."""
    listed = (ROOT / "docs" / "api" / f"{room}.md").read_text(encoding="utf-8")
    missing = []
    for package in (ROOT / room).rglob("__init__.py"):
        exports = re.finditer(r"from \.(\w+) import ([^\n(]+|\([^)]*\))", package.read_text())
        for module, names in (each.groups() for each in exports):
            if re.search(rf"\b{module} as {module}\b", names):
                where = ".".join(package.parent.relative_to(ROOT).parts)
                missing.append(f"::: closurax.{where}.{module}.{module}\n")
    assert not [entry for entry in missing if entry not in listed]
