"""BOMEX written in the DEPHY format must come back as BOMEX."""

import numpy as np
import pytest
import xarray as xr

from closurax.datasets import bomex, open_column_case
from closurax.physics.column import AtmosphericColumn
from closurax.physics.errors import DataError

FINE = bomex(np.linspace(0.0, 3000.0, 151))
COARSE = bomex(np.linspace(0.0, 2960.0, 38))
TIMES = 3


def repeated(values):
    return np.broadcast_to(values, (TIMES, *np.shape(values))).astype(float)


def dephy(**changes):
    """BOMEX on levels of 20 m, in the kinds of variables that its DEPHY file has."""
    pressure = FINE["air_pressure"].values
    vapour = FINE["initial_vapour_mixing_ratio"].values
    exner = (pressure / 1e5) ** (287 / 1004.5)
    temperature = FINE["initial_air_temperature"].values
    height = np.arange(10.0, 3000.0, 20.0)
    density = pressure / (287 * temperature * (1 + 0.608 * vapour))
    omega = FINE["pressure_velocity"].values[0]
    initial = {
        "pa": (pressure, "Pa"), "zh": (height, "m"), "thetal": (temperature / exner, "K"),
        "qt": (vapour / (1 + vapour), "1"), "ua": (FINE["initial_eastward_wind"].values, "m s-1"),
        "va": (FINE["initial_northward_wind"].values, "m s-1"),
    }  # fmt: skip
    forcing = {
        "pa_forc": (pressure, "Pa"),
        "wa": (-0.5 * (omega[1:] + omega[:-1]) / (9.81 * density), "m s-1"),
        "tnthetal_rad": (FINE["radiative_heating"].values[0] / exner, "K s-1"),
        "tnqt_adv": (FINE["vapour_advection"].values[0] / (1 + vapour) ** 2, "s-1"),
        "ug": (FINE["geostrophic_eastward_wind"].values[0], "m s-1"),
        "vg": (FINE["geostrophic_northward_wind"].values[0], "m s-1"),
    }
    series = {"hfss": (9.38, "W m-2"), "hfls": (148.0, "W m-2"), "ustar": (0.28, "m s-1")}
    # The latitude of BOMEX, 15 degrees north: f = 0.376e-4 s-1.
    series["lat"] = (np.rad2deg(np.arcsin(0.376e-4 / (2 * 7.292e-5))), "degrees_north")
    data = {
        n: (("t0", "lev"), v[None].astype(float), {"units": u}) for n, (v, u) in initial.items()
    }
    data |= {n: (("time", "lev"), repeated(v), {"units": u}) for n, (v, u) in forcing.items()}
    data |= {n: (("time",), repeated(v), {"units": u}) for n, (v, u) in series.items()}
    data["ps"] = (("t0",), np.asarray([101500.0]), {"units": "Pa"})
    time = ("time", np.arange(TIMES) * 3600.0, {"units": "seconds since 1969-06-24 00:00:00"})
    attrs = dict(
        case="BOMEX/REF", adv_qt=1, adv_ta=0, radiation="tend", forc_wa=1, forc_wap=0, forc_geo=1,
        surface_forcing_temp="surface_flux", surface_forcing_moisture="surface_flux",
        surface_forcing_wind="ustar", nudging_ta=0.0,
    )  # fmt: skip
    dataset = xr.Dataset(data, coords={"time": time}, attrs=attrs)
    return dataset.assign(changes.pop("variables", {})).assign_attrs(changes)


def read(dataset, path, **kwargs):
    dataset.to_netcdf(path / "SCM_driver.nc", engine="netcdf4")
    return open_column_case(path / "SCM_driver.nc", **kwargs)


INTERFACES = COARSE["interface_pressure"].values


def test_bomex_comes_back(tmp_path):
    case = read(dephy(), tmp_path, interface_pressure=INTERFACES)
    for name, tolerance in (
        ("initial_air_temperature", 0.05),
        ("initial_vapour_mixing_ratio", 5e-5),
        ("initial_eastward_wind", 0.01),
        ("radiative_heating", 2e-7),
        ("vapour_advection", 5e-10),
        ("geostrophic_eastward_wind", 0.02),
        ("pressure_velocity", 1e-3),
        ("coriolis_parameter", 1e-9),
    ):
        expected = COARSE[name].values
        np.testing.assert_allclose(
            case[name].values[...], np.broadcast_to(expected, case[name].shape), atol=tolerance
        )
    assert set(case["friction_velocity"].values) == {0.28}
    np.testing.assert_array_equal(case["time"], [0, 3600, 7200])
    runs = []
    for each in (case, COARSE):
        model = AtmosphericColumn.from_case(each)
        runs.append(
            model.run(model.case_state(each), 3600.0, save_every=3600.0, dt=60.0, progress=False)
        )
    np.testing.assert_allclose(runs[0]["air_temperature"], runs[1]["air_temperature"], atol=0.05)
    np.testing.assert_allclose(
        runs[0]["humidity_mixing_ratio"], runs[1]["humidity_mixing_ratio"], atol=1e-4
    )


def test_levels_by_default(tmp_path):
    """Forty layers from the surface pressure up, whatever the file's levels are."""
    case = read(dephy(), tmp_path)
    assert case.sizes["level"] == 40
    assert case["interface_pressure"][0] == 101500
    assert AtmosphericColumn.from_case(case).levels.count == 40


def test_pressure_velocity_and_temperature_advection(tmp_path):
    pressure = FINE["air_pressure"].values
    omega = xr.DataArray(repeated(1e-6 * pressure), dims=("time", "lev"))
    heating = xr.DataArray(repeated(np.full(pressure.size, 2e-5)), dims=("time", "lev"))
    dataset = dephy(
        variables={"wap": omega, "tnta_adv": heating, "tnua_adv": heating},
        forc_wap=1, forc_wa=0, adv_ta=1, adv_ua=1,
    )  # fmt: skip
    case = read(dataset, tmp_path, interface_pressure=INTERFACES)
    np.testing.assert_allclose(
        case["pressure_velocity"][1, 1:-1], 1e-6 * INTERFACES[1:-1], rtol=1e-4
    )
    np.testing.assert_allclose(case["temperature_advection"], 2e-5)
    np.testing.assert_allclose(case["eastward_wind_advection"], 2e-5)


@pytest.mark.parametrize("above", [{"zh_nudging_ta": 1500.0}, {"pa_nudging_ta": 86000.0}])
def test_nudging_above_a_height(above, tmp_path):
    target = xr.DataArray(repeated(np.full(150, 290.0)), dims=("time", "lev"))
    specific = xr.DataArray(repeated(np.full(150, 0.01)), dims=("time", "lev"))
    dataset = dephy(
        variables={"ta_nud": target, "qv_nud": specific, "ua_nud": target, "va_nud": target},
        nudging_ta=3600.0, nudging_qv=7200.0, nudging_ua=10800.0, **above,
    )  # fmt: skip
    case = read(dataset, tmp_path, interface_pressure=INTERFACES)
    scale, pressure = case["temperature_relaxation_time"].values, case["air_pressure"].values
    np.testing.assert_array_equal(scale[pressure < 84500], 3600)
    assert (scale[pressure > 87000] > 1e11).all()
    np.testing.assert_allclose(case["target_vapour_mixing_ratio"], 0.01 / 0.99)
    np.testing.assert_array_equal(case["vapour_relaxation_time"], 7200)
    np.testing.assert_array_equal(case["wind_relaxation_time"], 10800)
    model = AtmosphericColumn.from_case(case)
    tendency = model.dynamics_tendency(0.0, model.case_state(case), None)
    assert np.isfinite(tendency.temperature).all()


def test_surface_temperature_and_roughness(tmp_path):
    series = xr.DataArray(np.full(TIMES, 300.4), dims=("time",))
    dataset = dephy(
        variables={"ts_forc": series, "z0": series * 0 + 1e-4},
        surface_forcing_temp="ts", surface_forcing_wind="z0",
    )  # fmt: skip
    case = read(dataset, tmp_path)
    np.testing.assert_allclose(case["surface_temperature"], 300.4)
    assert "sensible_heat_flux" not in case and 0.2 < float(case["friction_velocity"][0]) < 0.5


def test_interactive_radiation_is_left_to_the_user(tmp_path):
    with pytest.warns(UserWarning, match="interactive radiation"):
        assert "radiative_heating" not in read(dephy(radiation="on"), tmp_path)


def changed(name, index, value):
    def change(dataset):
        dataset[name] = dataset[name].copy()
        dataset[name][index] = value
        return dataset

    return change


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda d: d.drop_vars("thetal"), "no initial temperature"),
        (lambda d: d.drop_vars("qt"), "no initial moisture"),
        (lambda d: d.drop_vars("tnqt_adv"), "no variable 'tnqt_adv', which its attributes ask for"),
        (lambda d: d.drop_vars("tnthetal_rad"), "no radiative tendency"),
        (lambda d: d.drop_vars("hfss"), "no variable 'hfss'"),
        (lambda d: d.isel(lev=slice(0)), "'lev' is of size zero"),
        (lambda d: d.isel(time=slice(0)), "'time' is of size zero"),
        (lambda d: d.isel(lev=slice(None, None, -1)), "upside down"),
        (lambda d: d.assign(pa=d["pa"] / 100), "looks like hPa"),
        (lambda d: d.assign(pa=d["pa"].assign_attrs(units="hPa")), "units 'hPa', expected 'Pa'"),
        (lambda d: d.assign(qt=3 * d["qt"]), "supersaturated"),
        (changed("qt", (0, 3), -0.001), "negative"),
        (changed("thetal", (0, 3), np.nan), "NaN"),
        (changed("ug", (1, 3), np.nan), "NaN"),
        (lambda d: d.assign_attrs(surface_forcing_temp="magic"), "which closurax does not know"),
        (lambda d: d.assign_attrs(forc_geo="yes"), "'forc_geo' .* expected a number"),
        (lambda d: d.rename_dims(lev="lev_pa"), "has dims"),
    ],
)
def test_what_is_wrong_is_named(change, match, tmp_path):
    with pytest.raises(DataError, match=match) as caught:
        read(change(dephy()), tmp_path)
    assert "\n" not in str(caught.value)
