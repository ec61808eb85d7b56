"""Six days of DYNAMO with the recorded convection, against the run that recorded it."""

from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.datasets import open_column_case
from closurax.physics.column import (
    AbstractConvection,
    AtmosphericColumn,
    PersistentConvection,
    recorded_convection,
)
from closurax.physics.coupling import Sum

FILE = Path(__file__).parents[4] / "shared" / "data" / "mskf_scm_dynamo_train.nc"

pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason="needs the DYNAMO single-column run, which does not ship"
)


@pytest.fixture(scope="module")
def case():
    return open_column_case(FILE)


def run(case, steps=4319):
    model = AtmosphericColumn.from_case(case).replace(convection=recorded_convection(case))
    return model.run(
        model.case_state(case), steps * 120.0, save_every=120.0, dt=120.0, progress=False
    )


def check(dataset, case, temperature, vapour, velocity, rain):
    steps = dataset.sizes["time"]
    reference = case.isel(time=slice(steps))
    for name, other, tolerance in (
        ("air_temperature", "reference_air_temperature", temperature),
        ("humidity_mixing_ratio", "reference_vapour_mixing_ratio", vapour),
        ("upward_air_velocity", "reference_vertical_velocity", velocity),
        ("eastward_wind", "target_eastward_wind", 1e-6),
        ("convection_class", "recorded_convection_class", 0),
    ):
        np.testing.assert_allclose(dataset[name], reference[other], atol=tolerance, rtol=0)
    for kind, other in (("grid_scale", "reference_grid_scale"), ("convective", "recorded")):
        np.testing.assert_allclose(
            dataset[f"{kind}_precipitation_rate"][1:],
            reference[f"{other}_precipitation_rate"][:-1],
            atol=rain, rtol=0,
        )  # fmt: skip


def test_one_step_from_every_state_of_the_first_day(case, x64):
    """From the state that the file holds, one step leads to the next, to the file's rounding."""
    model = AtmosphericColumn.from_case(case).replace(convection=recorded_convection(case))
    temperature = case["reference_air_temperature"].values
    vapour = case["reference_vapour_mixing_ratio"].values

    @eqx.filter_jit
    def step(t, v, u, w, n):
        state = model.initial_state(t, v, u, w)
        states, _ = model.trajectory(
            state, 120.0, save_every=120.0, dt=120.0, start=120.0 * n,
            memory={"convection": n},
        )  # fmt: skip
        return states.temperature[-1], states.vapour[-1]

    for n in (0, 1, 100, 500, 719):
        winds = [case[f"target_{name}_wind"].values[n] for name in ("eastward", "northward")]
        moved = step(temperature[n], vapour[n], *winds, jnp.asarray(float(n)))
        # Half a unit in the last place of 32 bits: 1.5e-5 K and 9e-10, at both ends.
        np.testing.assert_allclose(moved[0], temperature[n + 1], atol=4e-5, rtol=0)
        np.testing.assert_allclose(moved[1], vapour[n + 1], atol=6e-9, rtol=0)


class Nothing(AbstractConvection):
    """Convection that is called, and does nothing."""

    def tendencies(self, inputs):
        profile, scalar = inputs["air_temperature"], inputs["time_step"]
        return {
            quantity.name: jnp.zeros_like(profile if "tendency" in quantity.name else scalar)
            for quantity in self.returns
        }


def test_the_running_mean_of_the_vertical_velocity(case, x64):
    """What `PersistentConvection` remembers is what the recorded scheme was given."""
    both = Sum(recorded_convection(case), PersistentConvection(Nothing()))
    model = AtmosphericColumn.from_case(case).replace(convection=both)
    _, memory = model.trajectory(model.case_state(case), 43200.0, save_every=43200.0, dt=120.0)
    expected = case["reference_mean_vertical_velocity"].values[360]
    assert np.abs(expected).max() > 0.02
    mean = memory["convection"][1].mean_vertical_velocity
    np.testing.assert_allclose(mean, expected, atol=1e-7, rtol=0)


def test_a_day_in_single_precision(case):
    check(run(case, 720), case, 2e-3, 1e-6, 1e-6, 1e-6)


@pytest.mark.slow
def test_six_days(case, x64):
    """The run follows the file to the rounding of what it stores."""
    check(run(case), case, 4e-5, 3e-9, 1e-7, 1e-8)


@pytest.mark.slow
def test_six_days_in_single_precision(case):
    check(run(case), case, 2e-3, 1e-6, 1e-6, 1e-6)
