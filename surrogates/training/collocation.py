import itertools
import operator
from abc import abstractmethod
from collections.abc import Callable
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem
from closurax.physics.problems.problem import PointResidual
from closurax.physics.problems.sampling import face_points, interior_points

from ..fields.at_points import at_points
from ..fields.field import AbstractField
from ..fields.linear_field import LinearField

# Equations inside for each weight; on a face so many times the points that a layer of it has.
_ROWS_PER_WEIGHT, _FACE_ROWS = 2, 4
_NOT_EXCEEDED = 0.9
# What bounds the memory: 256 MB in double precision.
_NUMBERS_HELD, _LARGEST_CHUNK = 2**25, 512


class AbstractCollocation(eqx.Module):
    """The points at which a field is to satisfy a problem, inside and on each face.

    The residuals of a block of points, all of the inside or of a face, are divided by `scales`.
    """

    problem: eqx.AbstractVar[AbstractProblem]
    scales: eqx.AbstractVar[Float[Array, " blocks"]]

    @abstractmethod
    def loss(self, field: AbstractField) -> Float[Array, ""]:
        """The sum over the blocks of the mean squares of their residuals."""

    @abstractmethod
    def redrawn(self, key: Key[Array, ""]) -> Self:
        """As many other points, uniformly random."""

    def weighted(self, interior: float = 1.0, faces: float = 1.0) -> Self:
        """With these factors of the mean squares in the loss, and no other scales.

        **Arguments:**

        - `interior`: of the equation.
        - `faces`: of each condition.

        Raises `ClosuraxError` for factors that are not positive.
        """
        if interior <= 0 or faces <= 0:
            raise ClosuraxError(
                f"`interior` = {interior} and `faces` = {faces} must be positive; see "
                "`WithoutConditions` for a problem without some of its conditions."
            )
        scales = jnp.full_like(self.scales, faces**-0.5).at[0].set(interior**-0.5)
        return eqx.tree_at(lambda collocation: collocation.scales, self, scales)


class Collocation(AbstractCollocation):
    """Any points, each by itself."""

    problem: AbstractProblem
    interior: Float[Array, "points dims"]
    faces: tuple[Float[Array, "_ dims"], ...]
    scales: Float[Array, " blocks"]

    @classmethod
    def random(
        cls, problem: AbstractProblem, interior: int, face: int, key: Key[Array, ""]
    ) -> "Collocation":
        """Uniformly random points.

        **Arguments:**

        - `interior`, `face`: how many points inside, and on each face with a condition.

        Raises `ClosuraxError` for fewer than one of them.
        """
        if min(interior, face) < 1:
            raise ClosuraxError(
                f"`interior` = {interior} and `face` = {face} points must be at least one each."
            )
        conditions = problem.conditions()
        empty = jnp.zeros((interior, problem.dims))
        faces = tuple(jnp.zeros((face, problem.dims)) for _ in conditions)
        scales = jnp.ones(1 + len(conditions))
        return cls(problem=problem, interior=empty, faces=faces, scales=scales).redrawn(key)

    def redrawn(self, key: Key[Array, ""]) -> "Collocation":
        inside, *keys = jax.random.split(key, 1 + len(self.faces))
        faces = []
        for condition, points, each in zip(
            self.problem.conditions(), self.faces, keys, strict=True
        ):
            end = (self.problem.upper if condition.upper else self.problem.lower)[condition.axis]
            faces.append(self._drawn(points, each).at[:, condition.axis].set(end))
        return Collocation(
            problem=self.problem,
            interior=self._drawn(self.interior, inside),
            faces=tuple(faces),
            scales=self.scales,
        )

    def _drawn(self, points: Array, key: Key[Array, ""]) -> Float[Array, "points dims"]:
        lower, upper = (
            jnp.asarray(ends, points.dtype)[None]
            for ends in (self.problem.lower, self.problem.upper)
        )
        return lower + (upper - lower) * jax.random.uniform(key, points.shape, points.dtype)

    @classmethod
    def quasi_random(
        cls, problem: AbstractProblem, interior: int, face: int, seed: int
    ) -> "Collocation":
        """**Arguments:**

        - `interior`, `face`: how many points inside, and on each face with a condition.
        - `seed`: of the scrambled Halton sequences.
        """
        conditions = problem.conditions()
        faces = [
            face_points(problem, condition, face, seed + 1 + index)
            for index, condition in enumerate(conditions)
        ]
        return cls(
            problem=problem,
            interior=jnp.asarray(interior_points(problem, interior, seed)),
            faces=tuple(jnp.asarray(points) for points in faces),
            scales=jnp.ones(1 + len(conditions)),
        )

    @classmethod
    def for_features(cls, problem: AbstractProblem, count: int, seed: int) -> "Collocation":
        """Points enough to fit the weights of `count` features."""
        interior = _ROWS_PER_WEIGHT * count * len(problem.fields)
        face = int(_FACE_ROWS * count ** ((problem.dims - 1) / problem.dims))
        return cls.quasi_random(problem, interior, face, seed)

    @classmethod
    def held_out(cls, problem: AbstractProblem, seed: int) -> "Collocation":
        """Other points than those of a fit with this seed, to choose between fits by."""
        return cls.quasi_random(problem, 2000, 200, seed + 1000)

    def not_exceeded(self, field: AbstractField) -> float:
        """The size of a residual that nine tenths of them do not exceed.

        A mean square would be that of the few points nearest to the corners.
        """
        return float(jnp.quantile(jnp.abs(self.residuals(field)), _NOT_EXCEEDED))

    @eqx.filter_jit
    def residuals(self, field: AbstractField) -> Float[Array, " rows"]:
        """What is left of the equations, in units of the scales."""
        return jnp.concatenate(self.residuals_by_block(field))

    def loss(self, field: AbstractField) -> Float[Array, ""]:
        blocks = self.residuals_by_block(field)
        return sum((jnp.mean(block**2) for block in blocks), start=jnp.zeros((), blocks[0].dtype))

    def residuals_by_block(self, field: AbstractField) -> list[Float[Array, " _"]]:
        """Those of the inside, and of each face, point by point, in units of the scales."""

        def at(residual):
            return lambda point: residual(point, field.jet(point))

        # Computed again for the gradient, which takes half of the time that keeping it all does.
        values = self._by_block(lambda residual: jax.checkpoint(at(residual)), field)
        return [value.reshape(-1) / scale for value, scale in zip(values, self.scales, strict=True)]

    def jacobian(
        self, parameters: PyTree, frozen: PyTree
    ) -> tuple[Float[Array, "rows parameters"], Float[Array, " rows"]]:
        """The rows whose squares add up to the loss, and their derivatives.

        Each row is differentiated by itself, backward, so that the work is that of one gradient
        of the loss for each equation, and the memory that of the result.

        **Arguments:**

        - `parameters`: the arrays of a field to differentiate by, `None` for the others; columns
            are in the order of `jax.flatten_util.ravel_pytree`.
        - `frozen`: everything else of the field.
        """
        vector, unravel = ravel_pytree(parameters)

        def at(residual):
            def values(vector, point):
                jet = eqx.combine(unravel(vector), frozen).jet(point)
                return residual(point, jet)

            def rows(point):
                value, pull = jax.vjp(lambda vector: values(vector, point), vector)
                return jax.vmap(pull)(jnp.eye(value.size, dtype=value.dtype))[0], value

            return rows

        matrices, found = [], []
        for (rows, value), scale in zip(self._by_block(at, parameters), self.scales, strict=True):
            size = scale * float(np.sqrt(value.size))
            matrices.append(rows.reshape(-1, vector.size) / size)
            found.append(value.reshape(-1) / size)
        return jnp.concatenate(matrices), jnp.concatenate(found)

    @eqx.filter_jit
    def linearised(
        self, field: LinearField
    ) -> tuple[Float[Array, "rows weights"], Float[Array, " rows"]]:
        """The derivatives of the residuals with respect to the weights, and the residuals."""

        def at(residual):
            return lambda point: _row(residual, field, point)

        matrices, values = [], []
        for (rows, value), scale in zip(self._by_block(at, field), self.scales, strict=True):
            matrices.append(rows.reshape(-1, field.weights.size) / scale)
            values.append(value.reshape(-1) / scale)
        return jnp.concatenate(matrices), jnp.concatenate(values)

    def balanced(self, field: LinearField, face_weight: float = 3.0) -> "Collocation":
        """With the scales at which the rows of `linearised` have the same root mean square.

        **Arguments:**

        - `field`: for which the rows are taken.
        - `face_weight`: by how much those of the faces are larger.
        """
        rows, _ = self.linearised(field)
        squares = np.mean(np.asarray(rows) ** 2, axis=1)
        equations = [
            (len(points), jax.eval_shape(residual, points[0], field.jet(points[0])).size)
            for residual, points in self._blocks()
        ]
        ends = np.cumsum([count * size for count, size in equations])[:-1]
        size = np.asarray([np.sqrt(block.mean()) for block in np.split(squares, ends)])
        # Nothing that the weights could do: a slope along an axis on which nothing depends.
        size[size == 0] = 1
        size[1:] /= face_weight
        scales = self.scales * jnp.asarray(size, self.scales.dtype)
        return eqx.tree_at(lambda collocation: collocation.scales, self, scales)

    def _by_block(self, at: Callable[[PointResidual], Callable], held: PyTree) -> list[PyTree]:
        """A function of a residual, at the points of each block.

        Faces that have one residual go together, so that it is compiled once for all of them.

        **Arguments:**

        - `held`: so many numbers as its arrays have are held for each point of a chunk.
        """
        size = sum(array.size for array in jax.tree.leaves(eqx.filter(held, eqx.is_array)))
        chunk = max(min(_NUMBERS_HELD // max(size, 1), _LARGEST_CHUNK), 1)
        found = []
        for _, group in itertools.groupby(self._blocks(), key=lambda block: id(block[0])):
            residuals, points = zip(*group, strict=True)
            values = at_points(at(residuals[0]), jnp.concatenate(points), chunk)
            ends = itertools.accumulate(map(len, points), initial=0)
            found += [
                jax.tree.map(operator.itemgetter(slice(*each)), values)
                for each in itertools.pairwise(ends)
            ]
        return found

    def _blocks(self) -> list[tuple[PointResidual, Array]]:
        conditions = [condition.residual for condition in self.problem.conditions()]
        points = (self.interior, *self.faces)
        return list(zip([self.problem.residual, *conditions], points, strict=True))


def _row(residual: Callable, field: LinearField, point: Array):
    features, jet = field.features.jet(point), field.jet(point)
    slopes = jax.jacfwd(residual, argnums=1)(point, jet)
    rows = (
        jnp.einsum("ef,n->enf", slopes.value, features.value)
        + jnp.einsum("efd,nd->enf", slopes.gradient, features.gradient)
        + jnp.einsum("efd,nd->enf", slopes.second, features.second)
    )
    return rows, residual(point, jet)
