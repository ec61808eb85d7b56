"""Convective momentum transport: Zhang and Cho 1991, Wu and Yanai 1994, Zhang and McFarlane 1995.

Here arrays run from the top of the column down, as in those papers, and what belongs to an
interface carries the index of the layer below it. Mass fluxes are in hPa s-1.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from ..thermodynamics import GAS_CONSTANT, HEAT_CAPACITY
from .plume_physics import safe_sqrt

_GRAVITY = 9.8
_CLOUD_RADIUS, _OUTER_RADIUS = 3e3, 5e4
_CHI = 3.8317 / _CLOUD_RADIUS
_SHAPE, _FACTOR = 0.8, 0.179503
# Of the first ten zeros of J1: integrals over the cloud, and J0, J1 there.
_ALPHA_1 = np.array([4.33675e-05, 7.88429e-05, 1.13065e-04, 1.45836e-04, 1.76823e-04,
                     2.05660e-04, 2.32101e-04, 2.55829e-04, 2.76672e-04, 2.94347e-04])  # fmt: skip
_ALPHA_2 = -np.array([8.64731e-05, 1.56092e-04, 2.21315e-04, 2.80995e-04, 3.33799e-04,
                      3.78455e-04, 4.14020e-04, 4.39600e-04, 4.54652e-04, 4.58761e-04])  # fmt: skip
_J0 = np.array([-4.02759e-01, 3.00116e-01, -2.49705e-01, 2.18359e-01, -1.96465e-01,
                1.80062e-01, -1.67183e-01, 1.56722e-01, -1.48011e-01, 1.40605e-01])  # fmt: skip
_J1 = np.array([1.14193e-01, 2.05841e-01, 2.91209e-01, 3.68619e-01, 4.36201e-01,
                4.92233e-01, 5.35486e-01, 5.64886e-01, 5.79879e-01, 5.80195e-01])  # fmt: skip
_ZEROS = np.array([3.83170, 7.01560, 10.1735, 13.3237, 16.4705,
                   19.6120, 22.7560, 25.8980, 29.0480, 32.1926])  # fmt: skip
_J0_CHI = -0.402759


class Drafts(NamedTuple):
    """Both drafts and the environment, `(level,)` from the top down."""

    base: Int[Array, ""]
    top: Int[Array, ""]
    downdraft_start: Int[Array, ""]
    pressure: Float[Array, " level"]
    """In hPa, as is the thickness."""
    pressure_thickness: Float[Array, " level"]
    temperature: Float[Array, " level"]
    mixing_ratio: Float[Array, " level"]
    height: Float[Array, " level"]
    upper_height: Float[Array, " level"]
    thickness: Float[Array, " level"]
    updraft_temperature: Float[Array, " level"]
    updraft_mixing_ratio: Float[Array, " level"]
    downdraft_temperature: Float[Array, " level"]
    downdraft_mixing_ratio: Float[Array, " level"]
    updraft_flux: Float[Array, " level"]
    downdraft_flux: Float[Array, " level"]
    entrainment: Float[Array, " level"]
    """Into both drafts together, in hPa m-1 s-1."""
    wind: Float[Array, "2 level"]


def momentum_tendencies(drafts: Drafts) -> Float[Array, "2 level"]:
    """The tendencies of both wind components in m s-2, from the top down."""
    d = drafts
    levels = jnp.arange(d.pressure.size)
    density = 100 * d.pressure / (GAS_CONSTANT * d.temperature)
    density_hat = _at_upper_interface(density)
    layer_distance = jnp.concatenate(
        [d.upper_height[:1] - d.height[:1], d.height[:-1] - d.height[1:]]
    )
    thickness = jnp.concatenate(
        [
            d.upper_height[:-1] - d.upper_height[1:],
            d.pressure_thickness[-1:] * 100 / (density[-1:] * _GRAVITY),
        ]
    )
    wind_hat = _at_upper_interface(d.wind)
    flux = d.updraft_flux + d.downdraft_flux
    flux_below = _next(flux)

    in_cloud = (levels >= d.top) & (levels < d.base)
    mean_wind = jnp.sum(
        jnp.where(in_cloud, d.pressure / d.temperature * thickness, 0.0)[None] * d.wind, axis=-1
    )
    speed = safe_sqrt(jnp.sum(mean_wind**2))
    direction = mean_wind / jnp.where(speed > 0, speed, 1.0)

    to_kg = 100 / _GRAVITY
    updraft_area = jnp.where(
        levels >= d.top, d.updraft_flux[d.base] * to_kg / density_hat[d.base], 0.0
    )
    start = d.downdraft_start
    downdraft_area = jnp.where(
        levels >= start, -d.downdraft_flux[start] * to_kg / density_hat[start], 0.0
    )
    area = updraft_area + downdraft_area
    has_area = area > 0
    safe_area = jnp.where(has_area, area, 1.0)
    velocity = jnp.where(has_area, flux * to_kg / (density_hat * safe_area), 0.0)
    area_mid, velocity_mid = _in_layer(area), _in_layer(velocity)
    up_mid, down_mid = _in_layer(updraft_area), _in_layer(downdraft_area)
    covers = area_mid > 0
    safe_mid = jnp.where(covers, area_mid, 1.0)
    per_volume = to_kg / (density * thickness * safe_mid)
    divergence = jnp.where(
        in_cloud & covers,
        (flux_below - flux) * per_volume,
        jnp.where((levels == d.base) & covers, -flux * per_volume, 0.0),
    )
    both = in_cloud & covers & (down_mid > 0) & (up_mid > 0)
    up_change = (d.updraft_flux - _next(d.updraft_flux)) * to_kg
    down_change = (d.downdraft_flux - _next(d.downdraft_flux)) * to_kg
    asymmetry = down_mid / (safe_mid * density) / _CHI**2 * (_SHAPE / _FACTOR)
    asymmetry = asymmetry * (
        up_change / (jnp.where(both, up_mid, 1.0) * thickness)
        - down_change / (jnp.where(both, down_mid, 1.0) * thickness)
    )
    asymmetry = jnp.where(both, asymmetry, 0.0)
    divergence_hat, asymmetry_hat = _half_sum(divergence), _half_sum(asymmetry)

    tilted = (levels >= start) & (levels <= d.base) & (updraft_area > 0) & (downdraft_area > 0)
    tilted = tilted & has_area
    share = downdraft_area / safe_area * (_SHAPE / _FACTOR)
    first_velocity = jnp.where(
        tilted,
        share
        * to_kg
        / density_hat
        * (
            d.updraft_flux / jnp.where(tilted, updraft_area, 1.0)
            - d.downdraft_flux / jnp.where(tilted, downdraft_area, 1.0)
        ),
        0.0,
    )
    up_buoyancy, down_buoyancy = _buoyancies(d)
    first_buoyancy = jnp.where(tilted, share * (up_buoyancy - down_buoyancy), 0.0)
    first_mid = _in_layer(first_velocity)

    log_density = jnp.log(density)
    distance_below = jnp.concatenate([layer_distance[1:], layer_distance[-1:]])
    curvature = (
        _previous(log_density) / (thickness * layer_distance)
        - (1 / layer_distance + 1 / distance_below) / thickness * log_density
        + _next(log_density) / (thickness * distance_below)
    )
    shear = (wind_hat - _next(wind_hat)) / thickness[None]
    along = direction[:, None]
    active = in_cloud & (flux > 0) & (flux_below > 0)
    # Each term of the pressure equation is a profile times a constant of the harmonic.
    with_alpha_1 = (
        divergence * asymmetry * _CHI**2
        - 2
        * (
            (velocity - _next(velocity)) * (first_velocity - _next(first_velocity)) / thickness**2
            - velocity_mid * first_mid * curvature
        )
        + (density_hat * first_buoyancy - _next(density_hat) * _next(first_buoyancy))
        / (thickness * density)
    )
    tilt = (asymmetry_hat - _next(asymmetry_hat)) / thickness * (_CHI * _J0_CHI)
    with_j1 = (tilt[None] * along + shear) * velocity_mid[None]
    with_j1 = with_j1 * (2 * _CLOUD_RADIUS / _OUTER_RADIUS**2)
    with_difference = -(divergence_hat - _next(divergence_hat)) / thickness * first_mid
    dtype = density.dtype
    alpha_1, alpha_2 = (jnp.asarray(a, dtype)[:, None, None] for a in (_ALPHA_1, _ALPHA_2))
    j0, j1 = (jnp.asarray(a, dtype)[:, None, None] for a in (_J0, _J1))
    forcing = (
        (with_alpha_1[None] * along)[None] * alpha_1
        + with_j1[None] * j1
        + (with_difference[None] * along)[None] * (alpha_2 - alpha_1)
    )
    weight = jnp.where(active, 2 * density, 0.0)
    forcing = weight[None, None] * forcing / j0**2
    edge = 2 * direction[None] * (alpha_1 / j0**2)[..., 0]
    forcing = forcing.at[..., 0].set(first_buoyancy[1] * edge)
    forcing = forcing.at[..., -1].set(first_buoyancy[-1] * edge)
    pressure = _solve(forcing, thickness, layer_distance, distance_below)
    gradient = jnp.sum(pressure * j1, axis=0) / _CLOUD_RADIUS
    gradient = (area_mid / density)[None] * gradient

    mean_flux = jnp.where(active, (flux + flux_below) * 0.5 * to_kg, 1.0)
    mixes = active & (levels > d.top)
    factor = density * thickness / mean_flux

    def rise(below, layer):
        mixes, factor, entrainment, wind, wind_hat, gradient = layer
        inside = below + factor * (entrainment * (wind - below) - gradient)
        inside = jnp.where(mixes, inside, wind_hat)
        return inside, inside

    layers = (mixes, factor, d.entrainment, d.wind.T, wind_hat.T, gradient.T)
    lowest = wind_hat[:, -1]
    rest = tuple(value[:-1] for value in layers)
    _, inside = lax.scan(rise, lowest, rest, reverse=True)
    cloud_wind = jnp.concatenate([inside, lowest[None]]).T
    carried = flux[None] * (cloud_wind - wind_hat)
    above_top = (levels == d.top)[None]
    tendency = _next(carried) - jnp.where(above_top, 0.0, carried)
    return jnp.where(in_cloud[None], tendency / d.pressure_thickness[None], 0.0)


def _buoyancies(d: Drafts) -> tuple[Float[Array, " level"], Float[Array, " level"]]:
    potential = _GRAVITY * d.upper_height / HEAT_CAPACITY
    lapse = 9.81 * d.upper_height  # the scheme's own energies use its own gravity

    def energy(temperature, humidity):
        return HEAT_CAPACITY * temperature * (1 + 0.622 * humidity) + lapse

    humidity = d.mixing_ratio / (1 + d.mixing_ratio)
    around = HEAT_CAPACITY * d.temperature * (1 + 0.622 * d.mixing_ratio) + lapse
    around_hat, humidity_hat = _at_upper_interface(around), _at_upper_interface(humidity)
    reference = around_hat - potential

    def buoyancy(temperature, mixing_ratio):
        vapour = mixing_ratio / (1 + mixing_ratio)
        inside = energy(temperature, vapour)
        excess = inside - around_hat
        moist = vapour * (inside - potential) - humidity_hat * reference
        return (excess + 0.608 * moist) / (reference * (1 + 0.608 * humidity_hat)) * _GRAVITY

    return (
        buoyancy(d.updraft_temperature, d.updraft_mixing_ratio),
        buoyancy(d.downdraft_temperature, d.downdraft_mixing_ratio),
    )


def _solve(forcing, thickness, distance, distance_below):
    """The tridiagonal systems of all harmonics, by elimination from the top down and back."""
    decay = jnp.asarray((_ZEROS / _OUTER_RADIUS) ** 2, forcing.dtype)
    above = 1 / (thickness * distance)
    below = 1 / (thickness * distance_below)
    diagonal = -((1 / distance + 1 / distance_below) / thickness)[:, None] - decay[None]
    above = above.at[-1].set(1 / distance[-1])
    diagonal = diagonal.at[-1].set(-1 / distance[-1])
    below = below.at[-1].set(0.0)
    first_diagonal = jnp.broadcast_to(1 / distance[1], decay.shape)
    right = jnp.moveaxis(forcing, -1, 0)
    start = (-(1 / distance[1]) / first_diagonal, right[0] / first_diagonal[:, None])

    def eliminate(carry, row):
        ratio, value = carry
        above, diagonal, below, right = row
        pivot = diagonal - above * ratio
        new = (below / pivot, (right - above * value) / pivot[:, None])
        return new, new

    rows = (above[1:], diagonal[1:], below[1:], right[1:])
    _, (ratios, values) = lax.scan(eliminate, start, rows)
    ratios = jnp.concatenate([start[0][None], ratios])
    values = jnp.concatenate([start[1][None], values])

    def substitute(lower, row):
        ratio, value = row
        solution = value - ratio[:, None] * lower
        return solution, solution

    _, solution = lax.scan(substitute, jnp.zeros_like(right[0]), (ratios, values), reverse=True)
    return jnp.moveaxis(solution, 0, -1)


def _at_upper_interface(values):
    return jnp.concatenate([values[..., :1], 0.5 * (values[..., :-1] + values[..., 1:])], axis=-1)


def _half_sum(values):
    return 0.5 * (values + _previous(values, 0.0))


def _in_layer(values):
    return 0.5 * (values + jnp.concatenate([values[1:], jnp.zeros_like(values[:1])]))


def _next(values):
    return jnp.concatenate([values[..., 1:], values[..., -1:]], axis=-1)


def _previous(values, first=None):
    lead = values[..., :1] if first is None else jnp.full_like(values[..., :1], first)
    return jnp.concatenate([lead, values[..., :-1]], axis=-1)
