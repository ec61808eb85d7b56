from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError, GridMismatchError

from ..convolve import convolve
from .boundary import DIRICHLET, NEUMANN, extend
from .multigrid_v_cycle import laplacian_stencil
from .strided_convolution import gather

_DAMPING = 0.8
# Of the kernels between the further channels at the start, in that of a convolutional network.
_SPREAD = 0.1
_HIDDEN = 16


class VCyclePreconditioner(eqx.Module):
    r"""A learned approximate inverse of $u \mapsto -\nabla \cdot (a \nabla u)$, $u = 0$ around it.

    A V-cycle is a sum of squares. On the way down, with $f^1 = \phi^1 r$ in several channels,

    $$g^\ell = G * f^\ell, \qquad
    f^{\ell+1} = \phi^{\ell+1} \, R *_2 (f^\ell - A * S * f^\ell),$$

    and the way up is the adjoint of the way down, which is the linear map
    $H: r \mapsto (g^1, g^2, \dots)$:

    $$B = \frac{h^2}{\bar a} (H^T H + \epsilon^2 I).$$

    So it is symmetric and positive definite, whatever the kernels are: conjugate gradients with
    it may be slow, but never wrong. The kernels are the same on every level, and there are as
    many levels as the grid allows. The coefficient enters by the factors $\phi^\ell$, from a
    small convolutional network on $\log a / \bar a$, on coarser levels on its means over cells;
    $\bar a$ is the geometric mean.

    At the start the first channel is the V-cycle of `multigrid_v_cycle`, with $\phi = 1$, where
    $G^T G = S + S^T - S^T A S$ by three kernels. Cells should be square, or nearly so.
    """

    hidden: Float[Array, "3 3 1 hidden"]
    hidden_bias: Float[Array, " hidden"]
    factors: Float[Array, "hidden channels"]
    factors_bias: Float[Array, " channels"]
    squares: Float[Array, "3 3 channels squares"]
    solve: Float[Array, "3 3 channels channels"]
    apply: Float[Array, "3 3 channels channels"]
    restrict: Float[Array, "4 4 channels channels"]
    shift: Float[Array, ""]
    channels: int = eqx.field(static=True)

    def __init__(self, channels: int = 4, *, key: Key[Array, ""]):
        """**Arguments:**

        - `channels`: of the V-cycle.
        """
        if channels < 1:
            raise ClosuraxError(f"`channels` must be at least 1, not {channels}.")
        keys = iter(jax.random.split(key, 6))

        def uniform(*shape: int) -> Array:
            limit = np.prod(shape[:-1]).item() ** -0.5
            return jax.random.uniform(next(keys), shape, minval=-limit, maxval=limit)

        def kernel(first: np.ndarray, squares: int = 0) -> Array:
            taps, outputs = first.shape[0], squares or channels
            others = _SPREAD * uniform(taps, taps, channels, outputs)
            exact = first.reshape(taps, taps, -1)
            known = exact.shape[-1]
            others = others.at[..., :known].set(0)
            return others.at[:, :, 0, :known].set(jnp.asarray(exact, others.dtype))

        self.hidden = uniform(3, 3, 1, _HIDDEN)
        self.hidden_bias = jnp.zeros(_HIDDEN)
        self.factors = _SPREAD * uniform(_HIDDEN, channels).at[:, 0].set(0)
        self.factors_bias = jnp.ones(channels)
        stencil = -laplacian_stencil(2)
        solve = np.where(stencil > 0, _DAMPING / 4, 0)
        self.squares = kernel(_squares(), channels + 2)
        self.solve, self.apply = kernel(solve), kernel(stencil)
        self.restrict = kernel(np.multiply.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16)
        self.shift = jnp.asarray(0.01)
        self.channels = channels

    def __call__(
        self, coefficient: Float[Array, "nx ny"]
    ) -> Callable[[Float[Array, "nx ny"]], Float[Array, "nx ny"]]:
        """The map from a residual $f - A u$ to the correction of `u`, for a positive coefficient.

        Raises `GridMismatchError` for fewer than 2 x 2 cells.
        """
        if min(coefficient.shape) < 2:
            raise GridMismatchError(
                f"`coefficient` has shape {coefficient.shape}; give at least 2 x 2 cells."
            )
        logarithm = jnp.log(coefficient)
        mean = jnp.mean(logarithm)
        factors = self._factors(logarithm - mean)
        scale = jnp.exp(-mean) / coefficient.size
        way_down = partial(self._way_down, factors)
        way_up = jax.linear_transpose(way_down, coefficient)

        def correction(residual: Float[Array, "nx ny"]) -> Float[Array, "nx ny"]:
            (square,) = way_up(way_down(residual))
            return scale * (square + self.shift**2 * residual)

        return correction

    def _factors(self, logarithm: Float[Array, "nx ny"]) -> list[Float[Array, "..."]]:
        factors, field = [], logarithm[..., None]
        while True:
            extended = extend(field, [(1, 1)] * 2, [(NEUMANN, NEUMANN)] * 2, "cells")
            hidden = jax.nn.gelu(convolve(extended, self.hidden) + self.hidden_bias[None, None])
            factors.append(hidden @ self.factors + self.factors_bias[None, None])
            if min(field.shape[:2]) <= 2:
                return factors
            # Means over two by two cells; the last row of an odd number counts twice.
            widths = [(0, size % 2) for size in field.shape[:2]]
            field = extend(field, widths, [(NEUMANN, NEUMANN)] * 2, "cells")
            field = (field[::2] + field[1::2]) / 2
            field = (field[:, ::2] + field[:, 1::2]) / 2

    def _way_down(
        self, factors: list[Float[Array, "..."]], residual: Float[Array, "nx ny"]
    ) -> list[Float[Array, "..."]]:
        field = residual[..., None]
        images: list[Array] = []
        for factor in factors:
            if images:
                field = _restricted(self.restrict, field)
            field = factor * field
            images.append(_convolved(self.squares, field))
            field = field - _convolved(self.apply, _convolved(self.solve, field))
        return images


_SIDES = [(DIRICHLET, DIRICHLET)] * 2


def _convolved(kernel: Array, field: Array) -> Array:
    return convolve(extend(field, [(1, 1)] * 2, _SIDES, "cells"), kernel)


def _restricted(kernel: Array, field: Array) -> Array:
    widths = [(1, 1 + size % 2) for size in field.shape[:2]]
    return gather(extend(field, widths, _SIDES, "cells"), kernel)


def _squares() -> Float[np.ndarray, "3 3 3"]:
    r"""Kernels whose squares add up to two steps of damped Jacobi.

    These are $\omega / d \, (2 - 2 \omega)$ times the value squared, and $\omega^2 / d^2$ times
    the square of the sum of two neighbours, with the diagonal $d = 4$.
    """
    kernels = np.zeros((3, 3, 3))
    kernels[1, 1, 0] = np.sqrt(_DAMPING / 4 * (2 - 2 * _DAMPING))
    kernels[1, 1, 1] = kernels[2, 1, 1] = kernels[1, 1, 2] = kernels[1, 2, 2] = _DAMPING / 4
    return kernels
