"""The Gaussians that a search tried on its way, in files of a run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import xarray as xr

from closurax.surrogates.training import GaussianEvolution, GaussianFit

from ..workspace import Workspace

Step = TypeVar("Step", GaussianFit, GaussianEvolution)

_SHOWN = 4


def write_search(
    workspace: Workspace,
    steps: Sequence[Step],
    write: Callable[[Path, Step, Mapping[str, float]], None],
) -> None:
    """Writes a file of each step, in order, with its overlap and its residual."""
    folder = workspace.path("search/00.nc").parent
    for old in folder.glob("*.nc"):
        old.unlink()
    for index, step in enumerate(steps):
        write(folder / f"{index:02}.nc", step, {"overlap": step.overlap, "residual": step.residual})


def read_search(workspace: Workspace) -> dict[str, xr.Dataset]:
    """A few of the steps by what distinguishes them, from the first to the last."""
    paths = sorted(workspace.folder.glob("search/*.nc"))
    chosen = np.unique(np.linspace(0, len(paths) - 1, _SHOWN).round().astype(int))
    found = {}
    for step in chosen:
        gaussians = xr.load_dataset(paths[step], engine="netcdf4")
        title = f"{step + 1}. {gaussians.sizes['gaussian']} Gaussians, "
        title += f"overlap {gaussians.attrs['overlap']:g}, "
        found[f"{title}residual {gaussians.attrs['residual']:.1e}"] = gaussians
    return found
