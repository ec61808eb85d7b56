"""The wheel holds the whole tree, and puts nothing but `closurax` at the top level."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
FOLDERS = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}
ROOMS = ["datasets", "physics", "surrogates"]


def source_files() -> dict[str, Path]:
    """Every file of the packages, keyed by its path in the wheel."""
    files = {}
    for package, folder in FOLDERS.items():
        for file in folder.rglob("*"):
            inside = file.relative_to(folder)
            hidden = any(part.startswith((".", "__pycache__")) for part in inside.parts)
            if file.is_file() and not hidden and file.suffix != ".md":
                files[PurePosixPath(*package.split("."), *inside.parts).as_posix()] = file
    return files


def test_package_list_equals_the_tree():
    with_init, with_code = set(), set()
    for path in source_files():
        folder, name = PurePosixPath(path).parent, PurePosixPath(path).name
        if name.endswith(".py"):
            with_code.add(".".join(folder.parts))
        if name == "__init__.py":
            with_init.add(".".join(folder.parts))
    assert with_code == with_init, "folders with code but without an __init__.py"
    assert sorted(SETUPTOOLS["packages"]) == sorted(with_init)


@pytest.mark.parametrize("room", ROOMS)
def test_bare_folder_says_what_to_import_instead(room):
    # `-m` and `-c` without -P put the current folder on sys.path.
    result = subprocess.run(
        [sys.executable, "-c", f"import {room}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONSAFEPATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    last_line = result.stderr.strip().splitlines()[-1]
    assert last_line.startswith("ModuleNotFoundError")
    assert f"import closurax.{room}" in last_line


def test_tests_see_the_installed_package_and_no_bare_folder():
    import closurax

    outside = {Path(path).resolve() for path in sys.path if path}
    assert ROOT not in outside, "run pytest with `python -P -m pytest`, or as plain `pytest`"
    assert "" not in sys.path
    assert closurax.__version__ == PYPROJECT["project"]["version"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from the source distribution of a clean copy of the tree."""
    # A copy, because setuptools reuses what older builds left in build/.
    copy = tmp_path_factory.mktemp("source")
    for path in source_files().values():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name in ["pyproject.toml", "README.md", "LICENSE"]:
        shutil.copyfile(ROOT / name, copy / name)
    out = tmp_path_factory.mktemp("dist")
    # Without isolation, so that the build needs no network.
    result = subprocess.run(
        [sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", out, copy],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = out.glob("*.whl")
    assert len(list(out.glob("*.tar.gz"))) == 1
    return built


@pytest.fixture(scope="module")
def fresh_python(wheel, tmp_path_factory) -> Path:
    """The interpreter of a new environment that holds the wheel and nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    scripts = sysconfig.get_path(
        "scripts", "venv", vars={"base": str(environment), "platbase": str(environment)}
    )
    python = Path(scripts) / Path(sys.executable).name
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel],
        check=True,
    )
    return python


def run_python(python: Path, code: str, cwd: Path) -> object:
    """What the code prints as JSON. `-I` keeps cwd and PYTHONPATH out of sys.path."""
    result = subprocess.run(
        [python, "-I", "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.slow
def test_wheel_holds_exactly_the_source_files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        for name, file in source_files().items():
            if name in packed:
                assert archive.read(name) == file.read_bytes(), f"{name} differs"
    assert packed == set(source_files())
    assert "closurax/py.typed" in packed
    assert any(PurePosixPath(name).match("closurax/experiments/*.toml") for name in packed)
    assert any(PurePosixPath(name).match("closurax/datasets/data/*.nc") for name in packed)


@pytest.mark.slow
def test_wheel_puts_only_closurax_at_the_top_level(wheel, fresh_python, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
    version = PYPROJECT["project"]["version"]
    assert top == {"closurax", f"closurax-{version}.dist-info"}

    code = (
        "import importlib.util, json\n"
        f"names = {[*ROOMS, 'closurax']}\n"
        "print(json.dumps([name for name in names if importlib.util.find_spec(name)]))"
    )
    assert run_python(fresh_python, code, cwd=tmp_path) == ["closurax"]
    # Neither with the repository as the current folder.
    assert run_python(fresh_python, code, cwd=ROOT) == ["closurax"]


@pytest.mark.slow
def test_every_module_of_the_wheel_imports(wheel, fresh_python, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        modules = sorted(
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for name in archive.namelist()
            if name.endswith(".py")
        )
    assert set(SETUPTOOLS["packages"]) <= set(modules)
    # The dependencies come from this environment, behind the fresh one on sys.path. It may hold
    # a closurax too, so each module has to prove that it comes from the fresh environment.
    behind = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    code = (
        "import importlib, importlib.metadata, json, sys\n"
        f"sys.path += {behind}\n"
        f"files = {{m: importlib.import_module(m).__file__ for m in {modules}}}\n"
        "files['version'] = importlib.metadata.version('closurax')\n"
        "files['leaked'] = [m for m in sys.modules if m.split('.')[0] in "
        f"{ROOMS}]\n"
        "print(json.dumps(files))"
    )
    files = run_python(fresh_python, code, cwd=tmp_path)
    assert files.pop("version") == PYPROJECT["project"]["version"]
    assert files.pop("leaked") == []
    environment = fresh_python.parents[1].resolve()
    for module, file in files.items():
        assert Path(file).resolve().is_relative_to(environment), f"{module} came from {file}"
