from jaxtyping import Array, Float

from closurax.physics import AbstractScheme
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity


def resolved_tendency(
    scheme: AbstractScheme, vorticity: Float[Array, "nx ny"], grid: SpectralGrid
) -> Float[Array, "2 nx ny//2+1"]:
    """What a simulation makes of a subgrid scheme: its tendency of the state, in s-2.

    The scheme is called as `BarotropicVorticity` calls it at its first step. The tendency is
    the real view of coefficients truncated to the resolved wavenumbers, without mean: what
    a scheme returns beyond these never enters a simulation.
    """
    model = BarotropicVorticity(grid, forcing=None, schemes={"subgrid": scheme})
    state = model.initial_state(vorticity)
    tendency, _ = model.call_schemes(0.0, state, model.initial_memory(state))
    return tendency
