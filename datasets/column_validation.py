"""The checks that column data pass, each with one clear message.

Columns have the dimension `level`, the lowest layer first, and may have one dimension before it:
`column` or `time`.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from closurax.physics.errors import DataError

from .validation import check_variable

Specification = Mapping[str, tuple[tuple[str, ...], str]]
"""Of each variable the dimensions and the units."""

_BLOCK = 2**16
_HIGHEST_IN_HECTOPASCAL = 2000.0
_SATURATION_TOLERANCE = 0.02
_NEGLIGIBLE_VAPOUR = 2e-6


def check_columns(
    dataset: xr.Dataset,
    source: str,
    specification: Specification,
    *,
    pressure: str,
    temperature: str,
    vapour: str,
    top: float = 15000.0,
    tolerance: float = _SATURATION_TOLERANCE,
) -> None:
    """Runs every check of this module on columns.

    **Arguments:**

    - `dataset`: with the dimension `level`, the lowest first.
    - `source`: how messages call it.
    - `specification`: the variables that it must have.
    - `pressure`, `temperature`, `vapour`: what they are called, in Pa, K and kg per kg of dry air.
    - `top`: the pressure in Pa that the highest level must reach.
    - `tolerance`: by how much the relative humidity may exceed 1.

    Raises `DataError` if a dimension is empty, a variable is missing or has other dims, units or
    dtype, or its values cannot be those of an atmosphere.
    """
    check_sizes(dataset, source)
    for name, (dims, units) in specification.items():
        check_variable(dataset, source, name, dims, units, kinds="fiu")
    check_sizes(dataset, source, {dim for dims, _ in specification.values() for dim in dims})
    for block in blocks(dataset[list(specification)]):
        check_finite(block, source)
        check_pressure(block[pressure], source, top)
        check_temperature(block[temperature], source)
        check_humidity(block[vapour], block[pressure], block[temperature], source, tolerance)


def blocks(dataset: xr.Dataset) -> Iterator[xr.Dataset]:
    """The data in memory, so many columns or times at a time that they fit."""
    lead = [dim for dim in ("column", "time") if dim in dataset.dims]
    if not lead:
        yield dataset.load()
        return
    dim = lead[0]
    for start in range(0, dataset.sizes[dim], _BLOCK):
        try:
            yield dataset.isel({dim: slice(start, start + _BLOCK)}).compute()
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"The data cannot be read from {dim} {start} on ({error}): the file is damaged or "
                "truncated; copy or download it again."
            ) from error


def check_sizes(dataset: xr.Dataset, source: str, dims: set[str] | None = None) -> None:
    """Raises `DataError` if a dimension is empty, or a wanted one is not there."""
    sizes = {str(name): size for name, size in dataset.sizes.items()}
    for dim in sorted(sizes if dims is None else dims):
        if dim not in sizes:
            raise DataError(f"{source} has no dimension {dim!r}; it has {sorted(sizes)}.")
        if sizes[dim] == 0:
            raise DataError(f"{source} holds no data: the dimension {dim!r} is of size zero.")


def check_finite(dataset: xr.Dataset, source: str) -> None:
    """Raises `DataError` if a value is NaN or infinite."""
    for name, variable in dataset.items():
        if variable.dtype.kind == "f" and not np.isfinite(variable.values).all():
            where = _first(variable, variable.copy(data=~np.isfinite(variable.values)))
            raise DataError(
                f"{name!r} in {source} is NaN or infinite at {where}; remove or repair that "
                "profile."
            )


def check_pressure(pressure: xr.DataArray, source: str, top: float = 15000.0) -> None:
    """Raises `DataError` unless pressure in Pa decreases upward and reaches `top`."""
    name, values = pressure.name, pressure.values
    if not (values > 0).all():
        raise DataError(
            f"{name!r} in {source} is not positive at {_first(pressure, pressure <= 0)}."
        )
    if values.max() < _HIGHEST_IN_HECTOPASCAL:
        raise DataError(
            f"{name!r} in {source} is at most {values.max():g}, which looks like hPa, expected "
            "Pa; multiply by 100."
        )
    axis = pressure.dims.index(_level(pressure))
    steps = np.diff(values, axis=axis)
    if (steps > 0).all() and steps.size:
        raise DataError(
            f"{name!r} in {source} increases along {_level(pressure)!r}: the levels are upside "
            "down, expected the lowest first; reverse them."
        )
    if not (steps < 0).all():
        raise DataError(
            f"{name!r} in {source} does not decrease strictly along {_level(pressure)!r}; sort "
            "the levels, the lowest first, and drop those that occur twice."
        )
    highest = np.take(values, -1, axis=axis).max()
    if highest > top:
        raise DataError(
            f"{name!r} in {source} reaches up to {highest / 100:.4g} hPa only, expected "
            f"{top / 100:.4g} hPa or less; use a profile that goes higher, or extend it."
        )


def check_temperature(temperature: xr.DataArray, source: str) -> None:
    """Raises `DataError` unless temperatures in K are those of an atmosphere."""
    values, name = temperature.values, temperature.name
    if values.max() < 150:
        raise DataError(
            f"{name!r} in {source} is at most {values.max():g}, which looks like degrees Celsius, "
            "expected K; add 273.15."
        )
    outside = (temperature < 100) | (temperature > 350)
    if outside.any():
        raise DataError(
            f"{name!r} in {source} is outside 100 to 350 K at {_first(temperature, outside)}."
        )


def check_humidity(
    vapour: xr.DataArray,
    pressure: xr.DataArray,
    temperature: xr.DataArray,
    source: str,
    tolerance: float = _SATURATION_TOLERANCE,
) -> None:
    """Raises `DataError` for negative vapour or more supersaturation than `tolerance`.

    A mixing ratio of less than 2e-6 may exceed saturation: many files have such a floor.
    """
    name = vapour.name
    if (vapour.values < 0).any():
        raise DataError(
            f"{name!r} in {source} is negative at {_first(vapour, vapour < 0)}; clip or repair it."
        )
    if vapour.values.max() > 0.1:
        raise DataError(
            f"{name!r} in {source} is up to {vapour.values.max():g}, which looks like g kg-1, "
            "expected kg kg-1; divide by 1000."
        )
    saturation = saturation_mixing_ratio(pressure, temperature)
    excess = (vapour > (1 + tolerance) * saturation) & (vapour > _NEGLIGIBLE_VAPOUR)
    excess = excess.transpose(*vapour.dims, ...)
    if excess.any():
        ratio = float((vapour / saturation).where(excess).max())
        raise DataError(
            f"{name!r} in {source} is supersaturated, with a relative humidity of "
            f"{100 * ratio:.1f} % at most, first at {_first(excess, excess)}; expected no more "
            f"than {100 * (1 + tolerance):g} %: check its units, or limit it to saturation."
        )


def saturation_mixing_ratio(pressure, temperature):
    """Over liquid water, in kg kg-1, as `closurax.physics.column.thermodynamics`, for xarray.

    Above the height where water boils there is no saturation, and it is infinite.
    """
    vapour_pressure = 611.2 * np.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))
    dry = pressure - vapour_pressure
    return xr.where(dry > 0, 0.622 * vapour_pressure / xr.where(dry > 0, dry, 1.0), np.inf)


def _level(variable: xr.DataArray) -> str:
    return next(str(dim) for dim in variable.dims if str(dim).startswith("level"))


def _first(variable: xr.DataArray, wrong: xr.DataArray) -> str:
    wrong = wrong.transpose(*variable.dims)
    index = np.argwhere(wrong.values)[0]
    places = zip(variable.dims, index, strict=True)
    return ", ".join(f"{dim} index {i}" for dim, i in places) or "its only value"
