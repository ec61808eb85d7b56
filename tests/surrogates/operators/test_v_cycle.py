from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import jaxtyping
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.surrogates.operators import VCycle

LAYOUTS = ["cells", "nodes"]
OPTIONS = {"before": (1, 1, 1), "after": (0, 1, 0)}


@eqx.filter_jit
def apply(cycle, field):
    return cycle(field)


@cache
def cycle(**options):
    return VCycle(3, 2, **{**OPTIONS, **options}, key=jax.random.key(1))


def symmetrised(module):
    """The same with kernels that no reflection of an axis changes."""

    def mean_over_reflections(kernel):
        for axis in range(kernel.ndim - 2):
            kernel = (kernel + jnp.flip(kernel, axis)) / 2
        return kernel

    return jtu.tree_map(mean_over_reflections, module)


def close(result, expected):
    scale = float(jnp.max(jnp.abs(expected)))
    assert scale > 1e-3
    np.testing.assert_allclose(result, expected, atol=1e-5 * scale)


@pytest.mark.parametrize("restricted", ["residual", "right-hand side"])
@pytest.mark.parametrize("shared", [False, True])
def test_superposition(getkey, restricted, shared):
    operator = cycle(restricted=restricted, shared=shared, boundary=("dirichlet", "neumann"))
    first, second = jax.random.normal(getkey(), (2, 9, 12, 3))
    together = apply(operator, 2 * first - 3 * second)
    close(together, 2 * apply(operator, first) - 3 * apply(operator, second))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_commutes_with_periodic_shifts_by_the_coarsest_spacing(getkey, layout):
    operator = cycle(boundary="periodic", layout=layout)
    field = jax.random.normal(getkey(), (16, 24, 3))
    expected = jnp.roll(apply(operator, field), (4, -8), (0, 1))
    close(apply(operator, jnp.roll(field, (4, -8), (0, 1))), expected)
    # Only by that: the coarser grids single out some of the points.
    other = apply(operator, jnp.roll(field, 1, 0))
    assert jnp.max(jnp.abs(other - jnp.roll(apply(operator, field), 1, 0))) > 1e-3


def periodic_extension(field, axis, sides, layout):
    """One period, and where in it the field starts: odd or even about each side."""
    size = field.shape[axis]
    inner = {("cells", "neumann"): slice(None), ("nodes", "neumann"): slice(1, size - 1)}
    if sides == ("dirichlet", "neumann"):
        # Even about the upper side, then odd about the lower one: a fourth of the period.
        if layout == "cells":
            half = jnp.concatenate([field, jnp.flip(field, axis)], axis)
            return jnp.concatenate([half, -jnp.flip(half, axis)], axis), 0
        zero = jnp.zeros_like(jax.lax.slice_in_dim(field, 0, 1, axis=axis))
        below = jax.lax.slice_in_dim(field, 0, size - 1, axis=axis)
        half = jnp.concatenate([zero, field, jnp.flip(below, axis)], axis)
        return jnp.concatenate([half, -half], axis), 1
    if sides == ("dirichlet", "dirichlet"):
        if layout == "cells":
            return jnp.concatenate([field, -jnp.flip(field, axis)], axis), 0
        zero = jnp.zeros_like(jax.lax.slice_in_dim(field, 0, 1, axis=axis))
        return jnp.concatenate([zero, field, zero, -jnp.flip(field, axis)], axis), 1
    assert sides == ("neumann", "neumann")
    mirrored = jnp.moveaxis(jnp.moveaxis(field, axis, 0)[inner[layout, "neumann"]], 0, axis)
    return jnp.concatenate([field, jnp.flip(mirrored, axis)], axis), 0


def size_for(sides, layout):
    """So that the grids of all levels end at the side, or one spacing before it."""
    if layout == "cells" or sides == ("dirichlet", "neumann"):
        return 8
    return 7 if sides == ("dirichlet", "dirichlet") else 9


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "boundary",
    [
        ("dirichlet", "dirichlet"),
        ("neumann", "neumann"),
        (("dirichlet", "neumann"), "neumann"),
        ("dirichlet", ("dirichlet", "neumann")),
        ("periodic", "dirichlet"),
    ],
    ids=str,
)
def test_equals_the_periodic_map_of_the_odd_or_even_extension(getkey, layout, boundary):
    operator = symmetrised(cycle(boundary=boundary, layout=layout))
    sizes = [
        8 if sides == ("periodic",) * 2 else size_for(sides, layout) for sides in operator.boundary
    ]
    field = jax.random.normal(getkey(), (*sizes, 3))
    extended, starts = field, []
    for axis, sides in enumerate(operator.boundary):
        start = 0
        if sides[0] != "periodic":
            extended, start = periodic_extension(extended, axis, sides, layout)
        starts.append(start)
    periodic = symmetrised(cycle(boundary="periodic", layout=layout))
    whole = apply(periodic, extended)
    part = whole[
        starts[0] : starts[0] + sizes[0],
        starts[1] : starts[1] + sizes[1],
    ]
    close(apply(operator, field), part)


@pytest.mark.parametrize("layout", [*LAYOUTS, "released"])
@pytest.mark.parametrize("boundary", ["periodic", "dirichlet", "neumann", "zero"])
def test_any_size_in_one_to_three_dimensions(layout, boundary):
    before = (1, 1, 1, 1, 1, 2)
    for shape in [(100,), (129,), (100, 101), (129, 211), (65, 33), (33, 40, 35)]:
        operator = eqx.filter_eval_shape(
            VCycle, 2, 3, before=before, boundary=boundary, layout=layout,
            dimensions=len(shape), key=jax.random.key(0),
        )  # fmt: skip
        field = jax.ShapeDtypeStruct((*shape, 2), jnp.float32)
        assert eqx.filter_eval_shape(operator, field).shape == (*shape, 3)


def test_odd_sizes_are_finite_and_see_all_points(getkey):
    operator = cycle(boundary="dirichlet")
    field = jax.random.normal(getkey(), (9, 11, 3))
    gradient = jax.jit(jax.grad(lambda field: jnp.sum(operator(field) ** 2)))(field)
    assert jnp.all(jnp.isfinite(gradient)) and jnp.all(jnp.any(gradient != 0, axis=-1))


@pytest.mark.parametrize("restricted", ["residual", "right-hand side"])
def test_shared_kernels_equal_own_kernels_with_the_same_values(getkey, restricted):
    options = {"before": (2, 3), "after": (1, 2), "restricted": restricted, "boundary": "neumann"}
    shared = cycle(shared=True, **options)
    own = cycle(shared=False, **options)

    def copied(kernels, like):
        return tuple((level[0],) * len(to) for level, to in zip(kernels, like, strict=True))

    own = eqx.tree_at(
        lambda c: (c.solves, c.applies, c.restrict_right, c.restrict_solution, c.prolong),
        own,
        (
            copied(shared.solves, own.solves),
            copied(shared.applies, own.applies),
            shared.restrict_right,
            shared.restrict_solution,
            shared.prolong,
        ),
    )
    field = jax.random.normal(getkey(), (8, 6, 3))
    close(apply(shared, field), apply(own, field))


@pytest.mark.parametrize(
    "options, said",
    [
        ({"before": ()}, "`before`"),
        ({"before": (0, 1)}, "`before`"),
        ({"before": (1, 1), "after": (1,)}, "`after`"),
        ({"layout": "edges"}, "layout"),
        ({"restricted": "solution"}, "restricted"),
        ({"boundary": "robin"}, "robin"),
        ({"boundary": ("periodic",)}, "1 axes"),
        ({"dimensions": 4}, "dimensions"),
    ],
)
def test_refuses(options, said):
    # The type checker of the tests sees some of it first.
    with pytest.raises((ClosuraxError, jaxtyping.TypeCheckError), match=said):
        cycle(**options)


@pytest.mark.parametrize(
    "shape, said",
    [((8, 8, 2), "3 channels"), ((8, 3), "2 axes"), ((8, 2, 3), "Axis 1 has 2 points")],
)
def test_refuses_other_fields(shape, said):
    with pytest.raises(GridMismatchError, match=said):
        cycle()(jnp.zeros(shape))
