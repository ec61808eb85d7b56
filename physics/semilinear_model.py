from abc import abstractmethod
from collections.abc import Callable
from typing import Self

import diffrax
import jax.numpy as jnp
import xarray as xr

from .model import AbstractModel
from .solvers.diagonal_linear_term import Diagonal, DiagonalLinearTerm
from .solvers.etdrk4 import ETDRK4


class AbstractSemilinearModel(AbstractModel):
    """A model whose state is one array, with a linear part that is diagonal and an explicit rest.

    Spectral models are of this kind: their stiff terms are diagonal in spectral space.
    """

    @abstractmethod
    def linear_operator(self, dtype) -> Diagonal:
        """The diagonal of the linear part, in s-1."""

    @property
    def default_solver(self) -> diffrax.AbstractSolver:
        return ETDRK4()

    @property
    def adjustment(self) -> None:
        return None

    def with_time_step(self, dt: float) -> Self:
        return self

    def diffrax_terms(self, explicit: Callable, dtype) -> diffrax.MultiTerm:
        linear = self.linear_operator(jnp.zeros((), dtype).dtype)
        return diffrax.MultiTerm(diffrax.ODETerm(explicit), DiagonalLinearTerm(linear))

    def derived_outputs(self, dataset: xr.Dataset) -> xr.Dataset:
        return dataset
