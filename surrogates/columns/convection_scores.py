from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from closurax.physics.column.conservation import (
    enthalpy_budget,
    momentum_budget,
    water_budget,
)
from closurax.physics.column.convection import TENDENCIES, AbstractConvection
from closurax.physics.errors import DataError

_CLASSES = ("none", "deep", "shallow")
_MM_PER_HOUR = 3600.0


def convection_outputs(
    scheme: AbstractConvection, inputs: Mapping[str, Array | np.ndarray], batch_size: int = 2000
) -> dict[str, np.ndarray]:
    """What a scheme returns for many columns.

    **Arguments:**

    - `scheme`: learned or physical.
    - `inputs`: what it reads, with a leading sample axis.
    - `batch_size`: columns at a time.
    """
    return _in_batches(_outputs, scheme, dict(inputs), batch_size)


def convection_scores(
    scheme: AbstractConvection,
    inputs: Mapping[str, Array | np.ndarray],
    targets: Mapping[str, Array | np.ndarray],
    batch_size: int = 2000,
) -> xr.Dataset:
    r"""Compares what a scheme returns with data.

    **Arguments:**

    - `scheme`: learned or physical.
    - `inputs`, `targets`: what a convection scheme reads and returns, with a leading sample axis.
    - `batch_size`: columns at a time.

    **Returns:**

    Scalars, which may be NaN where the data hold none of a kind:

    - `r2_NAME` and `rmse_NAME` of each tendency, with the mass of the layers for weights:
      $1 - \sum m (y - f)^2 / \sum m (y - \bar y)^2$, where $\bar y$ is the mean of all columns
      on a level, those without convection included;
    - `r2_precipitation`, its mean error `precipitation_bias` and `precipitation_mae`, in mm h-1,
      and `r2_log_lifetime` of the columns that are deep in both;
    - `class_accuracy`, `f1_none`, `f1_deep`, `f1_shallow`, and of whether there is convection
      `trigger_accuracy` and `trigger_f1`;
    - `base_error` and `top_error`: the mean absolute error in levels where both have convection;
    - `water_residual`, `momentum_residual` and `enthalpy_residual` over the gross exchange, the
      largest absolute value of all columns for the first two and the 99 % quantile for the last;
      `enthalpy_bias`, the median of that ratio; and `negative_vapour`, the fraction of columns
      where a layer would lose more vapour in a time step than it has.

    And over `level`: `r2_by_level_NAME` of each tendency.

    Raises `DataError` if targets are missing.
    """
    names = [name for name, _ in TENDENCIES]
    wanted = {q.name for q in scheme.returns}
    missing = sorted(wanted & set(_scored()) - set(targets))
    if missing:
        raise DataError(f"The targets lack {missing}; give all that a convection scheme returns.")
    outputs = convection_outputs(scheme, inputs, batch_size)
    budgets = _in_batches(_budgets, None, (dict(inputs), outputs), batch_size)
    found = {name: np.asarray(value, float) for name, value in outputs.items()}
    exact = {name: np.asarray(targets[name], float) for name in _scored()}
    mass = np.asarray(inputs["air_density"], float) * np.asarray(inputs["layer_thickness"], float)
    data: dict = {}
    for name, units in TENDENCIES:
        error = mass * (found[name] - exact[name]) ** 2
        spread = mass * (exact[name] - exact[name].mean(axis=0)) ** 2
        rmse = np.sqrt(error.sum() / mass.sum())
        data[f"r2_{name}"] = ((), _r2(error.sum(), spread.sum()), {"units": "1"})
        data[f"rmse_{name}"] = ((), rmse, {"units": units})
        by_level = _r2(error.sum(axis=0), spread.sum(axis=0))
        data[f"r2_by_level_{name}"] = ("level", by_level, {"units": "1"})
    scalars = {
        **_rain_scores(found, exact),
        **_class_scores(found, exact),
        **_cloud_scores(found, exact),
        **_budget_scores(budgets),
    }
    in_levels, in_rain = ("base_error", "top_error"), ("precipitation_bias", "precipitation_mae")
    for name, value in scalars.items():
        units = "level" if name in in_levels else "mm h-1" if name in in_rain else "1"
        data[name] = ((), value, {"units": units})
    level = np.arange(1, mass.shape[1] + 1)
    coords = {"level": ("level", level, {"units": "1", "long_name": "layer, 1 is the lowest"})}
    assert set(names) <= set(found)
    return xr.Dataset(data, coords=coords)


def _scored() -> tuple[str, ...]:
    return (
        *(name for name, _ in TENDENCIES),
        "precipitation_rate",
        "convective_lifetime",
        "convection_class",
        "cloud_base_level",
        "cloud_top_level",
    )


def _rain_scores(found: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> dict:
    rain, exact_rain = found["precipitation_rate"], exact["precipitation_rate"]
    error = rain - exact_rain
    deep = (_kind(found) == 1) & (_kind(exact) == 1)
    lifetime = np.log(np.maximum(found["convective_lifetime"][deep], 1))
    exact_lifetime = np.log(np.maximum(exact["convective_lifetime"][deep], 1))
    return {
        "r2_precipitation": _r2(np.sum(error**2), np.sum((exact_rain - exact_rain.mean()) ** 2)),
        "precipitation_bias": _MM_PER_HOUR * error.mean(),
        "precipitation_mae": _MM_PER_HOUR * np.abs(error).mean(),
        "r2_log_lifetime": _r2(
            np.sum((lifetime - exact_lifetime) ** 2),
            np.sum((exact_lifetime - _mean(exact_lifetime)) ** 2),
        ),
    }


def _class_scores(found: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> dict:
    kind, exact_kind = _kind(found), _kind(exact)
    return {
        "class_accuracy": np.mean(kind == exact_kind),
        **{
            f"f1_{name}": _f1(kind == index, exact_kind == index)
            for index, name in enumerate(_CLASSES)
        },
        "trigger_accuracy": np.mean((kind > 0) == (exact_kind > 0)),
        "trigger_f1": _f1(kind > 0, exact_kind > 0),
    }


def _cloud_scores(found: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> dict:
    both = (_kind(found) > 0) & (_kind(exact) > 0)
    return {
        f"{end}_error": _mean(
            np.abs(found[f"cloud_{end}_level"] - exact[f"cloud_{end}_level"])[both]
        )
        for end in ("base", "top")
    }


def _budget_scores(budgets: Mapping[str, np.ndarray]) -> dict:
    # In columns where nothing happens there is nothing to compare a residual with.
    def ratios(name):
        residual, gross = budgets[name], budgets[f"{name}_gross"]
        return (residual[gross > 0] / gross[gross > 0]).astype(float)

    enthalpy = ratios("enthalpy")
    return {
        "water_residual": np.max(np.abs(ratios("water")), initial=0.0),
        "momentum_residual": np.max(np.abs(ratios("momentum")), initial=0.0),
        "enthalpy_residual": np.quantile(np.abs(enthalpy), 0.99) if enthalpy.size else np.nan,
        "enthalpy_bias": np.median(enthalpy) if enthalpy.size else np.nan,
        "negative_vapour": np.mean(budgets["negative_vapour"]),
    }


def _outputs(scheme: AbstractConvection, inputs: dict[str, Array]) -> dict[str, Array]:
    return scheme.tendencies(inputs)


def _budgets(_: None, columns: tuple[dict[str, Array], dict[str, Array]]) -> dict[str, Array]:
    inputs, outputs = columns
    water, water_gross = water_budget(outputs, inputs)
    momentum, momentum_gross = momentum_budget(outputs, inputs)
    enthalpy, enthalpy_gross = enthalpy_budget(outputs, inputs)
    after = inputs["vapour_mixing_ratio"] + inputs["time_step"] * outputs["vapour_tendency"]
    return {
        "water": water,
        "water_gross": water_gross,
        "momentum": momentum,
        "momentum_gross": momentum_gross,
        "enthalpy": enthalpy,
        "enthalpy_gross": enthalpy_gross,
        "negative_vapour": jnp.any(after < 0),
    }


def _in_batches(function, scheme, samples, batch_size: int) -> dict[str, np.ndarray]:
    (count, *_) = {leaf.shape[0] for leaf in jax.tree_util.tree_leaves(samples)}
    parts = []
    for start in range(0, count, batch_size):
        batch = jax.tree_util.tree_map(
            lambda leaf, start=start: jnp.asarray(leaf[start : start + batch_size]), samples
        )
        parts.append(jax.device_get(_batch(function, scheme, batch)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@eqx.filter_jit
def _batch(function, scheme, batch):
    return jax.vmap(lambda sample: function(scheme, sample))(batch)


def _kind(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.rint(columns["convection_class"]).astype(int)


def _r2(error, spread):
    error, spread = np.asarray(error, float), np.asarray(spread, float)
    return 1 - np.divide(error, spread, out=np.full(spread.shape, np.nan), where=spread > 0)


def _f1(found: np.ndarray, exact: np.ndarray) -> float:
    wrong = np.sum(found != exact)
    right = np.sum(found & exact)
    return float(2 * right / (2 * right + wrong)) if right + wrong else float("nan")


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
