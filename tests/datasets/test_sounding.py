import numpy as np
import pytest
import xarray as xr
from hypothesis import given, strategies as st

from closurax.datasets import case_from_sounding, read_sounding, weisman_klemp
from closurax.physics.column import AtmosphericColumn
from closurax.physics.errors import DataError

LINES = [
    (1000.0, 50.0, None, None, None, None),
    (980.0, 165.0, 21.2, 14.5, 180.0, 10.0),
    (850.0, 1382.0, 9.8, 5.0, 270.0, 30.0),
    (700.0, 2955.0, -4.3, None, None, None),
    (500.0, 5540.0, -20.3, -39.3, 250.0, 52.0),
    (300.0, 9140.0, -45.7, -53.7, 265.0, 52.0),
    (200.0, 11770.0, -54.5, None, 275.0, 42.0),
    (100.0, 16130.0, -62.7, None, 265.0, 68.0),
]


def raw(lines=LINES, missing="-9999.00"):
    rows = [", ".join(missing if x is None else f"{x:.2f}" for x in line) for line in lines]
    head = ["%TITLE%", " XXX   000214/0000 ", "", "   LEVEL       HGHT", "-----", "%RAW%"]
    return "\n".join([*head, *rows, "%END%", "", "----- Parcel Information-----", "CAPE: 2091"])


def comma(lines=LINES, header="p,z,T,Td,wdir,wspd"):
    return "\n".join(
        [header, *(",".join("" if x is None else str(x) for x in row) for row in lines)]
    )


def read(text, path, **kwargs):
    (path / "sounding.txt").write_text(text)
    return read_sounding(path / "sounding.txt", **kwargs)


def test_reads_the_layout_of_sharppy(tmp_path):
    sounding = read(raw(), tmp_path)
    assert sounding.attrs["title"] == "XXX 000214/0000"
    # The level below the ground has no temperature.
    np.testing.assert_allclose(
        sounding["air_pressure"], [98000, 85000, 70000, 50000, 30000, 20000, 10000]
    )
    np.testing.assert_allclose(sounding["height"][:2], [0, 1217])
    np.testing.assert_allclose(sounding["air_temperature"][0], 294.35)
    knot = 1852 / 3600
    # From the south, then from the west.
    np.testing.assert_allclose(sounding["northward_wind"][0], 10 * knot)
    np.testing.assert_allclose(sounding["eastward_wind"][1], 30 * knot)
    # 14.5 degrees Celsius at 980 hPa: 10.7 g/kg in any table.
    np.testing.assert_allclose(sounding["vapour_mixing_ratio"][0], 10.7e-3, rtol=0.005)
    vapour = sounding["vapour_mixing_ratio"].values
    assert vapour[3] < vapour[2] < vapour[1] and (vapour[-2:] == 1e-7).all()
    assert all("units" in sounding[name].attrs for name in sounding)


def test_both_layouts_hold_the_same(tmp_path):
    first = read(raw(), tmp_path)
    knot = 1852 / 3600
    rows = [(*row[:5], None if row[5] is None else row[5] * knot) for row in LINES]
    second = read(comma(rows), tmp_path)
    xr.testing.assert_allclose(first, second)
    order = [2, 0, 5, 1, 4, 3]
    names = ",".join(np.asarray(["p", "z", "T", "Td", "wdir", "wspd"])[order])
    shuffled = [tuple(row[i] for i in order) for row in rows]
    xr.testing.assert_allclose(first, read(comma(shuffled, names), tmp_path))


def without(column):
    return [tuple(None if i == column else x for i, x in enumerate(row)) for row in LINES]


def with_value(row, column, value):
    lines = [list(line) for line in LINES]
    lines[row][column] = value
    return lines


@pytest.mark.parametrize(
    "text, match",
    [
        (raw(LINES[:6]), "reaches up to 300 hPa only, expected 150 hPa"),
        (raw(LINES[::-1]), "upside down"),
        (raw([(100 * row[0], *row[1:]) for row in LINES]), "looks like Pa, expected hPa"),
        (raw(with_value(2, 2, 283.0)), "looks like K"),
        (raw(with_value(3, 0, 850.0)), "does not decrease strictly"),
        (raw(with_value(2, 3, 13.0)), "supersaturated, .* level index 1"),
        (raw(without(3)), "'Td' .* missing at every level"),
        (raw(without(4)), "'wind' .* missing at every level"),
        (raw(LINES[:1]), "holds no data: 0 levels"),
        (raw([]), "holds no data"),
        (raw() .replace("21.20", "warm"), "not numbers"),
        (raw().replace(", 21.20", ""), "a line of 5 values, not 6"),
        (comma(header="p,z,T,wdir,wspd,x"), r"nor the columns \['Td'\]"),
        ("", "neither a line %RAW%"),
        (comma([]), "holds no data"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text, match, tmp_path):
    with pytest.raises(DataError, match=match) as caught:
        read(text, tmp_path)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read_sounding(tmp_path / "absent.txt")


def test_the_top_may_be_lower(tmp_path):
    assert read(raw(LINES[:6]), tmp_path, top=3e4).sizes["level"] == 5


@given(st.text(alphabet="0123456789.,-%RAWEND \n", max_size=200))
def test_any_text_is_a_sounding_or_an_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any")
    try:
        read("%RAW%\n" + text, path)
    except DataError:
        pass


def test_a_sounding_becomes_a_column():
    case = case_from_sounding(weisman_klemp())
    assert case.sizes["level"] == 40
    model = AtmosphericColumn.from_case(case)
    run = model.run(model.case_state(case), 600.0, save_every=300.0, dt=60.0, progress=False)
    # There is no forcing: only what interpolation left above saturation could change.
    np.testing.assert_allclose(run["air_temperature"][-1], run["air_temperature"][0], atol=1e-3)
    np.testing.assert_allclose(run["eastward_wind"][-1], case["initial_eastward_wind"], rtol=1e-6)


def test_a_case_refuses_another_dataset():
    with pytest.raises(DataError, match="The sounding has no variable 'air_pressure'"):
        case_from_sounding(weisman_klemp().rename(air_pressure="p"))
