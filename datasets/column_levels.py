"""Model levels for a column, and profiles on them."""

import numpy as np

from closurax.physics.column.thermodynamics import GAS_CONSTANT, GRAVITY, HEAT_CAPACITY
from closurax.physics.errors import DataError

_SPACING = (0.37, 0.69, -0.06)


def sigma_interfaces(surface_pressure: float, top: float = 6000.0, layers: int = 40) -> np.ndarray:
    """The pressure in Pa of the interfaces of layers that follow the ground, the ground first.

    The layers are thinnest at the ground, 8 to 9 hPa with 40 of them, and four times as thick at
    the `top` in Pa.

    Raises `DataError` if there are no layers or the top is not above the ground.
    """
    if layers < 2 or not 0 < top < surface_pressure:
        raise DataError(
            f"{layers} layers between {surface_pressure:g} and {top:g} Pa are no column; take at "
            "least two, and a top of less than the surface pressure."
        )
    share = np.arange(layers + 1) / layers
    depth = np.polynomial.polynomial.polyval(share, (0.0, *_SPACING))
    return surface_pressure - (surface_pressure - top) * depth


def middle(interface_pressure: np.ndarray) -> np.ndarray:
    """The pressure of the layers between interfaces: their mean."""
    return 0.5 * (interface_pressure[..., :-1] + interface_pressure[..., 1:])


def interpolate(values: np.ndarray, pressure: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Values over `(..., level)` at other pressures, linear in its logarithm, constant beyond.

    **Arguments:**

    - `values`, `pressure`: over `(..., level)` and `(..., level)` or `(level,)`, the lowest first.
    - `to`: the pressures `(other,)` in the units of `pressure`.
    """
    values = np.asarray(values, float)
    pressure = np.broadcast_to(np.asarray(pressure, float), values.shape)
    rows = zip(
        values.reshape(-1, values.shape[-1]), pressure.reshape(-1, values.shape[-1]), strict=True
    )
    wanted = -np.log(to)
    result = [np.interp(wanted, -np.log(p), row) for row, p in rows]
    return np.stack(result).reshape(*values.shape[:-1], to.size)


def hydrostatic_pressure(
    height: np.ndarray, virtual_potential_temperature: np.ndarray, surface_pressure: float
) -> np.ndarray:
    r"""The pressure in Pa at heights, from $\mathrm{d}\Pi / \mathrm{d}z = -g / (c_p \theta_v)$.

    **Arguments:**

    - `height`: in m, from the ground on, where the pressure is `surface_pressure` in Pa.
    - `virtual_potential_temperature`: in K, at these heights; linear in between.
    """
    inverse = 1 / virtual_potential_temperature
    steps = np.diff(height) * 0.5 * (inverse[1:] + inverse[:-1])
    kappa = GAS_CONSTANT / HEAT_CAPACITY
    exner = (surface_pressure / 1e5) ** kappa - GRAVITY / HEAT_CAPACITY * np.concatenate(
        [[0.0], np.cumsum(steps)]
    )
    return 1e5 * exner ** (1 / kappa)
