import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.surrogates.operators import FNO, AbstractOperator, WithCoordinates


class Identity(AbstractOperator):
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)

    def __call__(self, fields):
        return fields


@pytest.mark.parametrize(
    "layout, x, y",
    [
        ("cells", [0.125, 0.375, 0.625, 0.875], [0.25, 0.75]),
        ("nodes", [0, 1 / 3, 2 / 3, 1], [0, 1]),
    ],
)
def test_appends_the_coordinates(getkey, layout, x, y):
    fields = jax.random.normal(getkey(), (3, 4, 2))
    operator = WithCoordinates(Identity(5, 5), layout=layout)
    assert (operator.in_channels, operator.out_channels) == (3, 5)
    result = operator(fields)
    np.testing.assert_array_equal(result[:3], fields)
    np.testing.assert_allclose(result[3], np.broadcast_to(np.array(x)[:, None], (4, 2)), rtol=1e-6)
    np.testing.assert_allclose(result[4], np.broadcast_to(y, (4, 2)), rtol=1e-6)


def test_one_and_three_dimensions_and_the_precision_of_the_fields(x64):
    line = WithCoordinates(Identity(2, 2), dimensions=1)(jnp.zeros((1, 5), jnp.float32))
    assert line.dtype == jnp.float32
    np.testing.assert_allclose(line[1], [0.1, 0.3, 0.5, 0.7, 0.9], rtol=1e-6)
    cube = WithCoordinates(Identity(4, 4), dimensions=3, layout="nodes")(jnp.zeros((1, 2, 3, 2)))
    assert cube.dtype == jnp.float64
    np.testing.assert_allclose(cube[2, 0, :, 1], [0, 0.5, 1], rtol=1e-14)


def test_ends_the_equivariance(getkey):
    key = getkey()
    plain = FNO(1, 1, 4, 1, modes=2, key=key)
    told = WithCoordinates(FNO(3, 1, 4, 1, modes=2, key=key))
    fields = jax.random.normal(getkey(), (1, 6, 6))

    def mismatch(operator):
        moved = operator(jnp.roll(fields, 2, 1)) - jnp.roll(operator(fields), 2, 1)
        return float(jnp.max(jnp.abs(moved)))

    assert mismatch(plain) < 1e-5
    assert mismatch(told) > 1e-2


def test_refuses():
    with pytest.raises(ClosuraxError, match="2 channels"):
        WithCoordinates(Identity(2, 2))
    with pytest.raises(ClosuraxError, match="layout"):
        WithCoordinates(Identity(3, 2), layout="released")
    with pytest.raises(GridMismatchError, match="1 channels"):
        WithCoordinates(Identity(3, 2))(jnp.zeros((2, 4, 4)))
