"""Closures that are fitted to exact subgrid terms on the grid of a comparison."""

import time
from typing import Any

from closurax import datasets, surrogates
from closurax.physics import AbstractScheme
from closurax.physics.spectral import SpectralGrid

from ..config import read_experiment
from ..workspace import Stage, Workspace
from .parameter_count import parameter_count
from .subgrid_turbulence import LEARNED, TurbulenceStages
from .turbulence_compare_settings import TurbulenceCompare

Fitted = tuple[AbstractScheme, dict[str, Any]]


def linear_closure(settings: TurbulenceCompare, workspace: Workspace) -> Fitted:
    """The best linear closure of the training pairs."""
    begin = time.perf_counter()
    grid = SpectralGrid(settings.model.grid_points)
    pairs = datasets.coarser_pairs(_pairs(settings), grid)
    closure = surrogates.SpectralEddyViscosity.fit(
        pairs["vorticity"].values, pairs["subgrid_tendency"].values, grid
    )
    seconds = time.perf_counter() - begin
    return closure, {"parameters": parameter_count(closure), "seconds": seconds}


def offline_closure(settings: TurbulenceCompare, workspace: Workspace) -> Fitted:
    """The learned closure of the experiment `subgrid-turbulence`, on this grid."""
    grid = SpectralGrid(settings.model.grid_points)
    pairs = workspace.path("closures/offline/pairs.nc")
    datasets.write_pairs(datasets.coarser_pairs(_pairs(settings), grid), pairs)
    chosen: Any = read_experiment(
        "subgrid-turbulence",
        {
            "seed": settings.seed,
            "data.pairs": str(pairs),
            "model.grid_points": grid.nx,
            "comparison.judged_wavenumbers": [1, grid.last_shell],
        },
    )
    folder = workspace.path("closures/offline")
    stages = TurbulenceStages(chosen, Workspace(folder, resume=workspace.resume, stages=1))
    training = stages.train(Stage({}, "pairs of a comparison"))
    closure = surrogates.load(folder / LEARNED["learned"])
    return closure, {
        "parameters": training.results["parameters"],
        "seconds": training.results["seconds"],
    }


def _pairs(settings: TurbulenceCompare):
    if settings.target.pairs:
        return datasets.open_pairs(settings.target.pairs)
    return datasets.training_pairs()
