from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, PyTree

from ..scheme import AbstractScheme, Quantity
from .union import union


class AbstractWrapper(AbstractScheme):
    """A scheme that adjusts the tendencies of another and passes its memory through.

    Subclasses write `adjust`, and `needs` if it reads more than the wrapped scheme does.
    """

    scheme: eqx.AbstractVar[AbstractScheme]

    @property
    @abstractmethod
    def needs(self) -> tuple[Quantity, ...]:
        """What `adjust` reads of the inputs."""

    @abstractmethod
    def adjust(self, tendencies: dict[str, Array], inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The tendencies to return in place of those of the wrapped scheme."""

    @property
    def reads(self) -> tuple[Quantity, ...]:
        return union(self.scheme.reads, self.needs, type(self).__name__)

    @property
    def returns(self) -> tuple[Quantity, ...]:
        return self.scheme.returns

    def initial_carry(self, inputs: Mapping[str, Any]) -> PyTree:
        return self.scheme.initial_carry(inputs)

    def __call__(self, inputs: Mapping[str, Any], carry: PyTree) -> tuple[dict[str, Array], PyTree]:
        tendencies, carry = self.scheme(inputs, carry)
        return self.adjust(tendencies, inputs), carry
