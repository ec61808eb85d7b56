from functools import reduce

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.surrogates.operators import multigrid_v_cycle


@eqx.filter_jit
def apply(cycle, field):
    return cycle(field)


def second_differences(size, layout):
    """Minus these, with zero on the walls, which are half a spacing or one spacing away."""
    matrix = 2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
    if layout == "cells":
        matrix[0, 0] = matrix[-1, -1] = 3
    return matrix


def interpolation(size, layout):
    """From half as many points, linearly, and to zero on the walls."""
    if layout == "cells":
        coarse = np.concatenate([[0], 2 * np.arange(size // 2) + 0.5 + 0.5, [size]])
        fine = np.arange(size) + 0.5
        columns = [np.interp(fine, coarse, row) for row in np.eye(size // 2 + 2)[1:-1]]
        return np.stack(columns, 1)
    coarse = np.arange(0, size + 2, 2)
    fine = np.arange(1, size + 1)
    return np.stack([np.interp(fine, coarse, row) for row in np.eye(len(coarse))[1:-1]], 1)


def written_out(f, sizes, levels, layout, damping):
    """The textbook cycle, with matrices."""
    dimensions = len(sizes)
    identity = [np.eye(size) for size in sizes]
    operator = sum(
        reduce(np.kron, [*identity[:axis], second_differences(size, layout), *identity[axis + 1 :]])
        for axis, size in enumerate(sizes)
    )
    smoothing = damping / (2 * dimensions)
    u = smoothing * f
    if levels > 1:
        to_fine = reduce(np.kron, [interpolation(size, layout) for size in sizes])
        # The coarse equation has four times the squared spacing.
        coarse_f = 4 * to_fine.T @ (f - operator @ u) / 2**dimensions
        coarse = [size // 2 for size in sizes]
        u = u + to_fine @ written_out(coarse_f, coarse, levels - 1, layout, damping)
    return u + smoothing * (f - operator @ u)


@pytest.mark.parametrize("layout, sizes", [("cells", (8, 16)), ("nodes", (7, 15))])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_equals_the_cycle_written_out(getkey, x64, layout, sizes, dimensions):
    sizes = sizes[:dimensions]
    cycle = multigrid_v_cycle(
        3, damping=0.7, layout=layout, dimensions=dimensions, key=getkey()
    )  # fmt: skip
    f = jax.random.normal(getkey(), (*sizes, 1))
    expected = written_out(np.asarray(f).ravel(), sizes, 3, layout, 0.7)
    np.testing.assert_allclose(apply(cycle, f).ravel(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size, levels", [(8, 3), (32, 5), (64, 6)])
def test_contracts_the_error_whatever_the_grid(getkey, size, levels):
    cycle = multigrid_v_cycle(levels, key=getkey())
    matrix = second_differences(size, "cells").astype(np.float32)
    error = jax.random.normal(getkey(), (size, size))
    norms = []
    for _ in range(8):
        f = matrix @ error + error @ matrix
        error = error - apply(cycle, f[..., None])[..., 0]
        norms.append(float(jnp.linalg.norm(error)))
    assert max(late / early for early, late in zip(norms, norms[1:], strict=False)) < 0.5


def test_further_channels_leave_the_first_alone(getkey):
    key = getkey()
    several, alone = (multigrid_v_cycle(3, channels, key=key) for channels in (3, 1))
    f = jax.random.normal(getkey(), (8, 8, 3))
    result = apply(several, f)
    np.testing.assert_allclose(result[..., :1], apply(alone, f[..., :1]), atol=1e-6)
    assert jnp.max(jnp.abs(result[..., 1:])) > 1e-6


def test_an_unknown_layout_is_an_error(getkey):
    with pytest.raises(ClosuraxError, match="layout"):
        multigrid_v_cycle(3, layout="released", key=getkey())
