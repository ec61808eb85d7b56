"""The coefficients of a problem that are to be found, as one vector."""

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem

Problem = TypeVar("Problem", bound=AbstractProblem)


class UnknownCoefficients(NamedTuple):
    """Their values to start from, their names, and how a problem takes others."""

    start: Float[np.ndarray, " coefficients"]
    labels: tuple[str, ...]
    """One for each entry of `start`; those of arrays with their indices."""
    within: Callable[[Any, Array], Any]
    """Maps a problem and a vector to the problem with these coefficients."""

    @classmethod
    def of(cls, problem: AbstractProblem, names: Sequence[str]) -> "UnknownCoefficients":
        """**Arguments:**

        - `names`: attributes of the problem, such as `"diffusivity"`, or of what it holds, such
            as `"state.weights"`; numbers or arrays.

        Raises `ClosuraxError` for a name twice, or one of no number.
        """
        if len(set(names)) < len(names):
            raise ClosuraxError(f"`names` = {list(names)} has a name twice.")
        known = eqx.filter(problem, eqx.is_inexact_array_like)
        starts, labels = [], []
        for name in names:
            try:
                value = operator.attrgetter(name)(known)
            except AttributeError:
                value = None
            if not eqx.is_inexact_array_like(value):
                raise ClosuraxError(
                    f"{type(problem).__name__} has no coefficient {name!r}: give the name of an "
                    "attribute that is a floating-point number or an array of them."
                )
            array = np.asarray(value, np.float64)
            starts.append(array)
            labels += [_label(name, index) for index in np.ndindex(array.shape)]
        ends = np.cumsum([array.size for array in starts])[:-1]
        shapes = [array.shape for array in starts]

        def where(tree: Any) -> list[Any]:
            return [operator.attrgetter(name)(tree) for name in names]

        def within(tree: Any, vector: Array) -> Any:
            parts = jnp.split(vector, ends)
            values = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
            return eqx.tree_at(where, tree, values) if values else tree

        start = np.concatenate([array.ravel() for array in starts]) if starts else np.zeros(0)
        return cls(start, tuple(labels), within)


def _label(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name
