import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError

from ..fields.at_points import at_points
from ..fields.field import AbstractField
from .collocation import AbstractCollocation, Collocation
from .point_sampler import AbstractPointSampler


class ResidualAdaptivePoints(AbstractPointSampler):
    r"""More of the points inside where the equation is satisfied less, with the density

    $$p(x) \propto \frac{|r(x)|^k}{\overline{|r|^k}} + c$$

    (residual-based adaptive distribution, RAD: Wu, Zhu, Tan, Kartha and Lu 2023, Comput. Methods
    Appl. Mech. Eng. 403, 115671, equations 2 and 3). The mean, and the points, are those of
    uniformly random candidates, of which none is taken twice. Points on the faces are uniformly
    random.

    The loss is still the mean square over the points, so that it is another one after each draw.
    It is for residuals with sharp features; a smooth solution gains nothing.
    """

    power: float = eqx.field(static=True, default=1.0)
    """$k$."""
    offset: float = eqx.field(static=True, default=1.0)
    """$c$; the larger, the more uniform."""
    candidates: int = eqx.field(static=True, default=10)
    """How many there are for each point."""

    def __check_init__(self):
        if self.power < 0 or self.offset < 0 or self.candidates < 2:
            raise ClosuraxError(
                f"`power` = {self.power} and `offset` = {self.offset} must not be negative, and "
                f"`candidates` = {self.candidates} at least 2."
            )

    def __call__(
        self, collocation: AbstractCollocation, field: AbstractField, key: Key[Array, ""]
    ) -> Collocation:
        """As many other points.

        Raises `ClosuraxError` for points on a grid.
        """
        if not isinstance(collocation, Collocation):
            raise ClosuraxError(
                "Points that follow the residual are those of a Collocation, each by itself, not "
                f"of a {type(collocation).__name__}."
            )
        many, few = jax.random.split(key)
        count, dims = collocation.interior.shape
        room = jnp.zeros((self.candidates * count, dims), collocation.interior.dtype)
        drawn = dataclasses.replace(collocation, interior=room).redrawn(many)
        density = self.density(drawn, field)
        chosen = jax.random.choice(few, len(room), (count,), replace=False, p=density)
        return dataclasses.replace(drawn, interior=drawn.interior[chosen])

    def density(self, collocation: Collocation, field: AbstractField) -> Float[Array, " points"]:
        """The probability of each point inside, of a draw of one of them."""

        def size(point):
            return jnp.linalg.norm(collocation.problem.residual(point, field.jet(point)))

        points = collocation.interior
        sizes = at_points(size, points) ** self.power
        mean = jnp.mean(sizes)
        # Nothing is left of an equation that is satisfied everywhere.
        density = jnp.where(mean > 0, sizes / jnp.where(mean > 0, mean, 1.0), 1.0) + self.offset
        return density / jnp.sum(density)
