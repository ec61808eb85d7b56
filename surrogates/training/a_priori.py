from collections.abc import Mapping
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from closurax.physics import AbstractScheme
from closurax.physics.spectral import SpectralGrid, from_real_view
from closurax.physics.turbulence import BarotropicVorticity

from .resolved_tendency import resolved_tendency


def a_priori_scores(
    scheme: AbstractScheme, pairs: xr.Dataset | Mapping[str, np.ndarray], grid: SpectralGrid
) -> xr.Dataset:
    r"""Compares a subgrid scheme with the exact subgrid tendency $\Pi$, field by field.

    **Arguments:**

    - `scheme`: for the slot `subgrid` of `BarotropicVorticity`, learned or physical.
    - `pairs`: `vorticity` in s-1 and `subgrid_tendency` in s-2, each `(sample, nx, ny)`.
    - `grid`: of the fields. Only its resolved wavenumbers count.

    **Returns:**

    Over `sample`: `r2`, `correlation` (NaN where the scheme returns zero), `relative_rmse`,
    and the transfers $\langle \omega \Pi \rangle$ of enstrophy (s-3) and
    $-\langle \psi \Pi \rangle$ of energy (m2 s-3) of the scheme and, with the prefix `exact_`,
    of the data; positive transfers feed the resolved scales. `enstrophy_transfer_error` and
    `energy_transfer_error` are the relative errors of the means over all samples.
    """
    compute = eqx.filter_jit(
        lambda scheme, pairs: jax.lax.map(lambda p: _fields(scheme, p[0], p[1], grid), pairs)
    )
    exact_pairs = tuple(
        jnp.asarray(np.asarray(pairs[name])) for name in ("vorticity", "subgrid_tendency")
    )
    fields = compute(scheme, exact_pairs)
    vorticity, streamfunction, predicted, exact = (np.asarray(f, float) for f in fields)
    mean = partial(np.mean, axis=(1, 2))
    error, exact_variance = mean((predicted - exact) ** 2), mean(exact**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = mean(predicted * exact) / np.sqrt(mean(predicted**2) * exact_variance)
    transfers = {
        "enstrophy_transfer": mean(vorticity * predicted),
        "exact_enstrophy_transfer": mean(vorticity * exact),
        "energy_transfer": -mean(streamfunction * predicted),
        "exact_energy_transfer": -mean(streamfunction * exact),
    }
    scores = {
        "r2": 1 - error / exact_variance,
        "correlation": correlation,
        "relative_rmse": np.sqrt(error / exact_variance),
        **transfers,
    }
    units = {"enstrophy_transfer": "s-3", "energy_transfer": "m2 s-3"}
    data: dict[str, Any] = {
        name: ("sample", value, {"units": units.get(name.removeprefix("exact_"), "1")})
        for name, value in scores.items()
    }
    for name in ("enstrophy_transfer", "energy_transfer"):
        exact_mean = transfers[f"exact_{name}"].mean()
        relative = (transfers[name].mean() - exact_mean) / abs(exact_mean)
        data[f"{name}_error"] = ((), relative, {"units": "1"})
    return xr.Dataset(data)


def _fields(scheme, vorticity, target, grid):
    """Vorticity, stream function, predicted and exact tendency, all on resolved wavenumbers."""
    model = BarotropicVorticity(grid)
    state, exact = model.initial_state(vorticity), model.initial_state(target)
    streamfunction = grid.to_physical(grid.inverse_laplacian(from_real_view(state)))
    predicted = model.vorticity(resolved_tendency(scheme, vorticity, grid))
    return model.vorticity(state), streamfunction, predicted, model.vorticity(exact)
