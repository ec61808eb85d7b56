"""The memory of convection against a plain loop with the rules of WRF."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.column import AbstractConvection, PersistentConvection
from closurax.physics.column.convection import SCALARS, TENDENCIES

LEVELS = 5


class Ascending(AbstractConvection):
    """Where the mean ascent is strong it sets in, for longer the stronger it is."""

    def tendencies(self, inputs):
        ascent = jnp.max(inputs["mean_vertical_velocity"])
        step = inputs["time_step"]
        starts = ascent > 0.1
        lifetime = jnp.where(starts, step * jnp.round(3 + 20 * jnp.minimum(ascent, 0.5)), 0.0)
        profile = jnp.where(starts, inputs["mean_vertical_velocity"] * 1e-4, 0.0)
        scalars = {quantity.name: jnp.where(starts, ascent, 0.0) for quantity in SCALARS}
        return {
            **{quantity.name: profile for quantity in TENDENCIES},
            **scalars,
            "convective_lifetime": lifetime,
        }


def column(velocity, time_step):
    names = ("air_pressure", "air_temperature", "vapour_mixing_ratio", "eastward_wind",
             "northward_wind", "air_density", "layer_thickness")  # fmt: skip
    profiles = {name: jnp.ones(LEVELS) for name in names}
    surface = {name: jnp.ones(()) for name in ("grid_spacing", "friction_velocity",
               "sensible_heat_flux", "boundary_layer_height", "stability_parameter")}  # fmt: skip
    return {
        **profiles,
        **surface,
        "vertical_velocity": velocity,
        "time_step": jnp.asarray(time_step, jnp.float32),
    }


@pytest.mark.parametrize("time_step", [20.0, 60.0, 300.0, 450.0])
def test_it_follows_the_rules_of_wrf(time_step):
    rng = np.random.default_rng(int(time_step))
    steps = 200
    gusts = np.abs(rng.normal(size=(steps, 1))) * np.sin(np.arange(steps) / 15)[:, None]
    velocity = (gusts * np.linspace(0, 1, LEVELS + 1)).astype(np.float32)
    convection = PersistentConvection(Ascending())
    start = convection.initial_carry(column(jnp.asarray(velocity[0]), time_step))

    @jax.jit
    def run(velocity):
        def step(memory, velocity):
            result, memory = convection(column(velocity, time_step), memory)
            return memory, (result, memory.mean_vertical_velocity)

        return jax.lax.scan(step, start, velocity)[1]

    result, mean = jax.tree_util.tree_map(np.asarray, run(jnp.asarray(velocity)))

    calls = max(1, round(300.0 / time_step))
    average = np.zeros(LEVELS)
    left = 0.0
    held = np.zeros(LEVELS)
    calm = called = 0
    for i in range(steps):
        layers = 0.5 * (velocity[i, :-1] + velocity[i, 1:])
        average = ((2 * calls - 1) * average + layers) / (2 * calls)
        np.testing.assert_allclose(mean[i], average, rtol=1e-4, atol=1e-6)
        calls_scheme = left < 0.5 * time_step
        assert result["scheme_called"][i] == calls_scheme
        if calls_scheme:
            ascent = mean[i].max()
            left = time_step * np.round(3 + 20 * min(ascent, 0.5)) if ascent > 0.1 else 0.0
            held = mean[i] * 1e-4 if ascent > 0.1 else np.zeros(LEVELS)
            called += 1
        np.testing.assert_allclose(result["vapour_tendency"][i], held, rtol=1e-6, atol=1e-12)
        calm += left == 0
        if left > 0 and round(left / time_step) <= 1:
            held = np.zeros(LEVELS)
        left -= time_step
    # Both kinds of step occur: calls in calm air, and steps that hold what they have.
    assert calm > 5
    assert called - calm < steps - called
