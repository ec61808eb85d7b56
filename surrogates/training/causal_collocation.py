import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem

from ..fields.field import AbstractField
from .collocation import AbstractCollocation, Collocation


class CausalCollocation(AbstractCollocation):
    r"""Points whose equation counts only once it is satisfied at earlier times.

    The box is divided into slabs of time, along its first axis, and the squares of the residuals in
    slab $i$ get the weight

    $$w_i = \exp\Bigl(-\epsilon \sum_{k = 0}^{i - 1} L_k\Bigr)$$

    with their mean square $L_k$ in an earlier slab, and that of the initial conditions, $L_0$,
    through which nothing is differentiated (Wang, Sankaran and Perdikaris 2024, Comput. Methods
    Appl. Mech. Eng. 421, 116813, arXiv 2203.07404, on causal training). Conditions have no
    weights. Without $L_0$ a field that is zero would satisfy many an equation at all times.

    The loss is another function in every step, and may rise while it improves: it is for
    optimisers without a search along a line, such as Adam. `weights` all near 1 say that it is the
    usual loss by now.
    """

    problem: AbstractProblem
    interior: Float[Array, "points dims"]
    faces: tuple[Float[Array, "_ dims"], ...]
    scales: Float[Array, " blocks"]
    slabs: int = eqx.field(static=True)
    steepness: float = eqx.field(static=True)
    r"""$\epsilon$: later slabs begin when the sum of the earlier ones is about $1 / \epsilon$."""

    def __init__(self, points: Collocation, slabs: int = 32, steepness: float = 1.0):
        r"""**Arguments:**

        - `points`: what is weighted; its scales are also those of $L_k$.
        - `slabs`: how many there are.
        - `steepness`: $\epsilon$.

        Raises `ClosuraxError` for fewer than two slabs, an $\epsilon$ that is not positive, or a
        problem whose first coordinate is not the time.
        """
        if slabs < 2 or steepness <= 0:
            raise ClosuraxError(
                f"`slabs` = {slabs} must be at least 2 and `steepness` = {steepness} positive."
            )
        first = points.problem.coordinates[0].name
        if first != "t":
            raise ClosuraxError(
                f"{type(points.problem).__name__} has no time: its first coordinate is {first!r}."
            )
        self.problem, self.interior, self.faces = points.problem, points.interior, points.faces
        self.scales, self.slabs, self.steepness = points.scales, slabs, steepness

    @property
    def points(self) -> Collocation:
        """The points without weights."""
        return Collocation(
            problem=self.problem, interior=self.interior, faces=self.faces, scales=self.scales
        )

    def loss(self, field: AbstractField) -> Float[Array, ""]:
        blocks = self.points.residuals_by_block(field)
        squares = self._squares(blocks[0])
        total = jnp.mean(self._weights(blocks)[self._slab()] * squares)
        return sum((jnp.mean(face**2) for face in blocks[1:]), start=total)

    def redrawn(self, key: Key[Array, ""]) -> "CausalCollocation":
        return CausalCollocation(self.points.redrawn(key), self.slabs, self.steepness)

    @eqx.filter_jit
    def weights(self, field: AbstractField) -> Float[Array, " slabs"]:
        """$w_i$, from the first slab down; see `CausalCollocation`."""
        return self._weights(self.points.residuals_by_block(field))

    def _squares(self, residuals: Array) -> Float[Array, " points"]:
        return jnp.mean(residuals.reshape(len(self.interior), -1) ** 2, axis=1)

    def _weights(self, blocks: list[Array]) -> Float[Array, " slabs"]:
        blocks = jax.lax.stop_gradient(blocks)
        squares, slab = self._squares(blocks[0]), self._slab()
        total = jax.ops.segment_sum(squares, slab, self.slabs)
        count = jax.ops.segment_sum(jnp.ones_like(squares), slab, self.slabs)
        means = total / jnp.maximum(count, 1.0)
        initial = sum(
            (
                jnp.mean(face**2)
                for condition, face in zip(self.problem.conditions(), blocks[1:], strict=True)
                if condition.axis == 0 and not condition.upper
            ),
            start=jnp.zeros((), squares.dtype),
        )
        return jnp.exp(-self.steepness * (initial + jnp.cumsum(means) - means))

    def _slab(self) -> Int[Array, " points"]:
        start, end = self.problem.lower[0], self.problem.upper[0]
        part = (self.interior[:, 0] - start) / (end - start)
        return jnp.clip(jnp.floor(self.slabs * part).astype(jnp.int32), 0, self.slabs - 1)
