import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.physics.pdes import (
    CosineModes,
    FourierModes,
    GaussianRandomField,
    TrigonometricCoefficient,
    TwoValuedCoefficient,
    WaveSpeed,
    cell_centres,
    nodes,
    rough_two_valued,
    smooth_two_valued,
)

MODES = [CosineModes(9), FourierModes(5)]


@pytest.mark.parametrize("modes", MODES)
def test_modes_are_orthonormal_eigenfunctions(modes):
    points, weights = np.polynomial.legendre.leggauss(60)
    values = modes.at(0.5 + 0.5 * points)
    np.testing.assert_allclose((values.T * weights / 2) @ values, np.eye(9), atol=1e-12)
    step = 1e-4
    middle = np.linspace(0.1, 0.9, 7)
    stencil = [modes.at(middle + shift) for shift in (-step, 0.0, step)]
    curvature = (stencil[0] - 2 * stencil[1] + stencil[2]) / step**2
    np.testing.assert_allclose(-curvature, modes.wavenumbers() ** 2 * stencil[1], atol=1e-3)


def test_modes_keep_the_boundary_conditions():
    step = 1e-6
    cosine, fourier = MODES
    slopes = [cosine.at(np.array([end, end + step])) for end in (0.0, 1.0 - step)]
    assert max(np.abs(np.diff(values, axis=0)).max() for values in slopes) < 1e-8
    points = np.array([0.0, 0.3])
    np.testing.assert_allclose(fourier.at(points), fourier.at(points + 1), atol=1e-12)


@pytest.mark.parametrize("modes", MODES)
def test_covariance_is_the_one_asked_for(getkey, modes):
    alpha, tau, sigma = 1.5, 4.0, 3.0
    field = GaussianRandomField(alpha, tau, sigma, modes)
    x, y = np.array([0.0, 0.1, 0.45]), np.array([0.2, 0.7])
    samples = jax.vmap(lambda key: field(x, y, key=key))(jax.random.split(getkey(), 20_000))
    flat = np.asarray(samples, float).reshape(len(samples), -1)
    basis = np.kron(modes.at(x), modes.at(y))
    kappa = modes.wavenumbers()
    variance = sigma**2 * (np.add.outer(kappa**2, kappa**2).ravel() + tau**2) ** -alpha
    variance[0] = 0.0
    exact = (basis * variance) @ basis.T
    np.testing.assert_allclose(np.cov(flat.T), exact, atol=0.05 * exact.max())
    assert np.abs(flat.mean(axis=0)).max() < 0.04 * np.sqrt(exact.max())


@pytest.mark.parametrize("modes", [CosineModes(40), FourierModes(20)])
def test_a_key_is_a_function_whatever_the_grid_and_the_precision(getkey, modes):
    field, key = GaussianRandomField(modes=modes), getkey()
    coarse = field(cell_centres(16), cell_centres(12), key=key)
    assert coarse.shape == (16, 12) and coarse.dtype == jnp.float32
    # Cells of a third of the width share every second one's centre, as do nodes.
    fine = field(cell_centres(48), cell_centres(36), key=key)
    np.testing.assert_allclose(fine[1::3, 1::3], coarse, atol=1e-6)
    with jax.enable_x64(True):
        double = field(cell_centres(16), cell_centres(12), key=key)
        assert double.dtype == jnp.float64
        np.testing.assert_allclose(double, coarse, atol=1e-6)
    assert np.abs(field(nodes(16), nodes(12), key=getkey()) - coarse).max() > 0.01


def test_the_mean_over_the_square_is_zero(getkey):
    # Midpoints integrate cosines of less than twice as many half waves exactly.
    field = GaussianRandomField(modes=CosineModes(20))
    values = field(cell_centres(32), cell_centres(40), key=getkey())
    assert abs(values.mean()) < 1e-6 < values.std()


def test_fields_of_a_batch_of_keys_differ(getkey):
    keys = jax.random.split(getkey(), 3)
    x = cell_centres(8)
    batch = jax.jit(jax.vmap(lambda key: GaussianRandomField()(x, x, key=key)))(keys)
    for values, key in zip(batch, keys, strict=True):
        np.testing.assert_allclose(values, GaussianRandomField()(x, x, key=key), atol=1e-6)
    assert np.abs(batch[0] - batch[1]).max() > 0.01


@pytest.mark.parametrize(
    "make, below", [(smooth_two_valued, 3.0), (rough_two_valued, 2.0)], ids=["smooth", "rough"]
)
def test_two_valued_coefficients_are_the_sign_of_their_field(getkey, make, below):
    coefficient, key = make(), getkey()
    x, y = cell_centres(24), cell_centres(20)
    values = np.asarray(coefficient(x, y, key=key))
    field = np.asarray(coefficient.field(x, y, key=key))
    assert set(np.unique(values)) == {below, 12.0}
    np.testing.assert_array_equal(values == 12.0, field >= 0)


def test_rough_coefficients_have_longer_interfaces(getkey):
    def interface(coefficient: TwoValuedCoefficient, key):
        x = cell_centres(64)
        values = np.asarray(coefficient(x, x, key=key))
        return (np.diff(values, axis=0) != 0).sum() + (np.diff(values, axis=1) != 0).sum()

    keys = jax.random.split(getkey(), 20)
    smooth = np.mean([interface(smooth_two_valued(), key) for key in keys])
    rough = np.mean([interface(rough_two_valued(), key) for key in keys])
    assert rough > 1.2 * smooth


def test_trigonometric_coefficient_is_the_product_of_its_scales(getkey):
    key = getkey()
    x, y = cell_centres(9), cell_centres(7)
    values = TrigonometricCoefficient(3)(x, y, key=key)
    rates = 2.0 ** np.arange(3) * (1 + 0.5 * np.asarray(jax.random.uniform(key, (3,))))
    expected = np.ones((9, 7))
    for i in range(9):
        for j in range(7):
            for rate in rates:
                expected[i, j] *= 1 + 0.5 * np.cos(rate * np.pi * (x[i] + y[j]))
                expected[i, j] *= 1 + 0.5 * np.sin(rate * np.pi * (y[j] - 3 * x[i]))
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    many = TrigonometricCoefficient()(cell_centres(200), cell_centres(200), key=key)
    assert 0.25**6 < many.min() < many.max() < 2.25**6


def test_wave_speed_is_bounded_and_smooth(getkey):
    x = nodes(21)
    speed, key = WaveSpeed(), getkey()
    values = speed(x, x, key=key)
    expected = 20 + np.tanh(np.asarray(speed.field(x, x, key=key)))
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert 19 < values.min() < values.max() < 21
    assert 0.01 < values.std() < 1


def test_wrong_settings_are_refused():
    with pytest.raises(ClosuraxError, match="`alpha` = 0.0 must be positive"):
        GaussianRandomField(alpha=0.0)
    with pytest.raises(ClosuraxError, match="`tau` = -1.0"):
        GaussianRandomField(tau=-1.0)
    with pytest.raises(GridMismatchError, match="`count` is 0"):
        cell_centres(0)
    with pytest.raises(GridMismatchError, match="`count` is 1; .* at least 2"):
        nodes(1)
