"""The end of the experiment `convection`: metrics, figures and the page."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from closurax.physics.column.thermodynamics import (
    GRAVITY,
    HEAT_CAPACITY,
    exner_function,
    latent_heat_of_vaporisation,
)

from .. import report
from ..workspace import Workspace
from .convection_settings import Convection
from .flat_metrics import flat_metrics

_DAY = 86400.0
_REFERENCE = "reference"


def write_report(
    settings: Convection,
    workspace: Workspace,
    *,
    names: list[str],
    learned: list[str],
    case: xr.Dataset,
    costs: Mapping[str, float],
) -> dict[str, Any]:
    """Writes `metrics.json`, the figures and `report.html`.

    **Arguments:**

    - `names`: of all runs; `learned`: of the learned schemes.
    - `case`: with the run to compare with, if it has one; otherwise that is Kain-Fritsch.
    - `costs`: seconds of wall time of each run, compilation included.
    """
    runs = {name: open_run(workspace, name) for name in names}
    reference = reference_run(case, runs["kain_fritsch"])
    metrics = {name: _scores(run, reference) for name, run in runs.items()}
    for name, cost in costs.items():
        metrics[name]["seconds"] = cost
    ensembles = _ensembles(settings, workspace, learned)
    for name, values in ensembles.items():
        metrics[f"ensemble.{name}"] = values
    free = _free_runs(settings, workspace, learned)
    for name, values in free.items():
        metrics[f"free.{name}"] = values
    held_out = _held_out(settings, workspace, learned, case)
    for name, values in held_out.items():
        metrics[f"held_out.{name}"] = values
    flat = flat_metrics(
        {
            name: {key: value for key, value in values.items() if np.isfinite(value)}
            for name, values in metrics.items()
        }
    )
    workspace.write_text("metrics.json", json.dumps(flat, indent=1, allow_nan=False))
    compared_with_file = _REFERENCE in reference.attrs
    findings = _findings(metrics, learned, compared_with_file)
    figures = _figures(workspace, runs, reference, learned, compared_with_file)
    first = metrics[learned[0]]
    page = report.Page(
        title="A learned convection scheme in a running column",
        summary=(
            f"{case.attrs.get('title', 'A column')}: the same column without convection, with "
            "the multi-scale Kain-Fritsch scheme, and with a network in its place."
        ),
        cards=[
            ("temperature", f"{first['temperature_rmse']:.3f} K", "difference of the learned run"),
            ("humidity", f"{1e3 * first['vapour_rmse']:.3f} g/kg", "likewise"),
            ("rain", _percent(first["rain_bias"]), "bias of the learned run"),
            ("without", f"{metrics['none']['temperature_rmse']:.2f} K", "no convection at all"),
        ],
        findings=findings,
        sections=_sections(names, metrics, ensembles, free, held_out, figures),
        provenance=[
            ("closurax", version("closurax")),
            ("jax", f"{jax.__version__} on {jax.devices()[0].platform}"),
            ("machine", f"{platform.machine()}, {os.cpu_count()} cores"),
            ("case", str(case.attrs.get("title", settings.case.file))),
            ("compared with", "the run in the file" if compared_with_file else "Kain-Fritsch"),
        ],
        configuration=workspace.path("config.toml").read_text(encoding="utf-8"),
    )
    workspace.write_text("report.html", page.html())
    return {"metrics": flat, "findings": findings}


def reference_run(case: xr.Dataset, physical: xr.Dataset) -> xr.Dataset:
    """The run that comes with a case, at the times of `physical`, or else `physical` itself."""
    if "reference_air_temperature" not in case:
        return physical
    steps = np.searchsorted(case["time"].values, physical["time"].values - 1e-3)
    steps = np.minimum(steps, case.sizes["time"] - 1)
    at = case.isel(time=steps)
    rate = case["recorded_precipitation_rate"].values
    time = case["time"].values
    fallen = np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(time))])[steps]
    mass = np.abs(np.diff(case["interface_pressure"].values)) / GRAVITY
    water = np.sum(at["reference_vapour_mixing_ratio"].values * mass, axis=1)
    return xr.Dataset(
        {
            "air_temperature": (("time", "level"), at["reference_air_temperature"].values),
            "humidity_mixing_ratio": (
                ("time", "level"), at["reference_vapour_mixing_ratio"].values,
            ),
            "convective_precipitation": ("time", fallen),
            "precipitable_water": ("time", water),
            **_recorded_changes(case, steps),
            "air_pressure": physical["air_pressure"],
        },
        coords={"time": physical["time"]},
        attrs={_REFERENCE: "file"},
    )  # fmt: skip


def _recorded_changes(case: xr.Dataset, steps: np.ndarray) -> dict[str, Any]:
    """What the recorded convection has done to temperature and vapour until each of `steps`.

    Its condensate evaporates at once, as in the column.
    """
    seconds = np.diff(case["time"].values, append=np.nan)
    seconds[-1] = seconds[0]
    exner = np.asarray(exner_function(jnp.asarray(case["air_pressure"].values)))
    condensate = sum(
        case[f"recorded_{name}_tendency"].values for name in ("cloud_water", "cloud_ice")
    )
    latent = latent_heat_of_vaporisation(jnp.asarray(case["reference_air_temperature"].values))
    heating = case["recorded_potential_temperature_tendency"].values * exner
    heating = heating - np.asarray(latent) / HEAT_CAPACITY * condensate
    moistening = case["recorded_vapour_tendency"].values + condensate
    changes = {"convective_warming": heating, "convective_moistening": moistening}
    so_far = {name: np.cumsum(rate * seconds[:, None], axis=0) for name, rate in changes.items()}
    before = np.maximum(steps - 1, 0)
    return {name: (("time", "level"), values[before]) for name, values in so_far.items()}


def open_run(workspace: Workspace, name: str) -> xr.Dataset:
    """A run that the experiment wrote, in memory."""
    path = workspace.path(f"runs/{name}.nc")
    return xr.load_dataset(path, engine="netcdf4", decode_times=False)


def _scores(run: xr.Dataset, reference: xr.Dataset) -> dict[str, float]:
    temperature = (run["air_temperature"] - reference["air_temperature"]).values
    vapour = (run["humidity_mixing_ratio"] - reference["humidity_mixing_ratio"]).values
    rain, expected = (_rain(dataset) for dataset in (run, reference))
    total, wanted = float(rain.sum()), float(expected.sum())
    varies = rain.size > 1 and rain.std() > 0 and expected.std() > 0
    scores = {
        "temperature_rmse": float(np.sqrt(np.mean(temperature**2))),
        "temperature_bias": float(np.mean(temperature)),
        "vapour_rmse": float(np.sqrt(np.mean(vapour**2))),
        "vapour_bias": float(np.mean(vapour)),
        "rain": total,
        "rain_bias": total / wanted - 1 if wanted > 0 else np.nan,
        "rain_correlation": float(np.corrcoef(rain, expected)[0, 1]) if varies else np.nan,
    }
    if "call_fraction" in run:
        scores["call_fraction"] = float(np.nanmean(run["call_fraction"]))
    if "fallback_fraction" in run:
        scores["fallback_fraction"] = float(np.nanmean(run["fallback_fraction"]))
    return scores


def _rain(run: xr.Dataset, hours: float = 3.0) -> np.ndarray:
    time, total = run["time"].values, run["convective_precipitation"].values
    step = max(1, round(hours * 3600 / float(time[1] - time[0])))
    return np.diff(total[::step])


def _ensembles(
    settings: Convection, workspace: Workspace, learned: list[str]
) -> dict[str, dict[str, float]]:
    suffix = "_guarded" if settings.ensemble.guarded else ""
    found = {}
    for name in ("kain_fritsch", f"{learned[0]}{suffix}"):
        run = open_run(workspace, f"ensemble_{name}")
        last = run["convective_precipitation"].values[:, -1]
        stopped = int(np.isfinite(run["blow_up_time"].values).sum())
        spread = run["air_temperature"].values[:, -1].std(axis=0)
        found[name] = {
            "members": float(run.sizes["member"]),
            "unstable": float(stopped),
            "rain": float(np.nanmean(last)),
            "rain_spread": float(np.nanstd(last)),
            "temperature_spread": float(np.nanmean(spread)),
            "fallback_fraction": float(np.nanmean(run["fallback_fraction"]))
            if "fallback_fraction" in run
            else 0.0,
        }
    return found


def _free_runs(
    settings: Convection, workspace: Workspace, learned: list[str]
) -> dict[str, dict[str, float]]:
    if not settings.free_run.days:
        return {}
    found = {}
    for name in ("kain_fritsch", learned[0]):
        run = open_run(workspace, f"free_{name}")
        mass = np.abs(np.gradient(run["air_pressure"].values[0]))
        temperature = np.average(run["air_temperature"].values, axis=1, weights=mass)
        water = run["precipitable_water"].values
        days = (run["time"].values[-1] - run["time"].values[0]) / _DAY
        found[name] = {
            "days": float(days),
            "temperature_drift": float(temperature[-1] - temperature[0]) / days,
            "water_drift": float(water[-1] - water[0]) / days,
            "rain": float(run["convective_precipitation"].values[-1]) / days,
        }
    return found


def _held_out(
    settings: Convection, workspace: Workspace, learned: list[str], case: xr.Dataset
) -> dict[str, dict[str, float]]:
    """Scores of the runs over the days that the tuning did not see."""
    if not settings.tuning.epochs:
        return {}
    physical = open_run(workspace, "kain_fritsch")
    names = ("kain_fritsch", learned[0], "tuned")
    runs = {name: open_run(workspace, f"held_out_{name}") for name in names}
    reference = reference_run(case, physical)
    first = reference.sizes["time"] - runs["tuned"].sizes["time"]
    reference = reference.isel(time=slice(first, None)).assign_coords(time=runs["tuned"]["time"])
    start = reference["convective_precipitation"].isel(time=0)
    reference = reference.assign(
        convective_precipitation=reference["convective_precipitation"] - start
    )
    chosen = ("temperature_rmse", "vapour_rmse", "rain", "rain_bias")
    scores = {name: _scores(run, reference) for name, run in runs.items()}
    return {name: {key: values[key] for key in chosen} for name, values in scores.items()}


def _findings(
    metrics: Mapping[str, Mapping[str, float]], learned: list[str], with_file: bool
) -> list[str]:
    other = "the run in the file" if with_file else "the run with Kain-Fritsch"
    none = metrics["none"]
    lines = []
    if with_file:
        physical = metrics["kain_fritsch"]
        lines.append(
            f"With Kain-Fritsch in JAX the column follows the run in the file to "
            f"{physical['temperature_rmse']:.2g} K and {1e3 * physical['vapour_rmse']:.2g} g/kg."
        )
    for name in learned:
        values = metrics[name]
        bias = values["rain_bias"]
        rain = f"{100 * bias:+.1f} % of rain" if np.isfinite(bias) else "no rain to compare"
        lines.append(
            f"With {report.look(name).label} the column stays within "
            f"{values['temperature_rmse']:.3f} K and {1e3 * values['vapour_rmse']:.3f} g/kg of "
            f"{other}, with {rain}; without convection it is {none['temperature_rmse']:.2f} K "
            f"and {1e3 * none['vapour_rmse']:.2f} g/kg away."
        )
    for name, values in metrics.items():
        if name.startswith("ensemble.") and "kain_fritsch" not in name:
            lines.append(
                f"{values['unstable']:.0f} of {values['members']:.0f} perturbed members became "
                f"unstable ({name.removeprefix('ensemble.').replace('_', ' ')}); the guard fell "
                f"back in {values['fallback_fraction']:.1%} of the time."
            )
        if name == "held_out.tuned":
            before = metrics[f"held_out.{learned[0]}"]
            lines.append(
                f"Tuned inside the column, on days that the tuning did not see, "
                f"{report.look(learned[0]).label} goes from {before['temperature_rmse']:.3f} K "
                f"and {1e3 * before['vapour_rmse']:.3f} g/kg to {values['temperature_rmse']:.3f} "
                f"K and {1e3 * values['vapour_rmse']:.3f} g/kg."
            )
        if name.startswith("free."):
            lines.append(
                f"Without relaxation, over {values['days']:.0f} days, the column with "
                f"{report.look(name.removeprefix('free.')).label} drifts by "
                f"{values['temperature_drift']:+.3f} K and {values['water_drift']:+.3f} kg m-2 "
                "per day."
            )
    return lines


def _figures(
    workspace: Workspace,
    runs: Mapping[str, xr.Dataset],
    reference: xr.Dataset,
    learned: list[str],
    with_file: bool,
) -> dict[str, report.Figure]:
    shown = {"recorded": reference} if with_file else {}
    shown |= {"no_convection": runs["none"]}
    shown |= {name: runs[name] for name in ("kain_fritsch", *learned)}
    pressure = runs["none"]["air_pressure"].values[0]
    differences: dict[str, dict[str, np.ndarray]] = {
        "temperature\nbias (K)": {},
        "temperature\nrms difference (K)": {},
        "humidity\nbias (g kg$^{-1}$)": {},
        "humidity\nrms difference (g kg$^{-1}$)": {},
    }
    for name, run in shown.items():
        temperature = (run["air_temperature"] - reference["air_temperature"]).values
        vapour = 1e3 * (run["humidity_mixing_ratio"] - reference["humidity_mixing_ratio"]).values
        values = (
            temperature.mean(0), np.sqrt((temperature**2).mean(0)),
            vapour.mean(0), np.sqrt((vapour**2).mean(0)),
        )  # fmt: skip
        for panel, value in zip(differences.values(), values, strict=True):
            panel[name] = value
    heating: dict[str, dict[str, np.ndarray]] = {
        "apparent heat source of\nconvection (K d$^{-1}$)": {},
        "apparent moisture sink of\nconvection (K d$^{-1}$)": {},
    }
    for name, run in shown.items():
        if "convective_warming" in run and name != "no_convection":
            panels = list(heating.values())
            panels[0][name], panels[1][name] = _apparent(run)
    drawn = {
        "rain": (
            report.rain_figure(shown),
            "Rain and water",
            "Three-hourly convective rain, precipitable water, how often it rains how much, and "
            "the rain since the start.",
        ),
        "profiles": (
            report.profiles_figure(differences, pressure),
            "Difference by level",
            "Of each run from the reference, over the whole run.",
        ),
        "heating": (
            report.profiles_figure(heating, pressure),
            "What convection does",
            "The mean heating by convection, and its drying times the latent heat over the heat "
            "capacity: the part of Yanai's apparent heat source and moisture sink that is "
            "convection's.",
        ),
    }
    figures = {}
    for name, (figure, title, caption) in drawn.items():
        path = workspace.path(f"figures/{name}.png")
        report.save_png(figure, path)
        figures[name] = report.Figure(path, title, caption)
    return figures


def _apparent(run: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The mean heating and drying by convection in K per day: Yanai et al. 1973."""
    days = (run["time"].values[-1] - run["time"].values[0]) / _DAY
    mean = jnp.asarray(run["air_temperature"].values.mean(0))
    latent = np.asarray(latent_heat_of_vaporisation(mean))
    drying = -latent / HEAT_CAPACITY * run["convective_moistening"].values[-1]
    return run["convective_warming"].values[-1] / days, drying / days


def _sections(names, metrics, ensembles, free, held_out, figures):
    columns = {
        "temperature_rmse": ("temperature\nrms, K", 1, ".4f"),
        "temperature_bias": ("bias, K", 1, "+.4f"),
        "vapour_rmse": ("humidity\nrms, g/kg", 1e3, ".4f"),
        "vapour_bias": ("bias, g/kg", 1e3, "+.4f"),
        "rain": ("rain\nmm", 1, ".2f"),
        "rain_bias": ("bias, %", 100, "+.1f"),
        "rain_correlation": ("3 h rain\ncorrelation", 1, ".3f"),
        "call_fraction": ("steps with\na call", 1, ".3f"),
        "fallback_fraction": ("on the\nfallback", 1, ".4f"),
        "seconds": ("seconds\nof wall time", 1, ".1f"),
    }
    rows = [
        [
            _label(name),
            *(
                format(factor * metrics[name][key], form)
                if np.isfinite(metrics[name].get(key, np.nan))
                else ""
                for key, (_, factor, form) in columns.items()
            ),
        ]
        for name in names
    ]
    table = report.Table(
        ["", *(title for title, _, _ in columns.values())],
        rows,
        "Differences from the reference run, at all saves and levels. Wall time holds compilation.",
    )
    sections = [
        ("All runs", "The same column, one scheme exchanged.", [table]),
        ("Rain", "What the user notices first.", [figures["rain"]]),
        ("The column", "Where the runs differ.", [figures["profiles"], figures["heating"]]),
        ("Stability", "Perturbed initial states.", [_dict_table(ensembles, "Of all members.")]),
    ]
    if free:
        caption = "Without relaxation, the forcing repeated; drifts are per day."
        sections.append(("Drift", "Nothing holds the column.", [_dict_table(free, caption)]))
    if held_out:
        caption = "Runs from the reference state over the days that the tuning did not see."
        sections.append(("Tuned online", "A posteriori.", [_dict_table(held_out, caption)]))
    return sections


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %" if np.isfinite(share) else "none"


def _dict_table(values: Mapping[str, Mapping[str, float]], caption: str) -> report.Table:
    keys = list(next(iter(values.values())))
    rows = [[_label(name), *(f"{row[key]:.4g}" for key in keys)] for name, row in values.items()]
    return report.Table(["", *(key.replace("_", " ") for key in keys)], rows, caption)


def _label(name: str) -> str:
    plain = name.removesuffix("_guarded")
    label = report.look("no_convection" if name == "none" else plain).label
    return f"{label}, guarded" if name.endswith("_guarded") else label
