from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given, strategies as st

from closurax.datasets import (
    column_inputs,
    column_targets,
    leave_out_grid_spacings,
    open_convection_columns,
    sounding_groups,
    split_by_sounding,
)
from closurax.datasets.convection_columns import _INPUTS, _TARGETS
from closurax.physics.column.convection import AbstractConvection
from closurax.physics.errors import DataError

REAL = Path(__file__).parents[3] / "shared" / "data" / "mskf_columns_train.nc"

NAMES = (
    "SARS/hail/00021400.LZK",
    "SARS/hail/00021412.JAN",
    "SARS/supercell/00021500f0.gwo",
    "SARS/hail/01021400.LZK",
    "DYNAMO/NSA3A_MJO1/t000",
    "DYNAMO/NSA3A_MJO1/t007",
    "DYNAMO/NSA3A_MJO1/t008",
    "DEPHY/KB2006_REF",
    "DEPHY/BOMEX_REF",
    "DEPHY/ARMCU_REF",
)
GROUPS = (0, 0, 1, 2, 3, 3, 4, 5, 5, 6)


def made_up(columns=60, levels=12, names=NAMES, seed=0):
    """Columns of a dry-adiabatic, half-saturated atmosphere, and outputs that are noise."""
    rng = np.random.default_rng(seed)
    pressure = np.linspace(1e5, 1e4, levels) * np.ones((columns, 1))
    temperature = 300 * (pressure / 1e5) ** 0.2
    saturation = 611.2 * np.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))
    vapour = 0.5 * 0.622 * saturation / (pressure - saturation)
    density = pressure / (287 * temperature * (1 + 0.608 * vapour))
    values = {"p": pressure, "t": temperature, "qv": vapour, "rho": density}
    values["dz"] = 9e4 / levels / (9.81 * density)
    values["dx"] = rng.choice([2000.0, 5000.0, 25000.0], columns)
    values["dt"] = np.full(columns, 30.0)
    values["conv_class"] = rng.integers(0, 3, columns)
    values["pratec"] = rng.normal(size=columns)
    data = {}
    for name, dims, units in (*_INPUTS.values(), *_TARGETS.values()):
        shape = (columns, levels)[: len(dims)]
        value = np.asarray(values.get(name, rng.normal(size=shape)), np.float32)
        data[name] = (dims, value, {"units": units})
    data["sounding_index"] = ("column", np.arange(columns, dtype=np.int32) % len(names))
    data["sounding_name"] = ("sounding", np.asarray(names))
    return xr.Dataset(data)


def written(dataset, path):
    dataset.to_netcdf(path / "columns.nc", engine="netcdf4")
    return path / "columns.nc"


def test_names_and_order_are_those_of_the_contract():
    dataset = made_up()
    for arrays, quantities, names in (
        (column_inputs(dataset), AbstractConvection.reads, _INPUTS),
        (column_targets(dataset), AbstractConvection.returns, _TARGETS),
    ):
        assert list(arrays) == [quantity.name for quantity in quantities]
        assert [units for _, _, units in names.values()] == [q.units for q in quantities]
        assert all(array.dtype == np.float32 for array in arrays.values())
    targets = column_targets(dataset)
    np.testing.assert_array_equal(targets["precipitation_rate"], dataset["pratec"].clip(0))
    np.testing.assert_array_equal(targets["cloud_base_level"], dataset["cubot"])


def test_opens_lazily_what_was_written(tmp_path):
    dataset = made_up()
    dataset["pratec"].attrs["units"] = "kg m-2 s-1 (= mm s-1)"
    back = open_convection_columns(written(dataset, tmp_path))
    assert not back["t"].variable._in_memory
    inputs = column_inputs(back)
    np.testing.assert_array_equal(inputs["air_temperature"], dataset["t"])
    assert back["pratec"].attrs["units"] == "kg m-2 s-1"
    assert not back["t"].variable._in_memory
    back.close()


def changed(name, index, value):
    def change(dataset):
        dataset[name][index] = value
        return dataset

    return change


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda d: d.drop_vars("w0avg"), "no variable 'w0avg'"),
        (lambda d: d.drop_vars("sounding_name"), "no variable 'sounding_name'"),
        (lambda d: d.isel(column=slice(0)), "'column' is of size zero"),
        (lambda d: d.isel(level=slice(0)), "'level' is of size zero"),
        (lambda d: d.isel(level=slice(None, None, -1)), "upside down"),
        (lambda d: d.isel(level=slice(0, 8)), r"reaches up to 427.* hPa only"),
        (lambda d: d.assign(p=d["p"] / 100), "looks like hPa"),
        (lambda d: d.assign(p=d["p"].assign_attrs(units="hPa")), "units 'hPa', expected 'Pa'"),
        (lambda d: d.assign(t=d["t"] - 273.15), "degrees Celsius"),
        (lambda d: d.assign(qv=1000 * d["qv"]), "looks like g kg-1"),
        (lambda d: d.transpose("level", ...), "has dims"),
        (changed("qv", (3, 4), -1e-5), "'qv' .* negative at column index 3, level index 4"),
        (changed("qv", (3, 4), 0.09), "'qv' .* supersaturated.* column index 3, level index 4"),
        (changed("t", (5, 0), np.nan), "'t' .* NaN or infinite at column index 5, level index 0"),
        (changed("rthcuten", (1, 2), np.inf), "'rthcuten' .* column index 1, level index 2"),
        (changed("conv_class", 7, 3), "'conv_class' .* column index 7"),
        (changed("dz", (0, 0), 0), "'dz' .* not positive"),
        (changed("sounding_index", 0, 99), "'sounding_index'"),
    ],
)
def test_what_is_wrong_is_named(change, match, tmp_path):
    with pytest.raises(DataError, match=match) as caught:
        open_convection_columns(written(change(made_up()), tmp_path))
    assert "\n" not in str(caught.value)


def test_no_file_and_no_netcdf(tmp_path):
    with pytest.raises(DataError, match="no file"):
        open_convection_columns(tmp_path / "absent.nc")
    (tmp_path / "text.nc").write_text("p t qv")
    with pytest.raises(DataError, match="not a netCDF"):
        open_convection_columns(tmp_path / "text.nc")


def test_groups():
    groups = sounding_groups(made_up(columns=len(NAMES)))
    _, numbered = np.unique(groups, return_inverse=True)
    same = numbered[:, None] == numbered[None, :]
    expected = np.asarray(GROUPS)[:, None] == np.asarray(GROUPS)[None, :]
    np.testing.assert_array_equal(same, expected)
    with pytest.raises(DataError, match="does not start with a date"):
        sounding_groups(made_up(columns=2, names=("SARS/hail/march.LZK", "DEPHY/ARMCU_REF")))


soundings = st.builds(
    lambda day, station: f"SARS/hail/00{day:04d}12.{station}",
    st.integers(101, 120),
    st.sampled_from(["LZK", "JAN", "OUN"]),
)


@given(
    names=st.lists(soundings | st.sampled_from(NAMES), min_size=3, max_size=40, unique=True),
    columns=st.integers(3, 120),
    shares=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_parts_share_no_sounding_and_no_day(names, columns, shares, seed):
    dataset = made_up(columns, 2, names)
    dataset["number"] = ("column", np.arange(columns))
    fractions = tuple(share / sum(shares) for share in shares)
    try:
        parts = split_by_sounding(dataset, fractions, seed)
    except DataError as error:
        assume("would be empty" not in str(error))
        raise
    numbers = np.concatenate([part["number"].values for part in parts])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(columns))
    largest = np.unique(sounding_groups(dataset), return_counts=True)[1].max()
    for fraction, part in zip(fractions, parts, strict=True):
        assert abs(part.sizes["column"] - fraction * columns) <= largest
    for of in (sounding_groups, lambda d: d["sounding_index"].values):
        held = [set(of(part).tolist()) for part in parts]
        assert sum(len(group) for group in held) == len(set.union(*held))
    again = split_by_sounding(dataset, fractions, seed)
    assert all(a.identical(b) for a, b in zip(parts, again, strict=True))


def test_the_seed_changes_the_split():
    dataset = made_up(columns=200)
    first, second = (split_by_sounding(dataset, (0.5, 0.5), seed)[0] for seed in (0, 1))
    assert set(sounding_groups(first)) != set(sounding_groups(second))


@pytest.mark.parametrize("fractions", [(0.5, 0.4), (1.2, -0.2), ()])
def test_fractions_add_up_to_one(fractions):
    with pytest.raises(DataError, match="`fractions`"):
        split_by_sounding(made_up(), fractions)


def test_a_part_without_columns_is_refused():
    with pytest.raises(DataError, match="would be empty: 4 columns come from only 1 groups"):
        split_by_sounding(made_up(columns=4, names=NAMES[:2]), (0.5, 0.5))


def test_grid_spacings_are_left_out():
    dataset = made_up()
    rest, left_out = leave_out_grid_spacings(dataset, [5000.0])
    assert set(left_out["dx"].values) == {5000.0}
    assert set(rest["dx"].values) == {2000.0, 25000.0}
    assert rest.sizes["column"] + left_out.sizes["column"] == 60
    with pytest.raises(DataError, match=r"No column has a grid spacing of \[4000.0\] m"):
        leave_out_grid_spacings(dataset, [4000.0])
    with pytest.raises(DataError, match="divides nothing"):
        leave_out_grid_spacings(dataset, [2000.0, 5000.0, 25000.0])


@pytest.mark.skipif(not REAL.is_file(), reason="needs the MSKF columns, which do not ship")
def test_the_columns_of_mskf():
    with open_convection_columns(REAL) as dataset:
        parts = split_by_sounding(dataset)
        assert [round(part.sizes["column"] / 20000, 1) for part in parts] == [0.8, 0.1, 0.1]
        days = [
            {name for name in np.unique(sounding_groups(part)) if name.startswith("SARS")}
            for part in parts
        ]
        # As many dates as the names hold by themselves.
        assert sum(map(len, days)) == len(set.union(*days)) == 760
        targets = column_targets(parts[1])
        assert targets["precipitation_rate"].min() == 0
        none = targets["convection_class"] == 0
        assert (targets["cloud_base_level"][none] == 41).all()
        assert (targets["cloud_top_level"][none] == 1).all()
