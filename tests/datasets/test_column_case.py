import numpy as np
import pytest
import xarray as xr

from closurax.datasets import bomex, open_column_case, sigma_interfaces, weisman_klemp
from closurax.datasets.column_levels import hydrostatic_pressure, interpolate
from closurax.physics.column import AtmosphericColumn, RecordedConvection, recorded_convection
from closurax.physics.errors import DataError

LEVELS, TIMES = 14, 5


def run_file():
    """A file in the layout of a single-column run with WRF's convection, with made-up values."""
    rng = np.random.default_rng(0)
    edges = np.linspace(1e5, 8e3, LEVELS + 1)
    pressure = 0.5 * (edges[1:] + edges[:-1])
    temperature = np.broadcast_to(300 * (pressure / 1e5) ** 0.2, (TIMES, LEVELS))
    saturation = 611.2 * np.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))
    vapour = 0.4 * 0.622 * saturation / (pressure - saturation)
    profile = {"t": temperature, "ta_nud": temperature, "qv": vapour, "rv_nud": vapour}
    for name in ("tnta_adv", "tnrv_adv", "ua_nud", "va_nud", "rthcuten", "rqvcuten"):
        profile[name] = 1e-6 * rng.normal(size=(TIMES, LEVELS))
    series = {name: rng.normal(size=TIMES) for name in ("gust", "pratec", "conv_class", "called")}
    units = {
        "t": "K", "ta_nud": "K", "qv": "kg kg-1", "rv_nud": "kg kg-1", "tnta_adv": "K s-1",
        "tnrv_adv": "kg kg-1 s-1", "ua_nud": "m s-1", "va_nud": "m s-1", "gust": "1",
        "rthcuten": "K s-1", "rqvcuten": "kg kg-1 s-1", "pratec": "kg m-2 s-1",
        "conv_class": "1", "called": "1",
    }  # fmt: skip
    data = {
        n: (("time", "level"), v.astype(np.float32), {"units": units[n]})
        for n, v in profile.items()
    }
    data |= {n: (("time",), v.astype(np.float32), {"units": units[n]}) for n, v in series.items()}
    data["p"] = ("level", pressure, {"units": "Pa"})
    data["p_int"] = ("level_w", edges, {"units": "Pa"})
    data["omega"] = (("time", "level_w"), rng.normal(size=(TIMES, LEVELS + 1)), {"units": "Pa s-1"})
    attrs = dict(
        dt=60.0, dx=25000.0, tau_relax=43200.0, rad_cooling_K_per_s=-1e-5, hfx=12.0, ust=0.25,
        pblh=600.0, zol=-0.1,
    )  # fmt: skip
    time = ("time", np.arange(TIMES) * 60.0, {"units": "s"})
    return xr.Dataset(data, coords={"time": time}, attrs=attrs)


def written(dataset, path):
    dataset.to_netcdf(path / "case.nc", engine="netcdf4")
    return path / "case.nc"


def test_a_run_file_becomes_a_case_and_a_column(tmp_path):
    dataset = run_file()
    case = open_column_case(written(dataset, tmp_path))
    assert all({"units", "long_name"} <= case[name].attrs.keys() for name in case.variables)
    np.testing.assert_allclose(case["vapour_advection"], dataset["tnrv_adv"])
    np.testing.assert_allclose(case["recorded_precipitation_rate"], dataset["pratec"])
    above = dataset["p"].values < 2e4
    np.testing.assert_allclose(case["radiative_heating"][0], np.where(above, 0, -1e-5))
    model = AtmosphericColumn.from_case(case)
    assert model.grid_spacing == 25000 and model.time_step == 60
    record = recorded_convection(case)
    assert isinstance(record, RecordedConvection)
    assert {quantity.name for quantity in record.returns} == {
        "potential_temperature_tendency", "vapour_tendency", "precipitation_rate",
        "convection_class", "scheme_called",
    }  # fmt: skip
    run = model.replace(convection=record).run(
        model.case_state(case), 120.0, save_every=60.0, dt=60.0, progress=False
    )
    np.testing.assert_allclose(run["eastward_wind"], dataset["ua_nud"][:3], atol=1e-10)
    with pytest.raises(DataError, match="no record of convection"):
        recorded_convection(case.drop_vars([n for n in case if str(n).startswith("recorded")]))


def changed(name, index, value):
    def change(dataset):
        dataset[name][index] = value
        return dataset

    return change


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda d: d.drop_vars("omega"), "no variable 'omega'"),
        (lambda d: d.drop_attrs(), r"lacks the attributes \['dt'"),
        (lambda d: d.isel(time=slice(0)), "'time' is of size zero"),
        (
            lambda d: d.isel(level=slice(None, None, -1), level_w=slice(None, None, -1)),
            "upside down",
        ),
        (lambda d: d.isel(level=slice(0, 10), level_w=slice(0, 11)), "reaches up to"),
        (lambda d: d.assign(p=d["p"] / 100), "looks like hPa"),
        (lambda d: d.assign(p_int=d["p_int"].assign_attrs(units="hPa")), "'p_int' .* units 'hPa'"),
        (lambda d: d.assign(qv=-d["qv"]), "'qv' .* negative at time index 0, level index 0"),
        (lambda d: d.assign(qv=3 * d["qv"]), "supersaturated"),
        (changed("omega", (2, 3), np.nan), "'omega' .* NaN .* time index 2, level_w index 3"),
        (lambda d: d.rename(p_int="edges", tnta_adv="adv"), "in no layout"),
    ],
)
def test_what_is_wrong_is_named(change, match, tmp_path):
    with pytest.raises(DataError, match=match) as caught:
        open_column_case(written(change(run_file()), tmp_path))
    assert "\n" not in str(caught.value)


def test_levels():
    interfaces = sigma_interfaces(101000.0)
    assert interfaces[0] == 101000 and interfaces[-1] == pytest.approx(6000)
    thickness = -np.diff(interfaces)
    assert interfaces.size == 41 and (np.diff(thickness) > 0).all() and 800 < thickness[0] < 1000
    with pytest.raises(DataError, match="no column"):
        sigma_interfaces(5000.0)


def test_interpolation_is_exact_for_logarithms():
    pressure = np.asarray([[1000.0, 700.0, 300.0], [990.0, 600.0, 200.0]])
    to = np.asarray([950.0, 650.0, 400.0])
    np.testing.assert_allclose(interpolate(np.log(pressure), pressure, to), [np.log(to)] * 2)
    beyond = interpolate(
        np.asarray([1.0, 2.0]), np.asarray([900.0, 500.0]), np.asarray([950.0, 400.0])
    )
    np.testing.assert_array_equal(beyond, [1, 2])


def test_hydrostatic_pressure_of_an_isentropic_atmosphere():
    height = np.linspace(0, 8000, 33)
    pressure = hydrostatic_pressure(height, np.full(33, 300.0), 1e5)
    exact = 1e5 * (1 - 9.81 * height / (1004.5 * 300)) ** (1004.5 / 287)
    np.testing.assert_allclose(pressure, exact, rtol=1e-12)


def test_bomex_is_that_of_the_paper():
    case = bomex()
    pressure = case["air_pressure"].values
    theta = case["initial_air_temperature"].values * (1e5 / pressure) ** (287 / 1004.5)
    total = case["initial_vapour_mixing_ratio"].values
    specific = total / (1 + total)
    np.testing.assert_allclose(case["interface_pressure"][0], 101500)
    np.testing.assert_allclose(theta[0], 298.7, atol=1e-6)
    # 20 m below the top of the case, where the gradients are 3.65 K and -1.2 g/kg per km.
    np.testing.assert_allclose(theta[-1], 311.85 - 0.02 * 3.65, atol=0.01)
    np.testing.assert_allclose(specific[0], 17e-3 - 0.02 * 0.7e-3 / 0.52, rtol=1e-3)
    np.testing.assert_allclose(specific[-1], 3.0e-3 + 0.02 * 1.2e-3, rtol=1e-3)
    omega = case["pressure_velocity"].values[0]
    # Strongest at 1500 m, about half way up the 3 km.
    assert 36 <= np.argmax(omega) <= 38 and omega[0] == 0 and (omega[53:] == 0).all()
    np.testing.assert_allclose(omega.max(), 9.81 * 1.0 * 6.5e-3, rtol=0.05)
    np.testing.assert_allclose(case["radiative_heating"][0, 0] * 86400, -2, rtol=0.01)
    np.testing.assert_allclose(case["sensible_heat_flux"], 9.4, atol=0.3)
    np.testing.assert_allclose(case["latent_heat_flux"], 150, atol=5)
    with pytest.raises(DataError, match="increase from 0"):
        bomex(np.asarray([100.0, 200.0, 300.0]))


def test_weisman_klemp_is_that_of_the_paper():
    sounding = weisman_klemp()
    z = sounding["height"].values
    theta = sounding["air_temperature"] * (1e5 / sounding["air_pressure"]) ** (287 / 1004.5)
    np.testing.assert_allclose(theta[z == 12000], 343, rtol=1e-10)
    np.testing.assert_allclose(theta[0], 300, rtol=1e-10)
    # The tropopause temperature that the paper gives follows from the pressure.
    np.testing.assert_allclose(sounding["air_temperature"][z == 12000], 213, atol=6)
    assert sounding["vapour_mixing_ratio"].values[0] == pytest.approx(0.014)
    np.testing.assert_allclose(sounding["eastward_wind"][z == 3000], 15 * np.tanh(1), rtol=1e-12)
    with pytest.raises(DataError, match="such as 0.014"):
        weisman_klemp(14.0)


def test_hybrid_levels_bulk_surface_and_relaxed_wind():
    """What a case may also hold becomes part of the column."""
    case = bomex(np.linspace(0.0, 3000.0, 13))
    layers, interfaces = case["air_pressure"], case["interface_pressure"]
    sigma, sigma_w = (np.linspace(1, 0, n) for n in (25, 13))
    case = case.drop_vars(["sensible_heat_flux", "latent_heat_flux"]).assign(
        pressure_weight=("level", sigma[1::2]),
        interface_pressure_weight=("level_w", sigma_w),
        surface_pressure=("time", [101500.0]),
        air_pressure=layers - sigma[1::2] * 101500,
        interface_pressure=interfaces - sigma_w * 101500,
        surface_temperature=("time", [300.4]),
        gust=("time", [1.0]),
        gust_speed=((), 0.5),
        gust_depth=((), 3000.0),
        target_eastward_wind=case["geostrophic_eastward_wind"],
        target_northward_wind=case["geostrophic_northward_wind"],
        wind_relaxation_time=("level", np.full(12, 3600.0)),
    )
    model = AtmosphericColumn.from_case(case)
    state = model.case_state(case)
    air = model.air(0.0, state)
    np.testing.assert_allclose(air.pressure, layers, rtol=1e-6)
    assert air.surface is not None and air.surface.moisture_flux > 1e-5
    velocity = model.vertical_motion.vertical_velocity(0.0, air)
    assert 0.45 < float(velocity[6]) < 0.5
    wind = model.dynamics_tendency(0.0, state, None).northward_wind
    calm = AtmosphericColumn.from_case(case.drop_vars("wind_relaxation_time"))
    assert len(calm.adjustments) == len(model.adjustments) + 1
    assert np.abs(wind[1:-1]).max() > 0
    with pytest.raises(DataError, match="no variable 'interface_pressure_weight'"):
        AtmosphericColumn.from_case(case.drop_vars("interface_pressure_weight"))
