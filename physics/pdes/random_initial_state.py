"""Random initial states: what a data set of trajectories starts from."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..turbulence.barotropic import BarotropicVorticity
from .periodic_pde import AbstractPeriodicPDE
from .periodic_random_field import PeriodicRandomField
from .shallow_water import ShallowWater


class AbstractInitialState(eqx.Module):
    """A distribution of the initial states of a model."""

    @abstractmethod
    def __call__(self, model: Any, key: Key[Array, ""]) -> Any:
        """The state of `model` that `key` stands for, without a member axis."""


class RandomInitialState(AbstractInitialState):
    """The one field of a model as a random field; `field` is in the units of the model's."""

    field: PeriodicRandomField = PeriodicRandomField()

    def __call__(
        self, model: AbstractPeriodicPDE | BarotropicVorticity, key: Key[Array, ""]
    ) -> Float[Array, "2 *modes"]:
        return model.initial_state(self.field(model.grid, key))


class BalancedInitialState(AbstractInitialState):
    """Shallow water in geostrophic balance with a random elevation, `elevation` in m.

    The Coriolis parameter of the model must not be zero.
    """

    elevation: PeriodicRandomField = PeriodicRandomField()

    def __call__(self, model: ShallowWater, key: Key[Array, ""]) -> Float[Array, "2 3 nx nk"]:
        elevation = self.elevation(model.grid, key)
        velocity = model.geostrophic_velocity(elevation)
        return model.initial_state(jnp.concatenate([velocity, elevation[None]]))
