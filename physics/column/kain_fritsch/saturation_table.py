"""Temperature and mixing ratio of saturated air by interpolation in a table.

The scheme finds the temperature of a parcel from its equivalent potential temperature. WRF
interpolates in a table for that, and its triggers depend on interpolation errors of a
hundredth of a kelvin; so the same nodes are used here.
"""

from functools import cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..thermodynamics import SATURATION_OFFSET, SATURATION_POLE, SATURATION_SCALE, SATURATION_SLOPE

_PRESSURES, _THETAS = 220, 250
_TOP_PRESSURE, _BOTTOM_PRESSURE = 5e3, 1.1e5
_LOWEST_TEMPERATURE = 150.0
_LOG_START, _LOG_STEP, _LOGS = 1e-3, 0.075, 200
_PER_PASCAL = np.float32(1) / (
    np.float32(_BOTTOM_PRESSURE - _TOP_PRESSURE) / np.float32(_PRESSURES - 1)
)


class PressureNodes(NamedTuple):
    """Where pressures lie between the nodes of the table."""

    row: Int[Array, "*shape"]
    fraction: Float[Array, "*shape"]
    lowest_theta: Float[Array, "*shape"]
    """The equivalent potential temperature in K of the first column of the table."""


def pressure_nodes(pressure: Float[Array, "*shape"]) -> PressureNodes:
    """The place in the table of pressures in Pa, clipped to 50 to 1100 hPa."""
    lowest = jnp.asarray(_tables()[1], pressure.dtype)
    position = (pressure - _TOP_PRESSURE) * float(_PER_PASCAL)
    row = jnp.clip(position.astype(jnp.int32), 0, _PRESSURES - 2)
    fraction = position - row.astype(pressure.dtype)
    below = lowest[row]
    return PressureNodes(row, fraction, (lowest[row + 1] - below) * fraction + below)


def saturated(
    nodes: PressureNodes, theta_e: Float[Array, "*shape"]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Temperature in K and mixing ratio in kg kg-1 of saturated air of `theta_e` in K."""
    table = jnp.asarray(_tables()[0], theta_e.dtype)
    position = theta_e - nodes.lowest_theta
    column = jnp.clip(position.astype(jnp.int32), 0, _THETAS - 2)
    across = position - column.astype(theta_e.dtype)
    corners = table[nodes.row * (_THETAS - 1) + column]
    temperature = _bilinear(corners[..., :4], across, nodes.fraction)
    return temperature, _bilinear(corners[..., 4:], across, nodes.fraction)


def log_vapour_ratio(ratio: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The logarithm of vapour pressure over 611.2 Pa, linear between nodes 0.075 apart."""
    nodes = jnp.asarray(log_nodes(), ratio.dtype)
    index = jnp.clip(((ratio - _LOG_START) / _LOG_STEP).astype(jnp.int32), 0, _LOGS - 2)
    start = index.astype(ratio.dtype) * _LOG_STEP + _LOG_START
    across = (ratio - start) / _LOG_STEP
    return across * nodes[index + 1] + (1 - across) * nodes[index]


def _bilinear(corners, across, along):
    lower, right, upper, corner = (corners[..., i] for i in range(4))
    mixed = (lower - right - upper + corner) * across * along
    return lower + (right - lower) * across + (upper - lower) * along + mixed


@cache
def log_nodes() -> Float[np.ndarray, " log"]:
    """The logarithms at the nodes of `log_vapour_ratio`."""
    start = np.float32(_LOG_START) - np.float32(_LOG_STEP)
    steps = np.full(_LOGS, _LOG_STEP, np.float32)
    return np.log(np.cumsum(np.concatenate([[start], steps]), dtype=np.float32)[1:])


@cache
def _tables() -> tuple[Float[np.ndarray, "cell corner"], Float[np.ndarray, " pressure"]]:
    """The corners of every cell, temperatures first, and the lowest theta-e at each pressure."""
    one = np.float32(1)
    step = np.float32(_BOTTOM_PRESSURE - _TOP_PRESSURE) / np.float32(_PRESSURES - 1)
    start = np.float32(_TOP_PRESSURE) - step
    increments = np.concatenate([[start], np.full(_PRESSURES, step, np.float32)])
    pressure = np.cumsum(increments, dtype=np.float32)[1:]

    def saturated_theta_e(temperature):
        es = np.float32(SATURATION_SCALE) * np.exp(
            (np.float32(SATURATION_SLOPE) * temperature - np.float32(SATURATION_OFFSET))
            / (temperature - np.float32(SATURATION_POLE))
        )
        qs = np.float32(0.622) * es / (pressure - es)
        exner = (np.float32(1e5) / pressure) ** (np.float32(0.2854) * (one - np.float32(0.28) * qs))
        heating = (np.float32(3374.6525) / temperature - np.float32(2.5403)) * qs
        return temperature * exner * np.exp(heating * (one + np.float32(0.81) * qs)), qs

    temperature = np.full(_PRESSURES, _LOWEST_TEMPERATURE, np.float32)
    lowest, mixing_ratio = saturated_theta_e(temperature)
    table = np.empty((_THETAS, _PRESSURES, 2), np.float32)
    for index in range(_THETAS):
        target = lowest + np.float32(index)
        # A secant search with the tolerance of 0.001 K that fixes the nodes to rounding.
        before, error_before = temperature, saturated_theta_e(temperature)[0] - target
        now = before - np.float32(0.5) * error_before
        for _ in range(11):
            theta, mixing_ratio = saturated_theta_e(now)
            error = theta - target
            found = np.abs(error) < np.float32(1e-3)
            change = np.where(found, one, error - error_before)
            following = now - error * (now - before) / np.where(change == 0, one, change)
            before = np.where(found, before, now)
            error_before = np.where(found, error_before, error)
            now = np.where(found, now, following)
            if found.all():
                break
        temperature = now
        table[index] = np.stack([temperature, mixing_ratio], axis=-1)
    nodes = np.moveaxis(table, 0, 1)  # pressure, theta, quantity
    corners = [nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, :-1], nodes[1:, 1:]]
    cells = np.stack(corners, axis=-1).reshape(-1, 2, 4)
    return np.ascontiguousarray(cells.reshape(-1, 8)), lowest
