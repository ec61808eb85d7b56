"""What a scheme is: a map from what a simulation knows here and now to tendencies."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array, PyTree

from .errors import SchemeMismatchError


class Quantity(NamedTuple):
    """A named field with its units, as a scheme reads or returns it."""

    name: str
    units: str


class Slot(NamedTuple):
    """A place in a model that a scheme fills.

    The model computes of `provides` only what the scheme reads; the scheme returns any
    non-empty subset of `accepts`.
    """

    provides: tuple[Quantity, ...]
    accepts: tuple[Quantity, ...]

    def check(self, slot_name: str, scheme: "AbstractScheme") -> None:
        """Raises `SchemeMismatchError` unless `scheme` reads and returns what this slot knows."""
        for verb, wanted, known in (
            ("reads", scheme.reads, self.provides),
            ("returns", scheme.returns, self.accepts),
        ):
            units = dict(known)
            for quantity in wanted:
                who = f"{type(scheme).__name__} in slot {slot_name!r} {verb} {quantity.name!r}"
                if quantity.name not in units:
                    raise SchemeMismatchError(
                        f"{who}, which this model does not know; it knows {sorted(units)}."
                    )
                if quantity.units != units[quantity.name]:
                    raise SchemeMismatchError(
                        f"{who} in {quantity.units!r}, but this model has it in "
                        f"{units[quantity.name]!r}; convert inside the scheme."
                    )
        if not scheme.returns:
            raise SchemeMismatchError(
                f"{type(scheme).__name__} in slot {slot_name!r} returns nothing; "
                f"it may return any of {[q.name for q in self.accepts]}."
            )


class AbstractScheme(eqx.Module):
    """A physical or learned parameterization; both kinds have this signature.

    `tendencies, carry = scheme(inputs, carry)`, where

    - `inputs` maps the names in `reads` to arrays without a batch axis, and `"grid"` to the
      model's grid;
    - `tendencies` maps the names in `returns` to arrays;
    - `carry` is the scheme's memory, a pytree of arrays, or `None` for a memoryless scheme.
    """

    @property
    @abstractmethod
    def reads(self) -> tuple[Quantity, ...]:
        """What the scheme needs to know."""

    @property
    @abstractmethod
    def returns(self) -> tuple[Quantity, ...]:
        """Which tendencies the scheme returns."""

    @abstractmethod
    def initial_carry(self, inputs: Mapping[str, Any]) -> PyTree:
        """The memory before the first call, or `None`."""

    @abstractmethod
    def __call__(self, inputs: Mapping[str, Any], carry: PyTree) -> tuple[dict[str, Array], PyTree]:
        """Returns the tendencies and the new memory."""


class AbstractMemorylessScheme(AbstractScheme):
    """A scheme that is a pure function of the resolved state; subclasses write `tendencies`."""

    @abstractmethod
    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """Maps the fields named in `reads` to the tendencies named in `returns`."""

    def initial_carry(self, inputs: Mapping[str, Any]) -> None:
        return None

    def __call__(self, inputs: Mapping[str, Any], carry: None) -> tuple[dict[str, Array], None]:
        return self.tendencies(inputs), None
