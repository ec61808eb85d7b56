from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, PyTree

from ..scheme import AbstractScheme, Quantity
from .union import union


class Sum(AbstractScheme):
    """Two schemes side by side: the tendencies add up, each keeps its own memory.

    Tendencies that only one of them returns are passed on. Raises `SchemeMismatchError` at
    construction if they use the same quantity in different units.
    """

    first: AbstractScheme
    second: AbstractScheme

    def __check_init__(self):
        union(self.first.reads, self.second.reads, "Sum")
        union(self.first.returns, self.second.returns, "Sum")

    @property
    def reads(self) -> tuple[Quantity, ...]:
        return union(self.first.reads, self.second.reads, "Sum")

    @property
    def returns(self) -> tuple[Quantity, ...]:
        return union(self.first.returns, self.second.returns, "Sum")

    def initial_carry(self, inputs: Mapping[str, Any]) -> tuple[PyTree, PyTree]:
        return self.first.initial_carry(inputs), self.second.initial_carry(inputs)

    def __call__(
        self, inputs: Mapping[str, Any], carry: tuple[PyTree, PyTree]
    ) -> tuple[dict[str, Array], tuple[PyTree, PyTree]]:
        first, first_carry = self.first(inputs, carry[0])
        second, second_carry = self.second(inputs, carry[1])
        total = {**first, **second}
        for name in first.keys() & second.keys():
            total[name] = first[name] + second[name]
        return total, (first_carry, second_carry)
