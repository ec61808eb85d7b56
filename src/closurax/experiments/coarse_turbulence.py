"""The low-resolution simulations in which closures are trained and judged."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from closurax import datasets
from closurax.physics import AbstractScheme, solvers
from closurax.physics.errors import DataError
from closurax.physics.spectral import SpectralGrid, coarsen
from closurax.physics.turbulence import BarotropicVorticity

from .closure_training_settings import Check, CoarseModel, Target


def coarse_model(settings: CoarseModel) -> BarotropicVorticity:
    """The model of the case, without a closure."""
    return datasets.case_flow(settings.case, SpectralGrid(settings.grid_points))


def run_options(settings: CoarseModel) -> dict[str, Any]:
    """How it is stepped: what `run` and `trajectory` take."""
    return {
        "dt": settings.time_step,
        "solver": getattr(solvers, settings.solver)(),
        "schemes_called": settings.closure_called,
    }


def target_snapshots(settings: Target, grid: SpectralGrid) -> Float[np.ndarray, "time nx ny"]:
    """Vorticity in s-1 of the snapshots that the training sees, truncated to the grid.

    Raises `DataError` if there are too few, or if they are on a coarser grid.
    """
    if settings.pairs:
        pairs = datasets.open_pairs(settings.pairs)
    else:
        pairs = datasets.training_pairs()
    vorticity = pairs["vorticity"].values
    if len(vorticity) < settings.snapshots:
        raise DataError(
            f"target.snapshots = {settings.snapshots}, but {settings.pairs or 'the shipped file'} "
            f"holds {len(vorticity)} fields."
        )
    fine = SpectralGrid(vorticity.shape[-1])
    if fine.last_shell < grid.last_shell:
        raise DataError(
            f"The training fields have {fine.nx} points, which resolve fewer wavenumbers than "
            f"model.grid_points = {grid.nx}; make pairs of that size with `turbulence-dns`."
        )
    chosen = np.linspace(0, len(vorticity) - 1, settings.snapshots).round().astype(int)
    return np.stack([np.asarray(coarsen(jnp.asarray(vorticity[i]), fine, grid)) for i in chosen])


def start_states(
    case: xr.Dataset, model: BarotropicVorticity, members: int
) -> Float[jax.Array, "member 2 nx nk"]:
    """States of the model from the snapshots of a case, as far apart as they can be."""
    snapshots = case["vorticity"].values
    chosen = np.linspace(0, len(snapshots) - 1, members).round().astype(int)
    coarse = SpectralGrid(snapshots.shape[-1])
    return model.initial_state(
        jnp.stack([coarsen(jnp.asarray(snapshots[i]), coarse, model.grid) for i in chosen])
    )


def free_run(
    model: BarotropicVorticity,
    closure: AbstractScheme | None,
    start: Float[jax.Array, "member 2 nx nk"],
    settings: CoarseModel,
    check: Check,
    attrs: dict[str, Any],
) -> xr.Dataset:
    """The run that a closure is judged by, from the end of the spin-up on, and what it costs.

    The attribute `seconds_per_time_unit` is the wall time for a simulated second of one member,
    after the compilation; `blow_ups` counts the members that became non-finite.
    """
    model = model.replace(subgrid=closure)
    options = {**run_options(settings), "save_every": check.save_every, "throw": False}
    duration = check.spin_up + check.duration
    model.run(start, check.save_every, progress=False, **options)
    begin = time.perf_counter()
    run = model.run(start, duration, **options)
    seconds = time.perf_counter() - begin
    simulated = float(run["time"][-1] - run["time"][0]) * start.shape[0]
    attrs = {
        **run.attrs,
        **attrs,
        "seconds_per_time_unit": seconds / max(simulated, check.save_every),
        "blow_ups": int(np.isfinite(run["blow_up_time"].values).sum()),
    }
    saves = round(duration / check.save_every)
    times = check.save_every * np.arange(saves + 1)
    # A run ends when its last member is lost; from there on it counts as NaN.
    run = run.reindex(time=times, method="nearest", tolerance=check.save_every / 2)
    return run.sel(time=slice(check.spin_up - 1e-9, None)).assign_attrs(attrs)
