import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem, Jet

from ..fields.field import AbstractField
from ..fields.separable_field import SeparableField
from .collocation import AbstractCollocation

Axes = tuple[Float[Array, " _"], ...]


class GridCollocation(AbstractCollocation):
    """Points on a grid with uneven axes, for a `SeparableField`.

    Its functions are evaluated on the axes only, so that many points cost little.
    """

    problem: AbstractProblem
    interior: Axes
    faces: tuple[Axes, ...]
    scales: Float[Array, " blocks"]

    @classmethod
    def random(
        cls, problem: AbstractProblem, per_axis: int, key: Key[Array, ""]
    ) -> "GridCollocation":
        """Uniformly random coordinates along each axis.

        **Arguments:**

        - `per_axis`: coordinates of each axis, in the inside and on the faces.

        Raises `ClosuraxError` for fewer than one of them.
        """
        if per_axis < 1:
            raise ClosuraxError(f"`per_axis` = {per_axis}: give at least one coordinate.")
        conditions = problem.conditions()
        inside = tuple(jnp.zeros(per_axis) for _ in range(problem.dims))
        faces = tuple(
            tuple(
                jnp.zeros(1 if axis == condition.axis else per_axis) for axis in range(problem.dims)
            )
            for condition in conditions
        )
        scales = jnp.ones(1 + len(conditions))
        return cls(problem=problem, interior=inside, faces=faces, scales=scales).redrawn(key)

    def redrawn(self, key: Key[Array, ""]) -> "GridCollocation":
        inside, *keys = jax.random.split(key, 1 + len(self.faces))
        faces: list[Axes] = []
        for condition, axes, each in zip(self.problem.conditions(), self.faces, keys, strict=True):
            end = (self.problem.upper if condition.upper else self.problem.lower)[condition.axis]
            drawn = list(self._drawn(axes, each))
            drawn[condition.axis] = jnp.full_like(drawn[condition.axis], end)
            faces.append(tuple(drawn))
        return GridCollocation(
            problem=self.problem,
            interior=self._drawn(self.interior, inside),
            faces=tuple(faces),
            scales=self.scales,
        )

    def loss(self, field: AbstractField) -> Float[Array, ""]:
        """The sum over the blocks of the mean squares of their residuals.

        Raises `ClosuraxError` for a field that is not separable.
        """
        if not isinstance(field, SeparableField):
            raise ClosuraxError(
                f"A grid is for a SeparableField, not a {type(field).__name__}; give it points "
                "with `Collocation`."
            )
        conditions = [condition.residual for condition in self.problem.conditions()]
        residuals = [self.problem.residual, *conditions]
        total = jnp.zeros((), self.scales.dtype)
        for residual, axes, scale in zip(
            residuals, (self.interior, *self.faces), self.scales, strict=True
        ):
            values = jax.vmap(residual)(*_flattened(axes, field.jets_on_axes(axes)))
            total = total + jnp.mean((values / scale) ** 2)
        return total

    def _drawn(self, axes: Axes, key: Key[Array, ""]) -> Axes:
        return tuple(
            jax.random.uniform(each, axis.shape, axis.dtype, low, high)
            for axis, low, high, each in zip(
                axes,
                self.problem.lower,
                self.problem.upper,
                jax.random.split(key, len(axes)),
                strict=True,
            )
        )


def _flattened(axes: Axes, jets: Jet) -> tuple[Float[Array, "points dims"], Jet]:
    points = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    flat = jax.tree.map(lambda leaf: leaf.reshape(len(points), *leaf.shape[len(axes) :]), jets)
    return points, flat
