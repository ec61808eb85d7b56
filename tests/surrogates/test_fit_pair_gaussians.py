"""Sums of functions of two coordinates, for problems with many."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Helmholtz, Poisson
from closurax.surrogates import fit_pair_gaussians
from closurax.surrogates.training import interacting_coordinates
from closurax.surrogates.training.fit_pair_gaussians import _grids


def error(problem, field):
    points = np.random.default_rng(0).uniform(-1, 1, (400, problem.dims))
    exact = problem.solution(points)
    found = jax.vmap(field)(jnp.asarray(points))
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


@pytest.fixture(scope="module")
def fitted():
    with jax.enable_x64(True):
        return fit_pair_gaussians(Poisson(6), 6, seed=0, progress=False)


def test_five_hundred_times_closer_than_zero_in_six_dimensions(x64, fitted):
    assert len(fitted.field.weights) == 6 * 36
    assert error(Poisson(6), fitted.field) < 2e-3


def test_a_field_that_depends_on_two_coordinates_has_no_other_slopes(x64, fitted):
    first = fitted.field.features.jet(jnp.full(6, 0.3))
    others = [axis for axis in range(6) if axis not in fitted.groups[0]]
    assert jnp.isfinite(jnp.concatenate(list(map(jnp.ravel, jax.tree.leaves(first))))).all()
    assert not first.gradient[:36][:, jnp.asarray(others)].any()
    assert not first.second[:36][:, jnp.asarray(others)].any()


def test_pairs_are_those_that_meet_in_the_data(x64):
    neighbours = {(axis, axis + 1) for axis in range(4)} | {(0, 4)}
    assert set(interacting_coordinates(Poisson(5), 0)) == neighbours
    assert interacting_coordinates(Helmholtz(1, 1), 0) == ((0, 1),)


class Apart(Poisson):
    """Only the first two coordinates meet."""

    def residual(self, point, jet):
        return jnp.sum(jet.second, axis=-1) + jnp.sin(point[:1] * point[1]) + point[2] ** 2

    def conditions(self):
        return ()


def test_a_coordinate_that_meets_none_is_by_itself(x64):
    groups = interacting_coordinates(Apart(3), 0)
    assert groups == ((0, 1), (2,))
    centres, widths = _grids(Apart(3), groups, 4)
    assert len(centres) == 16 + 4
    np.testing.assert_array_equal(np.isinf(widths[:16]), [[False, False, True]] * 16)
    np.testing.assert_array_equal(np.isinf(widths[16:]), [[True, True, False]] * 4)


def test_too_few_are_refused():
    with pytest.raises(ClosuraxError, match="`per_axis` = 1"):
        fit_pair_gaussians(Helmholtz(1, 1), 1, seed=0)
