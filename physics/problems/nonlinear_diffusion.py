from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..scheme import Quantity
from .finite_volume_diffusion import FiniteVolumeDiffusion
from .jet import Jet
from .problem import AbstractEvolution, Condition
from .walls import wall_conditions

# Of the layers at the walls, see `lift`: within 2 % of the similarity solution.
_LAYER = 0.55
# The age of the layers at the start. They are thinner than anything resolves.
_AGE = 1e-6

# Height, x and y of the centre, and the factor of the squared distance of each peak.
_PEAKS = ((0.25, 0.3, 0.2, 10.0), (0.4, -0.5, -0.1, 15.0), (0.3, 0.0, -0.5, 20.0))


class NonlinearDiffusion(AbstractEvolution):
    r"""Diffusion that is faster where there is more of what diffuses,

    $$\partial_t u = D \, \nabla \cdot (u \nabla u) = D \left(|\nabla u|^2 + u \nabla^2 u\right),
    \qquad D = 0.05,$$

    for $0 \le t \le 1$ on $[-1, 1]^2$ with $u = 0$ on the sides, from

    $$u_0 = \frac{1}{4} e^{-10 ((x - 0.3)^2 + (y - 0.2)^2)}
    + \frac{2}{5} e^{-15 ((x + 0.5)^2 + (y + 0.1)^2)} + \frac{3}{10} e^{-20 (x^2 + (y + 0.5)^2)}$$

    (Kang et al. 2024, arXiv 2412.05994, section 4). $u_0$ does not vanish on the sides, where it
    reaches 0.009, so that the solution has thin layers there that no smooth function follows.

    The solution is nowhere negative. Where an approximation is, the tendency takes $u \nabla^2 u$
    for zero: a negative diffusivity would let errors grow without bounds.

    `solution` is that of `FiniteVolumeDiffusion`, which says how accurate it is. On the sides it
    is zero, at the start, too, where the initial state is not.
    """

    coefficient: float | Float[Array, ""] = 0.05
    lower: tuple[float, ...] = eqx.field(static=True, default=(0.0, -1.0, -1.0))
    upper: tuple[float, ...] = eqx.field(static=True, default=(1.0, 1.0, 1.0))

    coordinates: ClassVar[tuple[Quantity, ...]] = (
        Quantity("t", "1"),
        Quantity("x", "1"),
        Quantity("y", "1"),
    )
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("u", "1"),)

    def tendency(self, point: Float[Array, "3"], jet: Jet) -> Float[Array, "1"]:
        slopes = jnp.sum(jet.gradient**2, axis=-1)
        return self.coefficient * (
            slopes + jnp.maximum(jet.value, 0) * jnp.sum(jet.second, axis=-1)
        )

    def initial(self, place: Float[Array, "2"]) -> Float[Array, "1"]:
        x, y = place
        return initial_values(x, y, jnp.exp)[None]

    def boundary(self) -> tuple[Condition, ...]:
        return wall_conditions((1, 2))

    def lift(self, point: Float[Array, "3"]) -> Float[Array, "1"]:
        r"""The initial state, times the layer that forms at a distance $d$ from each wall,

        $$\sqrt{\operatorname{erf}(0.55 \, \eta)}, \qquad \eta = d / \sqrt{D u_0 t},$$

        which is close to the similarity solution $f(\eta)$ of $(f^2)'' = -\eta f'$ with
        $f(0) = 0$ and $f(\infty) = 1$.
        """
        t, places = point[0], point[1:]
        value = self.initial(places)
        thickness = jnp.sqrt(self.coefficient * value * (t + _AGE))
        lower, upper = (jnp.asarray(ends[1:]) for ends in (self.lower, self.upper))
        eta = jnp.concatenate([places - lower, upper - places]) / thickness
        return value * jnp.prod(jnp.sqrt(jax.scipy.special.erf(_LAYER * eta)))

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 1"]:
        t, x, y = self.checked(points).T
        on_sides = np.maximum(np.abs(x), np.abs(y)) == 1
        values = np.where(on_sides, 0, initial_values(x, y))
        later = t > 0
        if later.any():
            solver = FiniteVolumeDiffusion(float(self.coefficient))
            values[later] = solver(initial_values, t[later], x[later], y[later])
        return values[:, None]


def initial_values(x: Any, y: Any, exp: Callable[[Any], Any] = np.exp) -> Any:
    """The initial state, in double precision of numpy unless `exp` is that of jax."""
    return sum(
        height * exp(-factor * ((x - x0) ** 2 + (y - y0) ** 2)) for height, x0, y0, factor in _PEAKS
    )
