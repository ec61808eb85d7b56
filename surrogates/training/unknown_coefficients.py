"""The coefficients of a problem that are to be found, as one vector."""

import operator
from collections.abc import Sequence
from typing import TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem

Problem = TypeVar("Problem", bound=AbstractProblem)


def coefficient_values(
    problem: AbstractProblem, names: Sequence[str]
) -> tuple[Float[np.ndarray, " coefficients"], tuple[str, ...]]:
    """The coefficients with these names, one after the other, and the name of each.

    **Arguments:**

    - `names`: attributes of the problem, such as `"diffusivity"`, or of what it holds, such as
        `"state.weights"`; numbers or arrays, whose entries are named with their indices.

    Raises `ClosuraxError` for a name twice, or one of no number.
    """
    if len(set(names)) < len(names):
        raise ClosuraxError(f"`names` = {list(names)} has a name twice.")
    values: list[float] = []
    labels: list[str] = []
    for name in names:
        try:
            value = operator.attrgetter(name)(problem)
        except AttributeError:
            value = None
        if not eqx.is_inexact_array_like(value):
            raise ClosuraxError(
                f"{type(problem).__name__} has no coefficient {name!r}: give the name of an "
                "attribute that is a floating-point number or an array of them."
            )
        array = np.asarray(value, np.float64)
        values += array.ravel().tolist()
        for index in np.ndindex(array.shape):
            labels.append(f"{name}[{', '.join(map(str, index))}]" if index else name)
    return np.asarray(values, np.float64), tuple(labels)


def with_coefficients(
    problem: Problem, names: Sequence[str], vector: Float[Array, " coefficients"]
) -> Problem:
    """The problem with other coefficients, in the order of `coefficient_values`."""
    if not names:
        return problem

    def where(tree):
        return [operator.attrgetter(name)(tree) for name in names]

    shapes = [np.shape(value) for value in where(problem)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    parts = jnp.split(vector, ends)
    values = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    return eqx.tree_at(where, problem, values)
