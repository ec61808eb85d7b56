from functools import reduce

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError

from .boundary import BoundaryLike
from .v_cycle import Layout, VCycle

# Linear interpolation from a coarser grid, along one axis.
_INTERPOLATION = {"cells": np.array([1, 3, 3, 1]) / 4, "nodes": np.array([1, 2, 1]) / 2}


def multigrid_v_cycle(
    levels: int,
    channels: int = 1,
    *,
    smoothing: int = 1,
    damping: float = 0.8,
    boundary: BoundaryLike = "dirichlet",
    dimensions: int = 2,
    layout: Layout = "cells",
    spread: float = 0.01,
    key: Key[Array, ""],
) -> VCycle:
    r"""A `VCycle` whose first channel is the multigrid V-cycle of the Poisson equation.

    With damped Jacobi smoothing, linear interpolation and its adjoint, an approximate inverse of
    $-h^2 \nabla^2$, in differences of second order between points a distance $h$ apart on every
    axis, whatever $h$ is: a place to start a training from. The kernels of all levels are the
    same: a coarser level has $4 h^2$ in the place of $h^2$, and its restriction holds the 4.

    Trottenberg, Oosterlee and Schüller (2001), Multigrid, chapter 2.

    **Arguments:**

    - `levels`: how many grids.
    - `channels`: of the right-hand side and of the solution. What goes into the first channel
        comes from the first channel alone.
    - `smoothing`: Jacobi steps on each level before and after the coarser one.
    - `damping`: of these steps.
    - `boundary`, `dimensions`: as for `VCycle`.
    - `layout`: `"cells"` or `"nodes"`, as for `VCycle`.
    - `spread`: the size of the kernels between the other channels, in that of a `VCycle`.

    Raises `ClosuraxError` for another layout, or as `VCycle` does.
    """
    if layout not in _INTERPOLATION:
        raise ClosuraxError(f"`layout` is {layout!r}; give one of {list(_INTERPOLATION)}.")
    cycle = VCycle(
        channels, channels, before=(smoothing,) * levels, after=(smoothing,) * levels,
        boundary=boundary, dimensions=dimensions, layout=layout, key=key,
    )  # fmt: skip
    stencil = -laplacian_stencil(dimensions)
    solve = np.where(stencil > 0, damping / (2 * dimensions), 0)
    interpolation = reduce(np.multiply.outer, [_INTERPOLATION[layout]] * dimensions)
    restriction = interpolation * 4 / 2**dimensions

    def with_first_channel(kernels: tuple, first: np.ndarray) -> tuple:
        def replaced(kernel: Float[Array, "..."]) -> Float[Array, "..."]:
            kernel = (spread * kernel).at[..., 0].set(0)
            return kernel.at[..., 0, 0].set(jnp.asarray(first, kernel.dtype))

        return tuple(
            with_first_channel(kernel, first) if isinstance(kernel, tuple) else replaced(kernel)
            for kernel in kernels
        )

    return eqx.tree_at(
        lambda c: (c.solves, c.applies, c.restrict_right, c.restrict_solution, c.prolong),
        cycle,
        (
            with_first_channel(cycle.solves, solve),
            with_first_channel(cycle.applies, stencil),
            with_first_channel(cycle.restrict_right, restriction),
            # The correction starts from zero.
            with_first_channel(cycle.restrict_solution, 0 * restriction),
            with_first_channel(cycle.prolong, interpolation),
        ),
    )


def laplacian_stencil(dimensions: int) -> Float[np.ndarray, "..."]:
    """The second differences with unit spacing, three taps an axis."""
    stencil = np.zeros((3,) * dimensions)
    centre = (1,) * dimensions
    stencil[centre] = -2 * dimensions
    for axis in range(dimensions):
        for tap in (0, 2):
            stencil[(*centre[:axis], tap, *centre[axis + 1 :])] = 1
    return stencil
