"""The README's two commands are the ones that CI and users run, and its links lead somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST_COMMAND = (
    "python3 -m venv .venv && .venv/bin/pip install -q . "
    "&& .venv/bin/closurax run subgrid-turbulence"
)
TEST_COMMAND = (
    ".venv/bin/pip install -q '.[test]' && .venv/bin/python -P -m pytest -n auto --dist loadfile"
)


def test_readme_holds_both_commands_in_order():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert FIRST_COMMAND in lines
    assert TEST_COMMAND in lines
    assert lines.index(FIRST_COMMAND) < lines.index(TEST_COMMAND)


def test_ci_runs_the_readmes_test_command():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert f'test_command="{TEST_COMMAND}"' in lines


def test_every_link_leads_to_something_in_the_repository():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), f"README.md links to {target}, which is not there"


def test_the_replacement_shown_is_one_line_of_the_example():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^learned = model\.(replace\(.*\))$", text, re.MULTILINE)
    assert line in (ROOT / "examples" / "couple_closure.py").read_text(encoding="utf-8")
