"""Where the energy and the enstrophy of a flow come from and where they go."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from ..spectral.real_view import from_real_view
from ..turbulence.advection import vorticity_advection
from ..turbulence.barotropic import BarotropicVorticity
from .spectra import shell_sum, weighted
from .transfer import enstrophy_rates

Budget = dict[str, Float[Array, ""]]


def enstrophy_budget(
    model: BarotropicVorticity, state: Float[Array, "2 nx nk"], args=None
) -> Budget:
    r"""The rates in s-3 at which a flow's terms change $\langle \omega^2 \rangle / 2$.

    Keys:

    - `advection`: zero but for rounding;
    - `forcing`, `viscosity`, `hyperviscosity`, `drag`: the terms of `BarotropicVorticity`;
    - `subgrid`: all schemes together, those with memory at their first call;
    - `subgrid_backscatter`: what the schemes give to the shells that they feed, a part of
        `subgrid`;
    - `total`: the sum of all but the backscatter, which is the rate of change. The beta effect
        has no part in it.
    """
    return _budget(model, state, args, partial(enstrophy_rates, grid=model.grid))


def energy_budget(model: BarotropicVorticity, state: Float[Array, "2 nx nk"], args=None) -> Budget:
    r"""The rates in m2 s-3 at which a flow's terms change $\langle |\mathbf{u}|^2 \rangle / 2$.

    The keys are those of `enstrophy_budget`.
    """

    def energy_rates(vorticity_hat, tendency_hat):
        rates = enstrophy_rates(vorticity_hat, tendency_hat, model.grid)
        return weighted(model.grid.inverse_k_squared, rates)

    return _budget(model, state, args, energy_rates)


def _budget(
    model: BarotropicVorticity,
    state: Float[Array, "2 nx nk"],
    args,
    rates: Callable[[Complex[Array, "nx nk"], Complex[Array, "nx nk"]], Float[Array, "nx nk"]],
) -> Budget:
    grid = model.grid
    vorticity_hat = from_real_view(state)
    hyperviscous = -(grid.k_squared**model.hyperviscosity_order)
    no_tendency = jnp.zeros_like(vorticity_hat)
    forcing_hat = no_tendency if model.forcing is None else model.forcing(grid, state.dtype)
    subgrid, _ = model.call_schemes(0.0, state, model.initial_memory(state, args), args)
    subgrid_rates = rates(vorticity_hat, from_real_view(subgrid))

    budget = {
        "advection": jnp.sum(rates(vorticity_hat, vorticity_advection(grid, vorticity_hat))),
        "forcing": jnp.sum(rates(vorticity_hat, forcing_hat)),
        "viscosity": model.viscosity * jnp.sum(rates(vorticity_hat, grid.laplacian(vorticity_hat))),
        "hyperviscosity": model.hyperviscosity
        * jnp.sum(rates(vorticity_hat, grid.multiply(hyperviscous, vorticity_hat))),
        "drag": -model.drag * jnp.sum(rates(vorticity_hat, vorticity_hat)),
        "subgrid": jnp.sum(subgrid_rates),
    }
    total = jnp.sum(jnp.stack(list(budget.values())))
    backscatter = jnp.sum(jnp.maximum(shell_sum(subgrid_rates, grid), 0))
    return {**budget, "subgrid_backscatter": backscatter, "total": total}
