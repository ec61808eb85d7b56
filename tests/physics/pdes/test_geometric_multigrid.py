import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.pdes import (
    ConjugateGradients,
    DiffusionOperator,
    GeometricMultigrid,
    TrigonometricCoefficient,
    cell_centres,
    rough_two_valued,
    smooth_two_valued,
)


def _matrix(linear, shape) -> np.ndarray:
    unit = jnp.eye(shape[0] * shape[1]).reshape(-1, *shape)
    return np.asarray(jax.vmap(linear)(unit)).reshape(shape[0] * shape[1], -1).T


@eqx.filter_jit
def _steps(a, rtol=1e-8):
    solver = ConjugateGradients(rtol)
    return solver(DiffusionOperator(a, a), GeometricMultigrid(a), jnp.ones_like(a))[1]


def _steps_for(coefficient, shape, key):
    return int(_steps(coefficient(*map(cell_centres, shape), key=key)))


@pytest.mark.parametrize("shape", [(16, 12), (7, 30), (2, 2)])
def test_the_cycle_is_symmetric_positive_and_close_to_the_inverse(x64, getkey, shape):
    a = jnp.exp(jax.random.normal(getkey(), shape))
    operator, multigrid = DiffusionOperator(a, a), GeometricMultigrid(a)
    cycle = _matrix(jax.jit(lambda residual: multigrid(residual)), shape)
    np.testing.assert_allclose(cycle, cycle.T, atol=1e-12 * np.abs(cycle).max())
    assert np.linalg.eigvalsh(cycle).min() > 0
    preconditioned = np.linalg.eigvals(cycle @ _matrix(operator, shape)).real
    assert 0.3 < preconditioned.min() and preconditioned.max() < 1.7


def test_levels_halve_the_longer_axis_first():
    multigrid = eqx.filter_eval_shape(GeometricMultigrid, jnp.ones((32, 100)))
    shapes = [level.shape for level in multigrid.levels]
    assert shapes == [(32, 100), (32, 50), (32, 25), (16, 13), (8, 7)]


def test_one_cycle_reduces_the_error_alike_on_every_grid(x64, getkey):
    for size in (16, 32, 64):
        a = jnp.ones((size, size))

        @jax.jit
        def step(error, a=a):
            return error - GeometricMultigrid(a)(DiffusionOperator(a, a)(error))

        error = jax.random.normal(getkey(), a.shape)
        for _ in range(8):
            previous, error = error, step(error)
        assert jnp.linalg.norm(error) < 0.35 * jnp.linalg.norm(previous)


@pytest.mark.parametrize(
    "coefficient, most",
    [(smooth_two_valued(), 13), (rough_two_valued(), 16), (TrigonometricCoefficient(4), 20)],
    ids=["smooth", "rough", "trigonometric"],
)
def test_the_number_of_iterations_hardly_depends_on_the_size(x64, getkey, coefficient, most):
    key = getkey()
    sizes = [(16, 16), (64, 64), (33, 50), (100, 100), (21, 75)]
    steps = [_steps_for(coefficient, shape, key) for shape in sizes]
    assert max(steps) <= most
    assert max(steps) <= 1.7 * steps[0]


def test_the_preconditioner_saves_iterations(x64, getkey):
    a = smooth_two_valued()(cell_centres(64), cell_centres(64), key=getkey())
    operator, f = DiffusionOperator(a, a), jnp.ones_like(a)
    solver = ConjugateGradients(1e-8, max_steps=1000)
    u, plain = solver(operator, lambda residual: residual, f)
    assert jnp.linalg.norm(operator(u) - f) <= 1.01e-8 * jnp.linalg.norm(f)
    assert plain > 10 * _steps(a)


def test_a_coefficient_that_is_coarsened_keeps_means_along_and_across_the_flux():
    # Layers across x: fluxes along x see them in a row, fluxes along y side by side.
    layers = jnp.asarray([[1.0], [3.0]] * 8) * jnp.ones((16, 16))
    coarse = GeometricMultigrid(layers).levels[1]
    expected = DiffusionOperator(jnp.full((8, 8), 1.5), jnp.full((8, 8), 2.0))
    np.testing.assert_allclose(coarse.across_x, expected.across_x, rtol=1e-5)
    np.testing.assert_allclose(coarse.across_y, expected.across_y, rtol=1e-5)


def test_too_few_steps_are_an_error(getkey):
    a = smooth_two_valued()(cell_centres(16), cell_centres(16), key=getkey())
    operator = DiffusionOperator(a, a)
    solver = ConjugateGradients(1e-5, max_steps=2)
    with pytest.raises(RuntimeError, match="relative residual of 1e-05 in 2 steps"):
        solver(operator, GeometricMultigrid(a), jnp.ones_like(a))
