"""The multi-scale Kain-Fritsch scheme as a whole: the scheme of WRF, budgets, odd columns."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch, convect_columns

REFERENCE = Path(__file__).parents[4] / "shared" / "data" / "mskf_columns_train.nc"
INPUTS = {
    "air_pressure": "p",
    "air_temperature": "t",
    "vapour_mixing_ratio": "qv",
    "eastward_wind": "u",
    "northward_wind": "v",
    "air_density": "rho",
    "layer_thickness": "dz",
    "mean_vertical_velocity": "w0avg",
    "grid_spacing": "dx",
    "time_step": "dt",
    "friction_velocity": "ust",
    "sensible_heat_flux": "hfx",
    "boundary_layer_height": "pblh",
    "stability_parameter": "zol",
}
OUTPUTS = {
    "potential_temperature_tendency": "rthcuten",
    "vapour_tendency": "rqvcuten",
    "cloud_water_tendency": "rqccuten",
    "cloud_ice_tendency": "rqicuten",
    "rain_water_tendency": "rqrcuten",
    "snow_tendency": "rqscuten",
    "eastward_wind_tendency": "rucuten",
    "northward_wind_tendency": "rvcuten",
}
WATER = (
    "vapour_tendency",
    "cloud_water_tendency",
    "rain_water_tendency",
    "cloud_ice_tendency",
    "snow_tendency",
)
# One shape for all, so that the scheme is compiled once in each precision.
COLUMNS = 256

needs_reference = pytest.mark.skipif(
    not REFERENCE.is_file(), reason="needs columns of the scheme of WRF, which do not ship"
)
convect = jax.jit(jax.vmap(MultiScaleKainFritsch().tendencies))


def as_arrays(columns, dtype):
    return {name: jnp.asarray(value, dtype) for name, value in columns.items()}


def run(columns, dtype=jnp.float32):
    result = convect(as_arrays(columns, dtype))
    return {name: np.asarray(value, np.float64) for name, value in result.items()}


def reference(columns):
    with xr.open_dataset(REFERENCE) as dataset:
        return dataset.isel(column=columns).load()


def check_agreement(dataset):
    result = convect_columns(
        MultiScaleKainFritsch(),
        {name: jnp.asarray(dataset[of].values) for name, of in INPUTS.items()},
        chunk=COLUMNS,
    )
    kind, expected = np.asarray(result["convection_class"]), dataset["conv_class"].values
    agreed = kind == expected
    assert agreed.mean() >= 0.98
    assert ((kind > 0) == (expected > 0)).mean() >= 0.98
    for cloud in (1, 2):
        chosen = agreed & (expected == cloud)
        assert chosen.sum() > 10
        for name, other in (("cloud_base_level", "cubot"), ("cloud_top_level", "cutop")):
            same = np.asarray(result[name])[chosen] == dataset[other].values[chosen]
            assert same.mean() >= 0.98, name
        lifetime = np.asarray(result["convective_lifetime"])[chosen]
        close = np.isclose(lifetime, dataset["nca"].values[chosen], rtol=1e-4)
        assert close.mean() >= 0.98
        for name, other in OUTPUTS.items():
            ours, theirs = np.asarray(result[name])[chosen], dataset[other].values[chosen]
            error = np.linalg.norm(ours - theirs, axis=1)
            size = np.linalg.norm(theirs, axis=1) + 1e-12
            assert np.median(error / size) < 0.03, name
    deep = agreed & (expected == 1)
    rain, expected = np.asarray(result["precipitation_rate"])[deep], dataset["pratec"].values[deep]
    assert (np.abs(rain - expected) <= 0.02 * expected + 1e-8).mean() >= 0.95


@needs_reference
def test_it_is_the_scheme_of_wrf():
    check_agreement(reference(slice(None, None, 20000 // 500)))


@pytest.mark.slow
@needs_reference
def test_it_is_the_scheme_of_wrf_in_every_column():
    check_agreement(reference(slice(None)))


def residuals(columns, result):
    """What is left of the water and of both winds in the column, relative to what moves."""
    mass = columns["air_density"] * columns["layer_thickness"]
    water = sum((mass * result[name]).sum(1) for name in WATER) + result["precipitation_rate"]
    yield water, (mass * np.abs(result["vapour_tendency"])).sum(1)
    for name in ("eastward_wind_tendency", "northward_wind_tendency"):
        yield (mass * result[name]).sum(1), (mass * np.abs(result[name])).sum(1)


def test_water_and_momentum_close(make_storms):
    columns = make_storms(COLUMNS)
    result = run(columns)
    for kind in (0, 1, 2):
        assert (result["convection_class"] == kind).sum() > 5
    for left, moved in residuals(columns, result):
        assert np.all(np.abs(left) <= 1e-5 * moved)


def test_water_and_momentum_close_to_rounding_in_double_precision(make_storms, x64):
    columns = make_storms(COLUMNS, seed=1)
    result = run(columns, jnp.float64)
    assert (result["convection_class"] == 1).sum() > 5
    for left, moved in residuals(columns, result):
        assert np.all(np.abs(left) <= 1e-10 * moved)


def test_without_convection_it_does_nothing(make_storms):
    result = run(make_storms(COLUMNS))
    none = result["convection_class"] == 0
    for name in (*OUTPUTS, "precipitation_rate", "convective_lifetime"):
        assert np.all(result[name][none] == 0), name
    assert np.all(result["cloud_base_level"][none] == 41)
    assert np.all(result["cloud_top_level"][none] == 1)


def test_shallow_clouds_rain_into_the_column_and_deep_ones_to_the_ground(make_storms):
    result = run(make_storms(COLUMNS))
    shallow, deep = (result["convection_class"] == kind for kind in (2, 1))
    assert np.all(result["precipitation_rate"][shallow] == 0)
    assert np.any(result["rain_water_tendency"][shallow] > 0)
    assert np.any(result["precipitation_rate"][deep] > 1e-5)
    assert np.all(result["rain_water_tendency"][deep] == 0)
    assert np.all(result["precipitation_rate"] >= -1e-9)


def calm(columns):
    columns["eastward_wind"] = columns["northward_wind"] = 0 * columns["eastward_wind"]


def dry(columns):
    columns["vapour_mixing_ratio"] = 1e-9 * columns["vapour_mixing_ratio"]


def supersaturated(columns):
    columns["vapour_mixing_ratio"][:, 5:12] *= 1.6


def still(columns):
    columns["mean_vertical_velocity"] = 0 * columns["mean_vertical_velocity"]
    for name in ("friction_velocity", "sensible_heat_flux", "stability_parameter"):
        columns[name] = 0 * columns[name]


def spaced(spacing, columns):
    columns["grid_spacing"] = 0 * columns["grid_spacing"] + spacing
    columns["time_step"] = 0 * columns["time_step"] + max(4e-3 * spacing, 1.0)


def rough(columns):
    noise = np.random.default_rng(3).standard_normal(columns["air_temperature"].shape)
    columns["air_temperature"] = columns["air_temperature"] + 6 * noise
    columns["vapour_mixing_ratio"] = columns["vapour_mixing_ratio"] * np.exp(noise[::-1])


@pytest.mark.parametrize(
    "change",
    [calm, dry, supersaturated, still, partial(spaced, 100.0), partial(spaced, 1e5), rough],
    ids=["calm", "dry", "supersaturated", "still", "100 m", "100 km", "rough"],
)
def test_it_stays_finite_in_odd_columns(make_storms, change):
    columns = make_storms(COLUMNS, seed=2)
    change(columns)
    result = run(columns)
    for name, value in result.items():
        assert np.all(np.isfinite(value)), name
    assert set(np.unique(result["convection_class"])) <= {0.0, 1.0, 2.0}
    water, moved = next(residuals(columns, result))
    assert np.all(np.abs(water) <= 1e-5 * moved)


@pytest.mark.slow
@pytest.mark.parametrize(("levels", "stretching"), [(30, 1.0), (60, 2.0)])
def test_it_runs_on_other_levels(make_storms, levels, stretching):
    columns = make_storms(64, levels=levels, stretching=stretching)
    result = run(columns)
    assert (result["convection_class"] == 1).any()
    for name, value in result.items():
        assert np.all(np.isfinite(value)), name
    for left, moved in residuals(columns, result):
        assert np.all(np.abs(left) <= 1e-5 * moved)


def test_compacted_columns_are_those_of_vmap(make_storms):
    # Not a multiple of the chunk, and more than one.
    columns = as_arrays(make_storms(COLUMNS), jnp.float32)
    expected = convect(columns)
    result = convect_columns(MultiScaleKainFritsch(), columns, chunk=100)
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        size = float(jnp.max(jnp.abs(value)))
        # Two compilations round differently, and the scheme has thresholds; a column in the wrong
        # place would be wrong by its own size.
        np.testing.assert_allclose(result[name], value, rtol=3e-2, atol=3e-4 * size, err_msg=name)
        assert result[name].dtype == value.dtype
