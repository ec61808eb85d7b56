from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Complex, Float

from closurax.physics.closures import AbstractSpectralClosure
from closurax.physics.spectral import SpectralGrid

from .agent_lattice import AgentLattice
from .coefficient_forms import AbstractCoefficientForm, LeithForm
from .convolutional_policy import ConvolutionalPolicy
from .local_invariants import LocalInvariants

Policy = Callable[[Float[Array, " observation"]], Float[Array, " action"]] | ConvolutionalPolicy


class AgentClosure(AbstractSpectralClosure):
    """Agents on a lattice that choose the coefficients of an eddy viscosity around them.

    All agents share one policy. Each maps what it sees to one action for each coefficient of the
    form; between the agents the coefficients follow a bi-quadratic spline. The scheme of Mojgani
    et al. 2023, arXiv 2312.00907, is the one with the default `form`, `observation` and `lattice`.
    """

    policy: Policy
    """Maps what one agent sees, `(observation,)`, to its `(action,)` in [-1, 1]; or a
    `ConvolutionalPolicy`, which also sees what the agents around it see. It computes in the
    precision of its arrays, whatever that of the flow."""
    form: AbstractCoefficientForm = LeithForm()
    observation: LocalInvariants = LocalInvariants()
    lattice: AgentLattice = AgentLattice()

    def actions(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Float[Array, "agents_x agents_y action"]:
        """What the agents do, in [-1, 1]."""
        seen = self.observation(grid, vorticity_hat, self.lattice)
        seen = seen.astype(_precision(self.policy, seen.dtype))
        if isinstance(self.policy, ConvolutionalPolicy):
            return self.policy(seen)
        return jax.vmap(jax.vmap(self.policy))(seen)

    def coefficients(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Float[Array, "channel nx ny"]:
        """The coefficients of the form on the grid."""
        actions = self.actions(grid, vorticity_hat).astype(vorticity_hat.real.dtype)
        at_agents = self.form.coefficients(jnp.moveaxis(actions, -1, 0))
        return self.lattice.interpolate(grid, at_agents)

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        """Raises `GridMismatchError` if observation or lattice do not fit the grid."""
        coefficients = self.coefficients(grid, vorticity_hat)
        return self.form.vorticity_tendency(grid, vorticity_hat, coefficients)


def _precision(policy: Policy, default: Any) -> Any:
    arrays = [leaf for leaf in jtu.tree_leaves(policy) if eqx.is_inexact_array(leaf)]
    return arrays[0].dtype if arrays else default
