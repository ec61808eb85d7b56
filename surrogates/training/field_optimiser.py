from abc import abstractmethod
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from closurax.physics.errors import ClosuraxError

from ..fields.field import AbstractField
from .collocation import AbstractCollocation, Collocation

State = TypeVar("State")


class Equations(eqx.Module):
    """What the parameters of a field are to satisfy."""

    collocation: AbstractCollocation
    frozen: PyTree
    """The field without its parameters."""

    def field(self, parameters: PyTree) -> AbstractField:
        """The whole field."""
        return eqx.combine(parameters, self.frozen)

    def loss(self, parameters: PyTree) -> Float[Array, ""]:
        """See `AbstractCollocation.loss`."""
        return self.collocation.loss(self.field(parameters))

    def with_rows(self) -> Collocation:
        """The collocation, if its residuals can be differentiated one by one.

        Raises `ClosuraxError` for one of another kind.
        """
        if not isinstance(self.collocation, Collocation):
            raise ClosuraxError(
                "This optimiser takes a Collocation, whose points have rows of their own, not a "
                f"{type(self.collocation).__name__}."
            )
        return self.collocation


class AbstractFieldOptimiser(eqx.Module, Generic[State]):
    """One step after the other, each of them compiled, towards smaller residuals."""

    @abstractmethod
    def init(self, parameters: PyTree, equations: Equations) -> State:
        """The state before the first step."""

    @abstractmethod
    def step(
        self, parameters: PyTree, state: State, equations: Equations
    ) -> tuple[PyTree, State, Float[Array, ""]]:
        """The parameters after a step, the state, and the loss of the parameters before it."""

    @abstractmethod
    def renewed(self, state: State, parameters: PyTree, equations: Equations) -> State:
        """The state for other points than those of the step before."""
