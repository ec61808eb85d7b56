import numpy as np
import pytest

from closurax.physics.problems import box_quadrature


def test_exact_for_polynomials_of_the_degree_that_it_states():
    points, measure = box_quadrature((0.0, -1.0), (2.0, 3.0), (2, 3))
    assert points.shape == (6, 2)
    assert measure.sum() == pytest.approx(8)
    x, y = points.T
    assert measure @ (x**3 * y**5) == pytest.approx(2**4 / 4 * (3**6 - 1) / 6)
    assert measure @ x**4 != pytest.approx(2**5 / 5 * 4)
    np.testing.assert_array_less([0, -1], points.min(axis=0))
