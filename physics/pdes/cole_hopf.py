import math

import numpy as np
from jaxtyping import Float

from ..errors import ClosuraxError

# Below exp(-_NEGLIGIBLE) of the largest, integrands do not count in double precision.
_NEGLIGIBLE = 45.0
_POINTS_PER_WIDTH = 3.0


def cole_hopf(
    x: Float[np.ndarray, "*points"],
    time: float,
    *,
    viscosity: float,
    amplitude: float = 1.0,
    wavenumber: float = 1.0,
) -> Float[np.ndarray, "*points"]:
    r"""The exact solution of Burgers' equation from $u_0 = A \sin(k x)$, in double precision.

    With the transformation of Hopf (1950, Comm. Pure Appl. Math. 3, 201) and Cole (1951, Q. Appl.
    Math. 9, 225) the velocity is a mean of the initial one,

    $$u(x, t) = \frac{\int u_0(y) e^{-G / 2 \nu} \, dy}{\int e^{-G / 2 \nu} \, dy}, \qquad
    G(y) = \frac{(x - y)^2}{2 t} + \frac{A}{k} (1 - \cos k y).$$

    The weights are positive, so nothing cancels, and the largest one is taken out of the
    exponential, so nothing overflows. They are analytic: the trapezoidal rule with three points
    to the width of the narrowest peak, or to a radian of the sine, is exact to rounding.

    **Arguments:**

    - `x`: in m.
    - `time`: in s, not negative.
    - `viscosity`: in m2 s-1, positive. The number of quadrature points grows as its root falls.
    - `amplitude`: $A$ in m s-1.
    - `wavenumber`: $k$ in rad m-1, positive.

    Raises `ClosuraxError` for a time, viscosity or wavenumber outside of that.
    """
    if time < 0 or viscosity <= 0 or wavenumber <= 0:
        raise ClosuraxError(
            f"`time` = {time} must not be negative, `viscosity` = {viscosity} and `wavenumber` = "
            f"{wavenumber} must be positive."
        )
    x = np.asarray(x, np.float64)
    if time == 0:
        return amplitude * np.sin(wavenumber * x)
    # The potential varies by 2 A / k: what lies further away than this cannot count.
    height = 2 * abs(amplitude) / wavenumber
    reach = math.sqrt(2 * time * (height + 2 * viscosity * _NEGLIGIBLE))
    peak = math.sqrt(2 * viscosity / (1 / time + abs(amplitude) * wavenumber))
    width = min(peak, 1 / wavenumber)
    count = math.ceil(reach / width * _POINTS_PER_WIDTH)
    offset = np.linspace(-reach, reach, 2 * count + 1)

    velocity = np.empty(x.shape)
    # Point by point: the quadrature points of all of them at once may not fit into memory.
    for index in np.ndindex(x.shape):
        phase = wavenumber * (x[index] + offset)
        exponent = -(offset**2 / (2 * time) - amplitude / wavenumber * np.cos(phase))
        weight = np.exp((exponent - exponent.max()) / (2 * viscosity))
        velocity[index] = amplitude * np.dot(weight, np.sin(phase)) / weight.sum()
    return velocity
