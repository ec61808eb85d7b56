"""The exact solution of Burgers' equation against a series, a published number and limits."""

import numpy as np
import pytest
import scipy.special

from closurax.physics.errors import ClosuraxError
from closurax.physics.pdes import cole_hopf

X = np.linspace(0, 2 * np.pi, 41)


def bessel_series(x, time, viscosity, amplitude, wavenumber):
    """Cole's solution with modified Bessel functions; it loses digits at small viscosities."""
    z = amplitude / (2 * viscosity * wavenumber)
    n = np.arange(1, 80)[:, None]
    weight = scipy.special.ive(n, z) * np.exp(-viscosity * (n * wavenumber) ** 2 * time)
    above = 4 * viscosity * wavenumber * np.sum(n * weight * np.sin(n * wavenumber * x), axis=0)
    # exp(z cos kx) for exp(-U / 2 nu) with U = -(A / k) cos kx.
    return above / (scipy.special.ive(0, z) + 2 * np.sum(weight * np.cos(n * wavenumber * x), 0))


@pytest.mark.parametrize(
    "viscosity, amplitude, wavenumber", [(0.2, 1.0, 1.0), (0.5, 3.0, 2.0), (20.0, 1.0, 3.0)]
)
@pytest.mark.parametrize("time", [0.01, 0.7, 4.0, 40.0])
def test_equals_the_bessel_series(viscosity, amplitude, wavenumber, time):
    exact = bessel_series(X, time, viscosity, amplitude, wavenumber)
    velocity = cole_hopf(X, time, viscosity=viscosity, amplitude=amplitude, wavenumber=wavenumber)
    np.testing.assert_allclose(velocity, exact, rtol=0, atol=1e-13 * amplitude)


def test_steepest_slope_is_the_published_one():
    """Basdevant et al. 1986, Comput. Fluids 14, 23: 152.00516 at 1.6037 / pi."""
    step = 1e-5
    near, far = cole_hopf(
        np.array([step, 2 * step]),
        1.6037 / np.pi,
        viscosity=0.01 / np.pi,
        amplitude=-1.0,
        wavenumber=np.pi,
    )
    assert (far - 8 * near) / (6 * step) == pytest.approx(152.00516, abs=1e-5)


def test_small_viscosities_neither_overflow_nor_differ_from_characteristics():
    """Before the shock at t = 1 the inviscid solution is constant along its characteristics."""
    start = np.linspace(0, 2 * np.pi, 17)
    time = 0.5
    x = start + time * np.sin(start)
    errors = [
        np.abs(cole_hopf(x, time, viscosity=viscosity) - np.sin(start)).max()
        for viscosity in (1e-4, 1e-5)
    ]
    assert errors[1] < 1e-4
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.02)
    # Long after, saw-teeth of slope 1 / t between the shocks.
    later = cole_hopf(np.array([-0.1, 0.1, 3.0]), 1000.0, viscosity=1e-5)
    np.testing.assert_allclose(later, np.array([-0.1, 0.1, 3.0]) / 1000, rtol=2e-3)


def test_starts_from_the_sine_and_refuses_nonsense():
    np.testing.assert_allclose(cole_hopf(X, 0.0, viscosity=0.1, amplitude=2.0), 2 * np.sin(X))
    near_zero = cole_hopf(X, 1e-12, viscosity=0.1, amplitude=2.0)
    np.testing.assert_allclose(near_zero, 2 * np.sin(X), atol=1e-11)
    for wrong in (dict(time=-1.0), dict(viscosity=0.0), dict(wavenumber=-2.0)):
        with pytest.raises(ClosuraxError, match="must be positive"):
            cole_hopf(X, **{"time": 1.0, "viscosity": 0.1, **wrong})
