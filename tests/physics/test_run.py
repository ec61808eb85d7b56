"""`run`: labels, members, restarts, step control, and what happens at a blow-up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics import AbstractMemorylessScheme, AbstractScheme, Quantity
from closurax.physics.errors import BlowUpError, ClosuraxError, GridMismatchError
from closurax.physics.solvers import CFL, ETDRK4, OncePerStep
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity, random_vorticity

GRID = SpectralGrid(16)
MODEL = BarotropicVorticity(GRID, viscosity=0.01)
RUN = dict(save_every=0.1, dt=0.02, progress=False)


class Damping(AbstractMemorylessScheme):
    rate: float = 1.0
    reads = (Quantity("vorticity", "s-1"),)
    returns = (Quantity("vorticity_tendency", "s-2"),)

    def tendencies(self, inputs):
        return {"vorticity_tendency": -self.rate * inputs["vorticity"]}


class CallCounter(AbstractScheme):
    """Its tendency is a single mode that grows with the number of calls so far."""

    reads = (Quantity("vorticity", "s-1"),)
    returns = (Quantity("vorticity_tendency", "s-2"),)

    def initial_carry(self, inputs):
        return jnp.zeros(())

    def __call__(self, inputs, carry):
        mode = jnp.asarray(np.cos(GRID.x)[:, None] * np.ones((1, GRID.ny)), carry.dtype)
        return {"vorticity_tendency": carry * mode}, carry + 1


@pytest.fixture(scope="module")
def members():
    fields = [random_vorticity(GRID, jax.random.key(seed), peak_wavenumber=2.0) for seed in (0, 1)]
    return MODEL.initial_state(jnp.stack(fields))


@pytest.fixture(scope="module")
def dataset(members):
    return MODEL.run(members, 0.4, **RUN, attrs={"experiment": "test"})


def test_dataset_is_labelled(dataset, members):
    assert dict(dataset.sizes) == {"member": 2, "time": 5, "x": 16, "y": 16}
    vorticity = dataset["vorticity"]
    assert vorticity.dims == ("member", "time", "x", "y") and vorticity.dtype == np.float32
    assert vorticity.attrs["units"] == "s-1"
    assert vorticity.attrs["standard_name"] == "atmosphere_relative_vorticity"
    assert all("long_name" in dataset[name].attrs for name in ("vorticity", "x", "y", "time"))
    np.testing.assert_allclose(dataset["time"], [0.0, 0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(dataset["x"], GRID.x)
    assert dataset.attrs["experiment"] == "test"
    assert {"source", "model", "solver", "time_step"} <= set(dataset.attrs)
    assert np.isnan(dataset["blow_up_time"]).all()
    np.testing.assert_allclose(vorticity[1, 0], MODEL.vorticity(members[1]), atol=1e-5)


def test_dataset_survives_netcdf(dataset, tmp_path):
    import xarray as xr

    dataset.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", decode_timedelta=False) as back:
        xr.testing.assert_identical(back.load(), dataset)


def test_a_single_run_equals_the_member(dataset, members):
    single = MODEL.run(members[1], 0.4, **RUN)
    assert single["vorticity"].dims == ("time", "x", "y")
    np.testing.assert_allclose(single["vorticity"], dataset["vorticity"].isel(member=1), atol=2e-4)


def test_restart_from_the_end_equals_the_uninterrupted_run(dataset, members):
    first = MODEL.run(members, 0.2, **RUN)
    restart = MODEL.initial_state(first["vorticity"].isel(time=-1).values)
    second = MODEL.run(restart, 0.2, **RUN, start=0.2)
    np.testing.assert_allclose(second["time"], dataset["time"][2:])
    np.testing.assert_allclose(
        second["vorticity"], dataset["vorticity"].isel(time=slice(2, None)), atol=5e-4
    )


def test_saving_more_often_does_not_change_the_run(dataset, members):
    rare = MODEL.run(members, 0.4, save_every=0.4, dt=0.02, progress=False)
    np.testing.assert_allclose(
        rare["vorticity"].isel(time=-1), dataset["vorticity"].isel(time=-1), atol=5e-4
    )


def test_cfl_control_gives_the_answer_of_a_constant_step(dataset, members):
    run = MODEL.run(
        members,
        0.4,
        save_every=0.1,
        step_control=CFL(MODEL.courant_rate, courant=0.2, dt_max=0.05),
        progress=False,
    )
    np.testing.assert_allclose(run["vorticity"], dataset["vorticity"], atol=1e-2)


UNSTABLE = dict(save_every=0.5, dt=0.1, progress=False)


def unstable(members):
    # The second member is 300 times as fast and needs far smaller steps than the first.
    return jnp.stack([members[0], 300 * members[1]])


def test_blow_up_names_the_step_and_keeps_what_was_saved(members):
    growing = MODEL.replace(subgrid=Damping(-3.0))
    with pytest.raises(BlowUpError, match=r"member 0 at step \d+ after t = \d") as caught:
        growing.run(members, 3.0, save_every=0.5, dt=0.05, progress=False)
    partial = caught.value.partial
    assert partial.sizes["time"] >= 2 and np.isfinite(partial["vorticity"]).all()
    last, blow_up = float(partial["time"][-1]), partial["blow_up_time"].values
    assert np.nanmin(blow_up) > last and np.nanmax(blow_up) <= last + 0.5


def test_surviving_members_go_on(members):
    run = MODEL.run(unstable(members), 1.0, **UNSTABLE, throw=False)
    alone = MODEL.run(members[0], 1.0, **UNSTABLE)
    assert run.sizes["time"] == 3
    assert np.isfinite(run["vorticity"][0]).all() and np.isnan(run["vorticity"][1, 1:]).all()
    np.testing.assert_allclose(run["vorticity"][0], alone["vorticity"], atol=1e-2)
    lifetime = run["blow_up_time"].values
    assert np.isnan(lifetime[0]) and 0 < lifetime[1] <= 0.5
    assert np.isclose(lifetime[1] / 0.1, round(lifetime[1] / 0.1))


def test_blow_up_time_does_not_depend_on_how_often_is_saved(members):
    growing = MODEL.replace(subgrid=Damping(-3.0))
    times = [
        growing.run(members, 3.0, save_every=save_every, dt=0.05, progress=False, throw=False)[
            "blow_up_time"
        ].values
        for save_every in (0.5, 3.0)
    ]
    np.testing.assert_allclose(*times, atol=0.051)


def test_cfl_stops_at_its_smallest_step(members):
    """A segment that ends early is no result, even if it is finite."""
    control = CFL(MODEL.courant_rate, courant=0.2, dt_min=1e-3)
    kwargs = dict(save_every=0.5, step_control=control, progress=False)
    with pytest.raises(BlowUpError, match="too small a time step in member 1 at step 1 "):
        MODEL.run(unstable(members), 0.5, **kwargs)
    run = MODEL.run(unstable(members), 0.5, **kwargs, throw=False)
    assert np.isfinite(run["vorticity"][0]).all() and np.isnan(run["vorticity"][1, 1]).all()


def test_schemes_called_every_step_or_every_stage(members):
    model = MODEL.replace(subgrid=Damping(2.0))
    runs = {
        called: model.run(members[0], 0.1, **RUN, schemes_called=called)["vorticity"][-1].values
        for called in ("auto", "every stage", "every step")
    }
    np.testing.assert_array_equal(runs["auto"], runs["every stage"])
    split_error = np.abs(runs["every step"] - runs["every stage"]).max()
    # Held over a step, damping acts as 1 - r dt in place of exp(-r dt): r^2 dt t / 2 = 0.4 %.
    scale = np.abs(runs["every stage"]).max()
    assert 1e-3 * scale < split_error < 1e-2 * scale
    given = model.run(members[0], 0.1, **RUN, solver=OncePerStep(ETDRK4()))
    np.testing.assert_array_equal(given["vorticity"][-1], runs["every step"])


def test_a_scheme_with_memory_is_called_once_per_step(members):
    still = BarotropicVorticity(GRID, viscosity=0.0, drag=0.0, forcing=None)
    model = still.replace(subgrid=CallCounter())
    run = model.run(jnp.zeros_like(members[0]), 0.2, **RUN)
    # Ten steps: dt * (0 + 1 + ... + 9), and the memory lives through the save after the fifth.
    np.testing.assert_allclose(run["vorticity"][-1, 0, 0], 0.02 * 45, rtol=1e-5)
    with pytest.raises(ClosuraxError, match="memory"):
        model.run(members[0], 0.2, **RUN, schemes_called="every stage")


@pytest.mark.parametrize(
    "change, match",
    [
        (dict(dt=0.03), "`save_every` = 0.1 s is not a multiple of `dt` = 0.03"),
        (dict(save_every=0.15, dt=0.05), "`duration` = 0.2 s is not a multiple"),
        (dict(dt=-0.1), "must be positive"),
        (dict(dt=None), "either `dt` or `step_control`"),
        (dict(step_control=CFL(MODEL.courant_rate)), "either `dt` or `step_control`"),
        (dict(schemes_called="sometimes"), "sometimes"),
    ],
)
def test_bad_arguments_are_refused(members, change, match):
    with pytest.raises(ClosuraxError, match=match):
        MODEL.run(members, 0.2, **{**RUN, **change})


def test_bad_states_are_refused(members):
    with pytest.raises(ClosuraxError, match="initial_state"):
        MODEL.run(MODEL.vorticity(members[0]), 0.2, **RUN)
    with pytest.raises(ClosuraxError, match="not finite"):
        MODEL.run(members.at[1, 0, 1, 1].set(jnp.nan), 0.2, **RUN)
    with pytest.raises(GridMismatchError, match="16 x 16"):
        MODEL.initial_state(jnp.zeros((3, 32, 32)))
