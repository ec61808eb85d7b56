import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.physics.pdes import (
    ConjugateGradients,
    Darcy,
    DiffusionOperator,
    cell_centres,
    smooth_two_valued,
)
from closurax.surrogates.operators import VCyclePreconditioner, multigrid_v_cycle


@eqx.filter_jit
def corrected(preconditioner, a, residual):
    return preconditioner(a)(residual)


@eqx.filter_jit
def solve(preconditioner, a, rtol):
    solver = ConjugateGradients(rtol=rtol, max_steps=2000)
    return solver(DiffusionOperator(a, a), preconditioner(a), jnp.ones_like(a))


def scrambled(preconditioner, key):
    """The same with arrays that have nothing to do with multigrid."""
    leaves, tree = jtu.tree_flatten(preconditioner)
    keys = jax.random.split(key, len(leaves))
    leaves = [
        leaf + 0.2 * jax.random.normal(k, leaf.shape) for leaf, k in zip(leaves, keys, strict=True)
    ]
    return jtu.tree_unflatten(tree, leaves)


def coefficient(size, key):
    return smooth_two_valued()(cell_centres(size), cell_centres(size), key=key)


@pytest.mark.parametrize("shape", [(8, 8), (7, 10)])
def test_symmetric_and_positive_definite_whatever_the_kernels(getkey, x64, shape):
    preconditioner = scrambled(VCyclePreconditioner(3, key=getkey()), getkey())
    a = jnp.exp(jax.random.normal(getkey(), shape))
    size = a.size
    unit = jnp.eye(size).reshape(size, *shape)
    matrix = jax.vmap(lambda r: corrected(preconditioner, a, r))(unit).reshape(size, size)
    assert jnp.max(jnp.abs(matrix - matrix.T)) < 1e-13 * jnp.max(jnp.abs(matrix))
    assert jnp.linalg.eigvalsh(matrix)[0] > 0


def test_starts_as_the_multigrid_cycle(getkey):
    preconditioner = VCyclePreconditioner(3, key=getkey())
    preconditioner = eqx.tree_at(lambda p: p.shift, preconditioner, jnp.zeros(()))
    # What the further channels add to the squares.
    exact = preconditioner.squares.at[..., 3:].set(0)
    preconditioner = eqx.tree_at(lambda p: p.squares, preconditioner, exact)
    residual = jax.random.normal(getkey(), (16, 16))
    expected = multigrid_v_cycle(4, key=getkey())(residual[..., None])[..., 0]
    result = corrected(preconditioner, jnp.full((16, 16), 5.0), residual)
    np.testing.assert_allclose(5 * 16**2 * result, expected, atol=1e-5)


def test_solves_to_the_direct_solution_whatever_the_kernels(getkey, x64):
    preconditioner = scrambled(VCyclePreconditioner(2, key=getkey()), getkey())
    a = coefficient(12, getkey())
    u, steps = solve(preconditioner, a, 1e-11)
    assert steps > 5
    np.testing.assert_allclose(u, Darcy(12).solve_sparse(np.asarray(a)), rtol=1e-8)


def test_the_steps_hardly_depend_on_the_grid(getkey):
    preconditioner, key = VCyclePreconditioner(2, key=getkey()), getkey()
    steps = [int(solve(preconditioner, coefficient(size, key), 1e-5)[1]) for size in (16, 64)]
    assert max(steps) <= 25
    assert abs(steps[1] - steps[0]) <= 5


def test_inverse_to_the_units_of_the_coefficient(getkey):
    preconditioner = scrambled(VCyclePreconditioner(2, key=getkey()), getkey())
    a, residual = coefficient(8, getkey()), jax.random.normal(getkey(), (8, 8))
    once, scaled = (corrected(preconditioner, factor * a, residual) for factor in (1.0, 40.0))
    np.testing.assert_allclose(40 * scaled, once, atol=1e-4 * float(jnp.max(jnp.abs(once))))


def test_gradients_equal_finite_differences(getkey, x64):
    preconditioner = scrambled(VCyclePreconditioner(2, key=getkey()), getkey())
    a, residual = coefficient(8, getkey()), jax.random.normal(getkey(), (8, 8))
    direction = jtu.tree_map(
        lambda leaf: jax.random.normal(getkey(), leaf.shape), preconditioner
    )  # fmt: skip

    @eqx.filter_jit
    def loss(step):
        moved = jtu.tree_map(lambda leaf, d: leaf + step * d, preconditioner, direction)
        return jnp.sum(residual * moved(a)(residual))

    difference = (loss(jnp.asarray(1e-6)) - loss(jnp.asarray(-1e-6))) / 2e-6
    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(0.0)), difference, rtol=1e-6)


def test_what_it_refuses(getkey):
    with pytest.raises(ClosuraxError, match="channels"):
        VCyclePreconditioner(0, key=getkey())
    with pytest.raises(GridMismatchError, match="2 x 2"):
        VCyclePreconditioner(1, key=getkey())(jnp.ones((1, 4)))
