"""Points lie where they should, come again, and fill the box better than random ones."""

import numpy as np
import pytest
import scipy.stats

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import (
    Burgers,
    Condition,
    Helmholtz,
    KleinGordon,
    face_points,
    interior_points,
)


def unit(problem, points):
    lower, upper = np.array(problem.lower), np.array(problem.upper)
    return (points - lower) / (upper - lower)


def discrepancy(points):
    return scipy.stats.qmc.discrepancy(points)


def test_interior_points_are_inside_and_come_again():
    problem = KleinGordon()
    points = interior_points(problem, 500, seed=7)
    assert points.shape == (500, 3) and points.dtype == np.float64
    inside = unit(problem, points)
    assert (inside > 0).all() and (inside < 1).all()
    # The whole box: 0 to 10 along the first axis.
    assert points[:, 0].max() > 9.9
    np.testing.assert_array_equal(points, interior_points(problem, 500, seed=7))
    assert not np.isin(points, interior_points(problem, 500, seed=8)).any()


def test_face_points_are_on_the_face_and_spread_over_it():
    problem = KleinGordon()
    for condition in problem.conditions():
        points = face_points(problem, condition, 300, seed=7)
        end = (problem.upper if condition.upper else problem.lower)[condition.axis]
        assert (points[:, condition.axis] == end).all()
        across = np.delete(unit(problem, points), condition.axis, axis=1)
        assert (across > 0).all() and (across < 1).all()
        random = np.random.default_rng(0).random(across.shape)
        assert discrepancy(across) < discrepancy(random) / 5
        np.testing.assert_array_equal(points, face_points(problem, condition, 300, seed=7))


@pytest.mark.parametrize("seed", range(3))
def test_lower_discrepancy_than_random_points(seed):
    problem = Helmholtz()
    points = unit(problem, interior_points(problem, 1000, seed))
    random = np.random.default_rng(seed).random(points.shape)
    assert discrepancy(points) < discrepancy(random) / 10


def test_refuses_no_points_and_foreign_conditions():
    with pytest.raises(ClosuraxError, match="`count` = 0"):
        interior_points(Burgers(), 0, seed=0)
    foreign = Condition("foreign", 2, False, lambda point, jet: jet.value)
    with pytest.raises(ClosuraxError, match="'foreign' is on axis 2, but Burgers has 2 axes"):
        face_points(Burgers(), foreign, 10, seed=0)
