import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import GridMismatchError
from closurax.surrogates.operators import AbstractOperator, SymmetrisedOperator, UNet


class Blur(AbstractOperator):
    """The mean of a field and its values on the four sides of each point, with zeros outside."""

    in_channels: int = eqx.field(static=True, default=1)
    out_channels: int = eqx.field(static=True, default=1)

    def __call__(self, fields):
        padded = jnp.pad(fields, ((0, 0), (1, 1), (1, 1)))
        sides = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]
        return (fields + sides + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]) / 5


@pytest.fixture(scope="module")
def symmetrised():
    network = UNet(2, 1, width=4, levels=2, key=jax.random.key(0))
    return SymmetrisedOperator(network)


@pytest.fixture(scope="module")
def fields():
    return jax.random.normal(jax.random.key(1), (2, 8, 8))


@pytest.mark.parametrize("turn", [
    lambda each: jnp.rot90(each, 1, (-2, -1)),
    lambda each: each[..., ::-1],
    lambda each: jnp.swapaxes(each, -1, -2),
])  # fmt: skip
def test_commutes_with_rotations_and_reflections(symmetrised, fields, turn):
    call = eqx.filter_jit(symmetrised)
    np.testing.assert_allclose(call(turn(fields)), turn(call(fields)), atol=1e-6)
    plain = eqx.filter_jit(symmetrised.operator)
    assert np.abs(plain(turn(fields)) - turn(plain(fields))).max() > 1e-3


def test_a_symmetric_operator_stays_as_it_is(fields):
    found = SymmetrisedOperator(Blur())(fields[:1])
    np.testing.assert_allclose(found, Blur()(fields[:1]), atol=1e-6)


def test_other_grids_than_squares_are_refused(symmetrised):
    with pytest.raises(GridMismatchError, match="not on 8 x 6 points"):
        symmetrised(jnp.zeros((2, 8, 6)))
