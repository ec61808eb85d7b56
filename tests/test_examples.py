"""What the documentation and the examples show is what happens."""

import re
import runpy
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs" / "tutorials").glob("*.md")), ROOT / "docs" / "numerics.md"]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


def run_blocks(page: Path, capsys) -> dict:
    """Runs the python blocks of a page in order; a text block is what the one before prints."""
    text = page.read_text(encoding="utf-8")
    names: dict = {"__name__": page.stem}
    printed = ""
    for block in FENCED.finditer(text):
        language, content = block.groups()
        if language == "python":
            assert not printed, f"{page.name} does not show what a block prints: {printed}"
            line = text.count("\n", 0, block.start(2))
            exec(compile("\n" * line + content, page, "exec"), names)
            printed = capsys.readouterr().out
        elif language == "text":
            assert words(printed) == words(content)
            printed = ""
    assert not printed
    return names


def words(text: str) -> str:
    """The text without the numbers that chaos and rounding may change, and without spacing."""
    return " ".join(NUMBER.sub("#", text).split())


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_runs_and_prints_what_it_says(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        names = run_blocks(page, capsys)
    finally:
        # The other tests start in single precision.
        jax.config.update("jax_enable_x64", False)
    if page.stem == "replace-a-closure":
        errors = names["errors"]
        for learned in ("linear", "network"):
            assert errors[learned] < min(0.25, errors["no closure"] / 2)


@pytest.mark.slow
def test_couple_closure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / "couple_closure.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    errors = {line.split("  ")[0]: float(line.split()[-1]) for line in lines}
    assert list(errors) == ["no closure", "Leith", "learned"]
    assert errors["learned"] < errors["no closure"]


@pytest.mark.slow
def test_train_closure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train_closure.py", "12"])
    runpy.run_path(str(ROOT / "examples" / "train_closure.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    errors = {line.split()[0]: float(line.split()[-1]) for line in lines}
    assert list(errors) == ["start", "trained"]
    assert errors["trained"] < 0.9 * errors["start"]


@pytest.mark.slow
def test_couple_convection(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["couple_convection.py"])
    runpy.run_path(str(ROOT / "examples" / "couple_convection.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    rain = {line.split("  ")[0]: float(line.split()[-12]) for line in lines}
    assert list(rain) == ["no convection", "Kain-Fritsch", "learned"]
    assert rain["no convection"] == 0
    assert abs(rain["learned"] / rain["Kain-Fritsch"] - 1) < 0.5


@pytest.mark.slow
def test_learn_operator(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["learn_operator.py"])
    runpy.run_path(str(ROOT / "examples" / "learn_operator.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    errors = {line.split("  ")[0]: float(line.split("%")[0].split()[-1]) for line in lines}
    assert list(errors) == ["mean of the samples", "finite volumes", "learned operator"]
    assert errors["learned operator"] < errors["mean of the samples"] / 4


@pytest.mark.slow
def test_invert_darcy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / "invert_darcy.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    wrong = {line.split("  ")[0]: float(line.split("%")[0].split()[-1]) for line in lines}
    assert list(wrong) == ["solver", "surrogate"]
    # About half of the cells have the wrong value if nothing is known.
    assert wrong["solver"] < 5 and wrong["surrogate"] < 10


@pytest.mark.slow
def test_assimilate_field(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        runpy.run_path(str(ROOT / "examples" / "assimilate_field.py"), run_name="__main__")
    finally:
        # The other tests start in single precision.
        jax.config.update("jax_enable_x64", False)
    lines = capsys.readouterr().out.splitlines()
    errors = {line.split("  ")[0]: float(line.split("error ")[1].split()[0]) for line in lines}
    assert list(errors) == ["interpolation", "field"]
    # The observations have an error of 0.1.
    assert errors["field"] < 0.03 and errors["field"] < errors["interpolation"] / 2


def test_every_example_is_short_and_run_by_a_test():
    source = Path(__file__).read_text(encoding="utf-8")
    for example in EXAMPLES:
        assert example.name in source, f"no test runs {example.name}"
        assert len(example.read_text(encoding="utf-8").splitlines()) < 60


def test_every_test_that_the_documentation_names_exists():
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for page in (ROOT / "docs").rglob("*.md"):
        for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")):
            assert f"def {name}(" in tests, f"{page.name} names {name}, which is not there"
