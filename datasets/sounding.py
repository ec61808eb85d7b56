"""Plain soundings: read from text, checked, and made into a case for a column."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from closurax.physics.column.thermodynamics import VAPOUR_RATIO
from closurax.physics.errors import DataError

from .column_case_names import label
from .column_levels import interpolate, middle, sigma_interfaces
from .column_validation import check_columns, saturation_mixing_ratio

_COLUMNS = ("p", "z", "T", "Td", "wdir", "wspd")
_MISSING = -999.0
_KNOT = 1852.0 / 3600.0
_SMALLEST_VAPOUR = 1e-7

_SPECIFICATION = {
    "air_pressure": (("level",), "Pa"),
    "height": (("level",), "m"),
    "air_temperature": (("level",), "K"),
    "vapour_mixing_ratio": (("level",), "kg kg-1"),
    "eastward_wind": (("level",), "m s-1"),
    "northward_wind": (("level",), "m s-1"),
}


def read_sounding(path: str | os.PathLike, top: float = 15000.0) -> xr.Dataset:
    """Reads one sounding from text, the lowest level first.

    Two layouts are known:

    - that of SHARPpy: lines of pressure in hPa, height in m, temperature and dew point in degrees
      Celsius, wind direction in degrees and speed in knots, with commas, between lines `%RAW%`
      and `%END%`; -9999 stands for a missing value;
    - CSV with a header that names the columns `p`, `z`, `T`, `Td`, `wdir`, `wspd`, in hPa, m,
      degrees Celsius, degrees and m s-1; empty or -9999 is missing.

    Levels without temperature are left out. Missing relative humidity and wind are interpolated
    in the logarithm of pressure; above the last dew point the air is dry, and beyond the winds
    they are constant.

    It returns `air_pressure` (Pa), `height` (m above the lowest level), `air_temperature` (K),
    `vapour_mixing_ratio` (kg kg-1), `eastward_wind` and `northward_wind` (m s-1) over `level`.

    **Arguments:**

    - `top`: the pressure in Pa that the highest level must reach.

    Raises `DataError` if the file cannot be read, or its values cannot be those of a sounding.
    """
    path = Path(path)
    source = repr(str(path))
    if not path.is_file():
        raise DataError(f"There is no file {source}; check the path.")
    text = path.read_text(encoding="utf-8", errors="replace")
    is_raw = "%RAW%" in text
    table = _raw_table(text, source) if is_raw else _csv_table(text, source)
    p, z, celsius, dew_point, direction, speed = table.T
    present = np.isfinite(p) & np.isfinite(celsius)
    if present.sum() < 2:
        raise DataError(
            f"{source} holds no data: {present.sum()} levels have a pressure and a temperature."
        )
    p, z, celsius, dew_point, direction, speed = (
        column[present] for column in (p, z, celsius, dew_point, direction, speed)
    )
    if p.max() > 2000:
        raise DataError(
            f"'p' in {source} is up to {p.max():g}, which looks like Pa, expected hPa; divide by "
            "100."
        )
    if celsius.max() > 150:
        raise DataError(
            f"'T' in {source} is up to {celsius.max():g}, which looks like K, expected degrees "
            "Celsius; subtract 273.15."
        )
    speed = speed * (_KNOT if is_raw else 1.0)
    angle = np.deg2rad(direction)
    vapour_pressure = _saturation_vapour_pressure(dew_point + 273.15)
    vapour = VAPOUR_RATIO * vapour_pressure / (100 * p - vapour_pressure)
    log_pressure = -np.log(p)
    sounding = sounding_dataset(
        pressure=100 * p,
        height=_filled(z - z[0], log_pressure, source, "z"),
        temperature=celsius + 273.15,
        vapour=_filled_vapour(vapour, 100 * p, celsius + 273.15, source),
        eastward_wind=_filled(-speed * np.sin(angle), log_pressure, source, "wind"),
        northward_wind=_filled(-speed * np.cos(angle), log_pressure, source, "wind"),
        attrs={"title": _title(text) or path.name},
    )
    check_sounding(sounding, source, top)
    return sounding


def case_from_sounding(
    sounding: xr.Dataset, interface_pressure: np.ndarray | None = None
) -> xr.Dataset:
    """A case without forcing that starts from a sounding, for `AtmosphericColumn.from_case`.

    **Arguments:**

    - `sounding`: as `read_sounding` or `weisman_klemp` return it.
    - `interface_pressure`: of the model's levels in Pa, the ground first; by default 40 layers
        from the lowest level of the sounding up to 60 hPa. Beyond the sounding its last values
        hold.

    Raises `DataError` if the sounding does not pass the checks of `read_sounding`.
    """
    check_sounding(sounding, "The sounding")
    pressure = np.asarray(sounding["air_pressure"], float)
    if interface_pressure is None:
        interface_pressure = sigma_interfaces(float(pressure[0]))
    interfaces = np.asarray(interface_pressure, float)
    layers = middle(interfaces)
    names = ("air_temperature", "vapour_mixing_ratio", "eastward_wind", "northward_wind")
    profiles = {
        f"initial_{name}": ("level", interpolate(sounding[name].values, pressure, layers))
        for name in names
    }
    saturation = saturation_mixing_ratio(layers, profiles["initial_air_temperature"][1])
    vapour = np.minimum(profiles["initial_vapour_mixing_ratio"][1], saturation)
    profiles["initial_vapour_mixing_ratio"] = ("level", vapour)
    case = xr.Dataset(
        {"air_pressure": ("level", layers), "interface_pressure": ("level_w", interfaces)}
        | profiles,
        coords={"time": ("time", [0.0])},
    )
    attrs = {"boundary_layer": "none", "condensate": "re-evaporated"}
    return label(case, {"title": str(sounding.attrs.get("title", "sounding")), **attrs})


def check_sounding(sounding: xr.Dataset, source: str, top: float = 15000.0) -> None:
    """Raises `DataError` unless the Dataset is a sounding in the units of `read_sounding`."""
    check_columns(
        sounding, source, _SPECIFICATION, pressure="air_pressure", temperature="air_temperature",
        vapour="vapour_mixing_ratio", top=top,
    )  # fmt: skip


def sounding_dataset(
    *,
    pressure: np.ndarray,
    height: np.ndarray,
    temperature: np.ndarray,
    vapour: np.ndarray,
    eastward_wind: np.ndarray,
    northward_wind: np.ndarray,
    attrs: Mapping[str, str],
) -> xr.Dataset:
    """A sounding from its arrays `(level,)`, the lowest first, in SI units."""
    values = (pressure, height, temperature, vapour, eastward_wind, northward_wind)
    data = {
        name: (dims, np.asarray(value, float), {"units": units})
        for (name, (dims, units)), value in zip(_SPECIFICATION.items(), values, strict=True)
    }
    return xr.Dataset(data, attrs={"Conventions": "CF-1.11", **attrs})


def _raw_table(text: str, source: str) -> np.ndarray:
    body = text.partition("%RAW%")[2].partition("%END%")[0]
    lines = [line for line in body.splitlines() if line.strip()]
    return _numbers([line.split(",") for line in lines], source, len(_COLUMNS))


def _csv_table(text: str, source: str) -> np.ndarray:
    rows = [row for row in csv.reader(text.splitlines()) if any(cell.strip() for cell in row)]
    header = [cell.strip() for cell in rows[0]] if rows else []
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{source} is no sounding that closurax knows: it has neither a line %RAW% nor the "
            f"columns {missing} in its first line {header}."
        )
    table = _numbers(rows[1:], source, len(header))
    return table[:, [header.index(name) for name in _COLUMNS]]


def _numbers(rows: list[list[str]], source: str, width: int) -> np.ndarray:
    values = []
    for row in rows:
        try:
            numbers = [float(cell) if cell.strip() else np.nan for cell in row]
        except ValueError as error:
            raise DataError(f"{source} has a line that is not numbers: {row} ({error}).") from error
        if len(numbers) != width:
            raise DataError(f"{source} has a line of {len(numbers)} values, not {width}: {row}.")
        values.append(numbers)
    table = np.asarray(values, float).reshape(-1, width)
    return np.where(table <= _MISSING, np.nan, table)


def _filled(values: np.ndarray, log_pressure: np.ndarray, source: str, name: str) -> np.ndarray:
    known = np.isfinite(values)
    if not known.any():
        raise DataError(f"{name!r} in {source} is missing at every level.")
    order = np.argsort(log_pressure[known])
    return np.where(
        known, values, np.interp(log_pressure, log_pressure[known][order], values[known][order])
    )


def _filled_vapour(
    vapour: np.ndarray, pressure: np.ndarray, temperature: np.ndarray, source: str
) -> np.ndarray:
    log_pressure = -np.log(pressure)
    saturation = saturation_mixing_ratio(pressure, temperature)
    filled = saturation * _filled(vapour / saturation, log_pressure, source, "Td")
    above = log_pressure > log_pressure[np.isfinite(vapour)].max()
    return np.where(above, _SMALLEST_VAPOUR, filled)


def _saturation_vapour_pressure(temperature: np.ndarray) -> np.ndarray:
    return 611.2 * np.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))


def _title(text: str) -> str:
    title = text.partition("%TITLE%")[2].strip().splitlines()
    return " ".join(title[0].split()) if title and not title[0].startswith("%") else ""
