"""Columns with what a convection scheme read and returned, for training a learned one."""

import os
import re
from collections.abc import Sequence

import numpy as np
import xarray as xr

from closurax.physics.errors import DataError

from .column_validation import check_columns
from .validation import open_netcdf

_FIELD, _SCALAR = ("column", "level"), ("column",)

_INPUTS = {
    "air_pressure": ("p", _FIELD, "Pa"),
    "air_temperature": ("t", _FIELD, "K"),
    "vapour_mixing_ratio": ("qv", _FIELD, "kg kg-1"),
    "eastward_wind": ("u", _FIELD, "m s-1"),
    "northward_wind": ("v", _FIELD, "m s-1"),
    "air_density": ("rho", _FIELD, "kg m-3"),
    "layer_thickness": ("dz", _FIELD, "m"),
    "mean_vertical_velocity": ("w0avg", _FIELD, "m s-1"),
    "grid_spacing": ("dx", _SCALAR, "m"),
    "time_step": ("dt", _SCALAR, "s"),
    "friction_velocity": ("ust", _SCALAR, "m s-1"),
    "sensible_heat_flux": ("hfx", _SCALAR, "W m-2"),
    "boundary_layer_height": ("pblh", _SCALAR, "m"),
    "stability_parameter": ("zol", _SCALAR, "1"),
}
_TARGETS = {
    "potential_temperature_tendency": ("rthcuten", _FIELD, "K s-1"),
    "vapour_tendency": ("rqvcuten", _FIELD, "kg kg-1 s-1"),
    "cloud_water_tendency": ("rqccuten", _FIELD, "kg kg-1 s-1"),
    "rain_water_tendency": ("rqrcuten", _FIELD, "kg kg-1 s-1"),
    "cloud_ice_tendency": ("rqicuten", _FIELD, "kg kg-1 s-1"),
    "snow_tendency": ("rqscuten", _FIELD, "kg kg-1 s-1"),
    "eastward_wind_tendency": ("rucuten", _FIELD, "m s-2"),
    "northward_wind_tendency": ("rvcuten", _FIELD, "m s-2"),
    "precipitation_rate": ("pratec", _SCALAR, "kg m-2 s-1"),
    "convective_lifetime": ("nca", _SCALAR, "s"),
    "convection_class": ("conv_class", _SCALAR, "1"),
    "cloud_base_level": ("cubot", _SCALAR, "1"),
    "cloud_top_level": ("cutop", _SCALAR, "1"),
}
_SOUNDING = ("sounding_index", "sounding_name")


def open_convection_columns(path: str | os.PathLike) -> xr.Dataset:
    """Opens a netCDF file of columns in the layout of WRF's convection driver, and checks it.

    The file has profiles over `(column, level)`, the lowest layer first, and scalars over
    `(column,)`, under the names that WRF uses:

    - inputs `p`, `t`, `qv`, `u`, `v`, `rho`, `dz`, `w0avg`; `dx`, `dt`, `ust`, `hfx`, `pblh`,
      `zol`;
    - outputs `rthcuten`, `rqvcuten`, `rqccuten`, `rqrcuten`, `rqicuten`, `rqscuten`, `rucuten`,
      `rvcuten`; `pratec`, `nca`, `conv_class`, `cubot`, `cutop`;
    - the parent of each column: `sounding_index(column)` into `sounding_name(sounding)`.

    `column_inputs` and `column_targets` say which is which in a convection scheme. The Dataset
    is lazy: the checks read it once, in pieces, and nothing stays in memory.

    Raises `DataError` if the file cannot be read, a variable is missing or has other dims or
    units, or its values cannot be those of an atmosphere.
    """
    dataset = open_netcdf(path)
    try:
        for variable in dataset.variables.values():
            units = variable.attrs.get("units")
            if isinstance(units, str):
                # WRF-like files explain units in brackets: "kg m-2 s-1 (= mm s-1)".
                variable.attrs["units"] = re.sub(r"\s*\(.*\)\s*$", "", units)
        _check(dataset, repr(str(path)))
    except DataError:
        dataset.close()
        raise
    return dataset


def column_inputs(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """What a convection scheme reads: `AbstractConvection.reads`, in memory as float32.

    Fields are `(column, level)`, the lowest layer first, and scalars `(column,)`.
    """
    return _arrays(dataset, _INPUTS)


def column_targets(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """What the convection scheme returned: `AbstractConvection.returns`, in memory as float32.

    Fields are `(column, level)`, the lowest layer first, and scalars `(column,)`. Rain rates
    that are negative by rounding are zero.
    """
    targets = _arrays(dataset, _TARGETS)
    targets["precipitation_rate"] = np.maximum(targets["precipitation_rate"], 0)
    return targets


def split_by_sounding(
    dataset: xr.Dataset, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> tuple[xr.Dataset, ...]:
    """Splits columns at random into parts that share no parent sounding, nor its day.

    Columns of one parent are perturbed copies, and parents of one day are of one weather, so a
    split by column would test on what was trained on. These stay together (`sounding_groups`):

    - SARS soundings of one calendar date, which starts their file name as `YYMMDD`;
    - DYNAMO records of one day, eight of three hours each;
    - the cases BOMEX and KB2006, which is made from it; every other case by itself.

    **Arguments:**

    - `dataset`: as `open_convection_columns` returns it.
    - `fractions`: of the columns, one for each part; their sum is 1. Groups are not cut, so the
        sizes are as close to it as they allow.
    - `seed`: of the order in which the groups are dealt out.

    Raises `DataError` if a part would hold no column.
    """
    if min(fractions, default=0) <= 0 or not np.isclose(sum(fractions), 1):
        raise DataError(f"`fractions` must be positive and add up to 1, not {tuple(fractions)}.")
    _, group = np.unique(sounding_groups(dataset), return_inverse=True)
    sizes = np.bincount(group)
    order = np.random.default_rng(seed).permutation(sizes.size)
    centre = np.empty(sizes.size)
    centre[order] = np.cumsum(sizes[order]) - 0.5 * sizes[order]
    bounds = np.cumsum(fractions)[:-1] * group.size
    part = np.searchsorted(bounds, centre, side="right")[group]
    columns = [np.flatnonzero(part == index) for index in range(len(fractions))]
    for index, chosen in enumerate(columns):
        if not chosen.size:
            raise DataError(
                f"Part {index} of {len(columns)} would be empty: {group.size} columns come from "
                f"only {sizes.size} groups of soundings; use more soundings or fewer parts."
            )
    return tuple(dataset.isel(column=chosen) for chosen in columns)


def leave_out_grid_spacings(
    dataset: xr.Dataset, grid_spacings: Sequence[float]
) -> tuple[xr.Dataset, xr.Dataset]:
    """The columns with other grid spacings, and those with one of `grid_spacings` in m.

    The two share parent soundings. To test on grid spacings and soundings that training never
    saw, split by sounding first, then leave grid spacings out of every part.

    Raises `DataError` if one of the two would hold no column.
    """
    spacing = np.asarray(dataset["dx"])
    absent = [value for value in grid_spacings if not np.isclose(spacing, value).any()]
    if absent:
        raise DataError(
            f"No column has a grid spacing of {absent} m; there are {np.unique(spacing).tolist()}."
        )
    left_out = np.any([np.isclose(spacing, value) for value in grid_spacings], axis=0)
    if left_out.all() or not left_out.any():
        raise DataError(
            f"Leaving out the grid spacings {list(grid_spacings)} m divides nothing: there are "
            f"{np.unique(spacing).tolist()} m; name some of them, not all."
        )
    return (
        dataset.isel(column=np.flatnonzero(~left_out)),
        dataset.isel(column=np.flatnonzero(left_out)),
    )


def sounding_groups(dataset: xr.Dataset) -> np.ndarray:
    """For each column the group of soundings that `split_by_sounding` keeps together.

    Raises `DataError` if the name of a SARS sounding does not start with a date.
    """
    names = [str(name) for name in np.asarray(dataset["sounding_name"])]
    groups = np.asarray([_group(name) for name in names], dtype=np.str_)
    return groups[np.asarray(dataset["sounding_index"])]


def _group(name: str) -> str:
    collection, _, rest = name.partition("/")
    file = rest.rpartition("/")[2]
    if collection == "SARS":
        date = re.match(r"\d{6}", file)
        if date is None:
            raise DataError(
                f"'sounding_name' {name!r} does not start with a date YYMMDD, so its day is not "
                "known; rename the sounding."
            )
        return f"SARS/{date[0]}"
    record = re.fullmatch(r"t(\d+)", file)
    if record is not None:
        return f"{name.removesuffix(file)}day{int(record[1]) // 8}"
    if file.startswith(("BOMEX", "KB2006")):
        return f"{collection}/BOMEX"
    return name


def _check(dataset: xr.Dataset, source: str) -> None:
    variables = {**_INPUTS, **_TARGETS}.values()
    specification = {name: (dims, units) for name, dims, units in variables}
    check_columns(
        dataset, source, specification, pressure="p", temperature="t", vapour="qv"
    )  # fmt: skip
    for name in _SOUNDING:
        if name not in dataset.variables:
            raise DataError(
                f"{source} has no variable {name!r}, which says from what each column was made; "
                "add it."
            )
    index, names = np.asarray(dataset["sounding_index"]), dataset["sounding_name"]
    if index.min() < 0 or index.max() >= names.size:
        raise DataError(
            f"'sounding_index' in {source} is not within the {names.size} entries of "
            "'sounding_name'."
        )
    wrong = ~np.isin(np.asarray(dataset["conv_class"]), (0, 1, 2))
    if wrong.any():
        raise DataError(
            f"'conv_class' in {source} is none of 0, 1 and 2 at column index "
            f"{np.flatnonzero(wrong)[0]}."
        )
    for name in ("rho", "dz", "dx", "dt"):
        if not (dataset[name] > 0).all():
            raise DataError(f"{name!r} in {source} is not positive everywhere.")


def _arrays(dataset: xr.Dataset, names: dict) -> dict[str, np.ndarray]:
    return {
        name: np.asarray(dataset[variable].values, np.float32)
        for name, (variable, _, _) in names.items()
    }
