from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from closurax.physics.errors import ClosuraxError

from .field_optimiser import AbstractFieldOptimiser, Equations

# Of the search along a line, which bisects: the last ones only where rounding is in the way.
_MOST_TRIALS = 40
_SHORTEST = 1e-12
# What optax's search may let the loss rise by, relatively, where differences are rounding.
_ROUNDING = 1e-6


class InverseHessianState(NamedTuple):
    """What a step of `SelfScaledBroyden` leaves to the next one."""

    inverse: Float[Array, "parameters parameters"]
    """The approximation $H$ of the inverse of the second derivatives."""
    value: Float[Array, ""]
    gradient: Float[Array, " parameters"]
    fresh: Bool[Array, ""]
    """Whether $H$ is still a multiple of the identity, about whose size nothing is known."""


class SelfScaledBroyden(AbstractFieldOptimiser[InverseHessianState]):
    r"""Quasi-Newton steps with the update of the self-scaled Broyden family,

    $$H_+ = \frac{1}{\tau} \Bigl(H - \frac{H y y^T H}{y^T H y} + \phi \, v v^T\Bigr)
    + \frac{s s^T}{y^T s}, \qquad
    v = \sqrt{y^T H y} \Bigl(\frac{s}{y^T s} - \frac{H y}{y^T H y}\Bigr),$$

    after a step $s$ that changed the gradient by $y$ (Al-Baali 1998, Comput. Optim. Appl. 9, 191;
    Urbán, Stefanou and Pons 2025, J. Comput. Phys. 523, 113656, arXiv 2405.04230, which train
    physics-informed networks with it). With $b = s^T H^{-1} s / y^T s$, $h = y^T H y / y^T s$,
    $a = b h - 1$ and $\rho = \min(1, h (1 - \sqrt{a / (1 + a)}))$,

    $$\theta = \max\Bigl(\frac{\rho - 1}{a}, \min\Bigl(\frac{1}{\rho}, \frac{1 - b}{b}\Bigr)\Bigr),
    \qquad \sigma = 1 + a \theta, \qquad \phi = \frac{1 - \theta}{\sigma},$$

    $$\tau = \begin{cases}
    \min(1, 1 / b) \, \min(\sigma^{-1 / (n - 1)}, 1 / \theta) & \theta > 0, \\
    \min(\min(1, 1 / b) \, \sigma^{-1 / (n - 1)}, \sigma) & \text{otherwise},
    \end{cases}$$

    for $n$ parameters, and $\tau = h / \sigma$ after the first step. $H$ stays positive definite.
    With $\theta = \tau - 1 = 0$ it would be BFGS.

    A step is a whole search along a line to the strong conditions of Wolfe
    (`optax.scale_by_zoom_linesearch`), always from the length 1: one or two gradients near a
    minimum, five or more far from it, where Adam is faster and a good start. A search that finds
    nothing lower moves nothing, and $H$ starts anew. The matrix is dense: work and memory of a step
    are those of parameters squared, besides the gradients; it is for some thousand parameters, in
    double precision. Unlike that of `QuasiNewton` it survives when points are drawn anew.
    """

    theta: float | None = eqx.field(static=True, default=None)
    r"""$\theta$ of every step; `None` is the choice above, 0 the self-scaled BFGS update."""

    def __check_init__(self):
        if self.theta is not None and not 0 <= self.theta <= 1:
            raise ClosuraxError(f"`theta` = {self.theta} must lie between 0 and 1, or be `None`.")

    def init(self, parameters: PyTree, equations: Equations) -> InverseHessianState:
        vector, _ = ravel_pytree(parameters)
        value, gradient = _value_and_gradient(parameters, equations)
        identity = jnp.eye(vector.size, dtype=vector.dtype)
        inverse = _first_scale(gradient) * identity
        return InverseHessianState(inverse, value, gradient, jnp.ones((), bool))

    def step(
        self, parameters: PyTree, state: InverseHessianState, equations: Equations
    ) -> tuple[PyTree, InverseHessianState, Float[Array, ""]]:
        vector, unravel = ravel_pytree(parameters)
        inverse, value, gradient, fresh = state
        direction = -inverse @ gradient
        search = optax.scale_by_zoom_linesearch(
            _MOST_TRIALS, stepsize_precision=_SHORTEST, approx_dec_rtol=_ROUNDING,
            initial_guess_strategy="one",
        )  # fmt: skip
        # optax counts in integers, and has 32-bit constants.
        with jax.numpy_dtype_promotion("standard"):
            change, found = search.update(
                direction, search.init(vector), vector, value=value, grad=gradient,
                value_fn=lambda vector: equations.loss(unravel(vector)),
            )  # fmt: skip
        lower = (found.value <= value + _ROUNDING * jnp.abs(value)) & jnp.any(change != 0)
        difference = found.grad - gradient
        updated = self_scaled_update(
            inverse, change, difference, -found.learning_rate * (change @ gradient), self.theta,
            fresh,
        )  # fmt: skip
        useful = lower & jnp.all(jnp.isfinite(updated))
        anew = _first_scale(gradient) * jnp.eye(vector.size, dtype=vector.dtype)
        after = InverseHessianState(
            jnp.where(useful, updated, jnp.where(lower, inverse, anew)),
            jnp.where(lower, found.value, value),
            jnp.where(lower, found.grad, gradient),
            jnp.where(useful, False, jnp.where(lower, fresh, True)),
        )
        return unravel(jnp.where(lower, vector + change, vector)), after, value

    def renewed(
        self, state: InverseHessianState, parameters: PyTree, equations: Equations
    ) -> InverseHessianState:
        value, gradient = _value_and_gradient(parameters, equations)
        return state._replace(value=value, gradient=gradient)


def self_scaled_update(
    inverse: Float[Array, "parameters parameters"],
    change: Float[Array, " parameters"],
    difference: Float[Array, " parameters"],
    size: Float[Array, ""],
    theta: float | None,
    fresh: Bool[Array, ""],
) -> Float[Array, "parameters parameters"]:
    r"""$H_+$ of `SelfScaledBroyden`, or $H$ itself where the curvature along $s$ is not positive.

    **Arguments:**

    - `inverse`: $H$.
    - `change`: $s$, and `difference`, $y$.
    - `size`: $s^T H^{-1} s$, which a step along $-H g$ has for nothing.
    - `theta`: fixed, or `None` for the choice of `SelfScaledBroyden`.
    - `fresh`: whether this is the first update.
    """
    curvature = change @ difference
    smallest = jnp.finfo(inverse.dtype).eps
    turned = inverse @ difference
    squared = difference @ turned
    b, h = size / curvature, squared / curvature
    # The inequality of Cauchy and Schwarz, up to rounding.
    a = jnp.maximum(b * h - 1, smallest)
    if theta is None:
        low = jnp.minimum(1.0, h * (1 - jnp.sqrt(a / (1 + a))))
        angle = jnp.maximum((low - 1) / a, jnp.minimum(1 / low, (1 - b) / b))
    else:
        angle = jnp.asarray(theta, inverse.dtype)
    sigma = 1 + a * angle
    root = sigma ** (-1 / max(len(change) - 1, 1))
    scaled = jnp.minimum(1.0, 1 / b)
    tau = jnp.where(
        angle > 0,
        scaled * jnp.minimum(root, 1 / jnp.where(angle > 0, angle, 1.0)),
        jnp.minimum(scaled * root, sigma),
    )
    tau = jnp.where(fresh, h / sigma, tau)
    direction = change / curvature - turned / squared
    shrunk = inverse - jnp.outer(turned, turned) / squared
    shrunk = shrunk + (1 - angle) / sigma * squared * jnp.outer(direction, direction)
    updated = shrunk / tau + jnp.outer(change, change) / curvature
    enough = smallest * jnp.linalg.norm(change) * jnp.linalg.norm(difference)
    return jnp.where(curvature > enough, updated, inverse)


def _value_and_gradient(parameters: PyTree, equations: Equations):
    value, gradient = jax.value_and_grad(equations.loss)(parameters)
    return value, ravel_pytree(gradient)[0]


def _first_scale(gradient: Float[Array, " parameters"]) -> Float[Array, ""]:
    """With which the first step is no longer than 1."""
    return 1 / jnp.maximum(jnp.linalg.norm(gradient), 1.0)
