from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, PyTree

from ..errors import SchemeMismatchError
from ..scheme import AbstractScheme, Quantity
from .union import union


class Sum(AbstractScheme):
    """Two schemes side by side: the tendencies add up, each keeps its own memory.

    Raises `SchemeMismatchError` at construction unless both return the same quantities.
    """

    first: AbstractScheme
    second: AbstractScheme

    def __check_init__(self):
        union(self.first.reads, self.second.reads, "Sum")
        if set(self.first.returns) != set(self.second.returns):
            raise SchemeMismatchError(
                f"Sum of {type(self.first).__name__}, which returns "
                f"{[tuple(q) for q in self.first.returns]}, and {type(self.second).__name__}, "
                f"which returns {[tuple(q) for q in self.second.returns]}: both must return "
                "the same quantities."
            )

    @property
    def reads(self) -> tuple[Quantity, ...]:
        return union(self.first.reads, self.second.reads, "Sum")

    @property
    def returns(self) -> tuple[Quantity, ...]:
        return self.first.returns

    def initial_carry(self, inputs: Mapping[str, Any]) -> tuple[PyTree, PyTree]:
        return self.first.initial_carry(inputs), self.second.initial_carry(inputs)

    def __call__(
        self, inputs: Mapping[str, Any], carry: tuple[PyTree, PyTree]
    ) -> tuple[dict[str, Array], tuple[PyTree, PyTree]]:
        first, first_carry = self.first(inputs, carry[0])
        second, second_carry = self.second(inputs, carry[1])
        return {name: first[name] + second[name] for name in first}, (first_carry, second_carry)
