import os
from collections.abc import Iterable
from typing import Any

import h5py
import xarray as xr

from closurax.physics.errors import DataError

from .hdf5 import check_sizes, open_hdf5, open_hdf5_group, with_dims

# The groups of fields, and the dims that a vector or a tensor has behind the others.
_GROUPS: dict[str, tuple[str, ...]] = {
    "t0_fields": (),
    "t1_fields": ("component",),
    "t2_fields": ("component", "second_component"),
    "scalars": (),
}


def open_the_well(path: str | os.PathLike, names: Iterable[str]) -> xr.Dataset:
    """Opens fields of a file of The Well (Ohana et al. 2024, arXiv 2412.00568).

    Such HDF5 files hold scalar, vector and tensor fields in the groups `t0_fields`, `t1_fields`
    and `t2_fields`, parameters in `scalars`, and coordinates in `dimensions`. Attributes say
    along which axes an array varies; the others it does not have. What is the same for all
    trajectories is repeated for each.

    The Dataset is lazy and has the dims `sample`, `time`, those that the file calls its spatial
    ones, `component` and `second_component`. Times that differ between the samples are the
    coordinate `sample_time(sample, time)`. The attribute `boundary_conditions` says what the
    file does of each boundary, such as `"x: PERIODIC; y: WALL"`.

    Raises `DataError` if the file is damaged, or a field is missing or has other axes than it
    says.
    """
    source = repr(str(path))
    with open_hdf5(path) as file:
        located = _located(file)
        space = _texts(file["dimensions"].attrs.get("spatial_dims", ()))
        boundaries = _boundary_conditions(file)
        trajectories = int(file.attrs.get("n_trajectories", 0))
    names = list(names)
    for name in names:
        if name not in located:
            raise DataError(
                f"{source} has no field {name!r}; it has {sorted(located)}. Name one of these."
            )
    groups = {
        group: open_hdf5_group(path, group)
        for group in ["dimensions", *{located[name]: None for name in names}]
    }

    def close():
        for opened in groups.values():
            opened.close()

    try:
        coordinates = _coordinates(groups["dimensions"], source, space)
        fields = {
            name: _field(groups[located[name]][name].variable, located[name], source, name, space)
            for name in names
        }
        used = {dim for field in fields.values() for dim in field.dims}
        coordinates = {
            name: variable
            for name, variable in coordinates.items()
            if set(variable.dims) <= used | {"sample"}
        }
        check_sizes(source, coordinates | fields)
        count = next((f.sizes["sample"] for f in fields.values() if "sample" in f.dims), None)
        count = trajectories if count is None else count
        fields = {
            name: field if "sample" in field.dims else field.set_dims({"sample": count, **sizes})
            for name, field in fields.items()
            for sizes in [dict(field.sizes)]
        }
        attrs: dict[str, Any] = {"boundary_conditions": boundaries}
        dataset = xr.Dataset(fields, coords=coordinates, attrs=attrs)
    except DataError:
        close()
        raise
    dataset.set_close(close)
    return dataset


def _located(file: h5py.File) -> dict[str, str]:
    """The group of each field."""
    return {
        name: group
        for group in _GROUPS
        if group in file
        for name in _texts(file[group].attrs.get("field_names", ()))
        if name in file[group]
    }


def _coordinates(
    dimensions: xr.Dataset, source: str, space: tuple[str, ...]
) -> dict[str, xr.Variable]:
    coordinates = {}
    for name in ("time", *space):
        if name not in dimensions.variables:
            raise DataError(f"{source} has no coordinate {name!r} in 'dimensions'; add it.")
        variable = dimensions.variables[name]
        if variable.ndim == 1:
            coordinates[name] = with_dims(variable, (name,))
        elif name == "time" and variable.ndim == 2:
            coordinates["sample_time"] = with_dims(variable, ("sample", "time"))
        else:
            raise DataError(
                f"The coordinate {name!r} in {source} has {variable.ndim} axes, expected one; "
                "resample the fields to one grid for all samples."
            )
    return coordinates


def _field(
    variable: xr.Variable, group: str, source: str, name: str, space: tuple[str, ...]
) -> xr.Variable:
    varies = variable.attrs.get("dim_varying", () if group == "scalars" else (True,) * len(space))
    dims: tuple[str, ...] = (
        *(("sample",) if variable.attrs.get("sample_varying", True) else ()),
        *(("time",) if variable.attrs.get("time_varying", True) else ()),
        *(axis for axis, along in zip(space, varies, strict=False) if along),
        *_GROUPS[group],
    )
    if group == "scalars" and not dims and variable.ndim == 1:
        variable = variable.isel({variable.dims[0]: 0})
    if variable.ndim != len(dims):
        raise DataError(
            f"{name!r} in {source} has the shape {variable.shape}, but by its attributes it has "
            f"the axes {dims}; correct 'sample_varying', 'time_varying' or 'dim_varying'."
        )
    labelled = with_dims(variable, dims)
    flags = ("sample_varying", "time_varying", "dim_varying")
    labelled.attrs = {key: value for key, value in variable.attrs.items() if key not in flags}
    return labelled


def _boundary_conditions(file: h5py.File) -> str:
    found = []
    for boundary in file.get("boundary_conditions", {}).values():
        axes = ", ".join(_texts(boundary.attrs.get("associated_dims", ())))
        found.append(f"{axes}: {boundary.attrs.get('bc_type', 'unknown')}")
    return "; ".join(found)


def _texts(value: Any) -> tuple[str, ...]:
    """A list of names, which HDF5 may hold as one string, as strings or as bytes."""
    if isinstance(value, str | bytes):
        value = [value]
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in value)
