"""The command line: what it prints, where, and the exit status."""

import subprocess
import sys

import pytest

import closurax
from closurax import doctor
from closurax.cli import main
from closurax.config import shipped_text
from closurax.experiments import EXPERIMENTS
from closurax.physics.errors import ExperimentError
from closurax.run import output_folder


def test_list_shows_every_experiment_with_its_duration(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)
    assert all(" min  " in line and len(line) < 120 for line in lines)


def test_show_prints_the_settings_to_copy(capsys):
    assert main(["show", "subgrid-turbulence"]) == 0
    assert capsys.readouterr().out == shipped_text("subgrid-turbulence")


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"closurax {closurax.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run"], ["run", "a", "b"], ["list", "--out"]])
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: closurax" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["run", "nothing"], "'nothing'"),
        (["show", "nothing"], "'nothing'"),
        (["run", "subgrid-turbulence", "--set", "training.epoch=3"], "training.epochs"),
        (["run", "subgrid-turbulence", "--set", "model.solver=RK4"], "'ETDRK4'"),
        (["run", "subgrid-turbulence", "--set", "seed"], "key=value"),
        (["run", "subgrid-turbulence", "--set", "data.dns=missing.nc"], "missing.nc"),
    ],
)
def test_errors_are_one_line_and_exit_with_1(arguments, part, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("closurax: error: ")
    assert error.count("\n") == 1
    assert part in error


def test_invalid_settings_leave_no_trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "subgrid-turbulence", "--set", "training.epochs=0"]) == 1
    assert list(tmp_path.iterdir()) == []


def test_bars_that_go_to_a_file_are_drawn_every_ten_seconds(tmp_path):
    command = [sys.executable, "-P", "-c", _A_BAR_AFTER_A_REFUSED_RUN]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    # The first and the last; on a terminal it is one for each step and more.
    assert "5/5" in ended.stderr and ended.stderr.count("\r") <= 2


_A_BAR_AFTER_A_REFUSED_RUN = """
import time
from closurax.cli import main
assert main(["run", "nothing"]) == 1
from tqdm import tqdm
for _ in tqdm(range(5)):
    time.sleep(0.2)
"""


@pytest.mark.parametrize("before", [True, False])
def test_debug_shows_the_traceback(before):
    arguments = ["show", "nothing"]
    arguments = ["--debug", *arguments] if before else [*arguments, "--debug"]
    with pytest.raises(ExperimentError):
        main(arguments)


def test_starting_does_not_import_jax():
    code = (
        "import sys; from closurax.cli import main; main(['list']); "
        "sys.exit('jax' in sys.modules or 'matplotlib' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_doctor_finds_everything_well(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for name in ("python", *doctor.PACKAGES, "devices", "memory", "disk", "computation"):
        assert f"\n{name} " in f"\n{out}"
    assert "float32" in out
    assert out.endswith("Everything works.\n")


def test_doctor_names_the_remedy_for_what_is_broken(capsys, monkeypatch):
    def missing(name):
        raise doctor.PackageNotFoundError(name)

    def crash():
        raise RuntimeError("no\ndevice")

    monkeypatch.setattr(doctor, "version", missing)
    monkeypatch.setattr(doctor, "_devices", crash)
    assert main(["doctor"]) == 1
    captured = capsys.readouterr()
    assert "Everything works" not in captured.out
    errors = captured.err.splitlines()
    assert len(errors) == len(doctor.PACKAGES) + 1
    assert "pip install jax" in captured.err
    assert "no device" in errors[-1]


def test_output_folders_are_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def used(folder):
        folder.mkdir(parents=True)
        (folder / "config.toml").touch()

    first = output_folder("some.toml", None, False)
    assert str(first) == "runs/some"
    assert output_folder("some", None, True) == first
    used(first)
    second = output_folder("some", None, False)
    assert second != first
    assert output_folder("some", None, True) == first
    used(second)
    assert output_folder("some", None, True) == second
    with pytest.raises(ExperimentError, match="--resume"):
        output_folder("some", second, False)
    assert output_folder("some", second, True) == second
    (tmp_path / "file").touch()
    with pytest.raises(ExperimentError, match="is a file"):
        output_folder("some", tmp_path / "file", False)
