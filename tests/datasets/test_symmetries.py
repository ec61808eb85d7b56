import numpy as np
import pytest

from closurax.datasets import dihedral_copies
from closurax.physics.pdes import Darcy


def test_there_are_eight_different_copies_in_one_order():
    field = np.arange(9.0).reshape(1, 1, 3, 3)
    copies, twins = dihedral_copies(field, 2 * field)
    assert copies.shape == (8, 1, 3, 3)
    assert len({copy.tobytes() for copy in copies}) == 8
    np.testing.assert_array_equal(twins, 2 * copies)
    np.testing.assert_array_equal(copies[0], field[0])


def test_copies_of_a_solution_are_solutions():
    rng = np.random.default_rng(0)
    a = np.where(rng.normal(size=(1, 8, 8)) > 0, 12.0, 3.0)
    darcy = Darcy(8)
    u = darcy.solve_sparse(a[0])[None]
    for coefficient, solution in zip(*dihedral_copies(a, u), strict=True):
        assert darcy.solve_sparse(coefficient) == pytest.approx(solution)
