"""Running an experiment, from Python as from the command line."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run_experiment(
    name_or_file: str | os.PathLike,
    overrides: Mapping[str, Any] | None = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
) -> dict[str, float]:
    """Runs an experiment and returns its metrics; `closurax run` does the same.

    **Arguments:**

    - `name_or_file`: a name that `closurax list` shows, or the path of a TOML file.
    - `overrides`: values by dotted key, such as `{"training.epochs": 3}`.
    - `out`: the folder for everything that the run writes; by default a new one in `runs/`.
    - `resume`: whether to go on with the run in `out` (by default the latest one of this
        experiment): stages that were finished with the same settings are skipped.

    Raises `ExperimentError` before any work if a setting is not allowed, or if `out` holds a
    run already and `resume` is false.
    """
    from .config import read_experiment, to_toml
    from .workspace import Workspace

    experiment = read_experiment(os.fspath(name_or_file), overrides)
    folder = output_folder(name_or_file, out, resume)
    workspace = Workspace(folder, resume=resume, stages=experiment.stages())
    workspace.write_text("config.toml", to_toml(experiment.model_dump()))
    return experiment.run(workspace)


def output_folder(
    name_or_file: str | os.PathLike, out: str | os.PathLike | None, resume: bool
) -> Path:
    """Where a run writes: `out`, or else a new folder, or the latest one to resume, in `runs/`.

    Raises `ExperimentError` if `out` holds a run that is not to be resumed.
    """
    if out is not None:
        folder = Path(out)
        if folder.exists() and not folder.is_dir():
            raise _error(f"{folder} is a file; give a folder for the results.")
        if not resume and (folder / "config.toml").exists():
            raise _error(f"{folder} holds a run already: add --resume, or choose another --out.")
        return folder
    name = Path(name_or_file).stem
    number, folder, latest = 1, Path("runs") / name, None
    while (folder / "config.toml").exists():
        number, latest = number + 1, folder
        folder = Path("runs") / f"{name}-{number}"
    return latest if resume and latest is not None else folder


def _error(message: str) -> Exception:
    # Only now, because the errors live next to jax, which takes a second to import.
    from .physics.errors import ExperimentError

    return ExperimentError(message)
