import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..scheme import Quantity
from .jet import Jet, jet_at, jet_through
from .problem import AbstractEvolution, Condition


class Factored(AbstractEvolution):
    r"""A problem with a positive solution, for the logarithm of the factor of its lift,

    $$u = u_0 \, e^g, \qquad \partial_t g = \frac{F(u)}{u} - \frac{\partial_t u_0}{u_0},
    \qquad g = 0 \text{ at the start}.$$

    Whatever $g$ is, $u$ is positive, and zero where the lift $u_0$ is: nothing has to hold on the
    faces. Only for lifts that are positive inside.
    """

    problem: AbstractEvolution
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, problem: AbstractEvolution):
        """**Arguments:**

        - `problem`: with a positive lift.
        """
        self.problem, self.lower, self.upper = problem, problem.lower, problem.upper

    @property
    def periodic(self) -> tuple[bool, ...]:
        return self.problem.periodic

    @property
    def coordinates(self) -> tuple[Quantity, ...]:
        return self.problem.coordinates

    @property
    def fields(self) -> tuple[Quantity, ...]:
        return tuple(Quantity(f"log_{quantity.name}", "1") for quantity in self.problem.fields)

    def tendency(self, point: Float[Array, " dims"], jet: Jet) -> Float[Array, " fields"]:
        known = jet_at(self.problem.lift, point)
        factor = jet_through(jnp.exp, jet)
        whole = Jet(known.value, known.gradient[:, 1:], known.second[:, 1:]) * factor
        change = self.problem.tendency(point, whole)
        return change / whole.value - known.gradient[:, 0] / known.value

    def initial(self, place: Float[Array, " space"]) -> Float[Array, " fields"]:
        return jnp.zeros(len(self.fields), place.dtype)

    def boundary(self) -> tuple[Condition, ...]:
        return ()

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points _"]:
        """Not finite on faces where the solution itself is zero."""
        with jax.enable_x64(True), np.errstate(divide="ignore", invalid="ignore"):
            lift = jax.vmap(self.problem.lift)(jnp.asarray(self.checked(points)))
            return np.log(self.problem.solution(points) / np.asarray(lift))
