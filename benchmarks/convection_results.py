"""The results for convection, from finished runs of the experiments on columns and in the column:

closurax run benchmarks/convection_columns.toml --set data.columns=FILE --out runs/columns
closurax run benchmarks/convection_focus.toml --set data.columns=FILE --out runs/focus
closurax run benchmarks/convection.toml --set case.file=CASE --set data.columns=FILE \
    --out runs/convection
python benchmarks/convection_results.py runs/columns runs/convection
"""

import argparse
import json
import shutil
from pathlib import Path

from results import DOCS, table

from closurax.report import look

FIGURES = {
    "columns": {"levels": "convection-levels.png"},
    "convection": {
        "rain": "convection-rain.png",
        "profiles": "convection-profiles.png",
        "heating": "convection-heating.png",
    },
}
OFFLINE = {
    "r2_potential_temperature_tendency": ("R² heating", 1, ".3f"),
    "r2_vapour_tendency": ("R² moistening", 1, ".3f"),
    "r2_precipitation": ("R² rain", 1, ".3f"),
    "r2_cloud_water_tendency": ("R² cloud water", 1, ".3f"),
    "r2_eastward_wind_tendency": ("R² wind", 1, ".3f"),
    "trigger_accuracy": ("trigger accuracy", 1, ".4f"),
    "trigger_f1": ("trigger F1", 1, ".3f"),
    "class_accuracy": ("class accuracy", 1, ".4f"),
    "precipitation_bias": ("rain bias, mm h⁻¹", 1, "+.4f"),
    "rmse_potential_temperature_tendency": ("rms heating, K d⁻¹", 86400, ".2f"),
}
LEFT_OUT = ("r2_potential_temperature_tendency", "r2_vapour_tendency", "r2_precipitation")
ONLINE = {
    "temperature_rmse": ("temperature, K", 1, ".4f"),
    "vapour_rmse": ("humidity, g kg⁻¹", 1e3, ".4f"),
    "rain": ("rain, mm", 1, ".2f"),
    "rain_bias": ("bias, %", 100, "+.2f"),
    "rain_correlation": ("3 h correlation", 1, ".3f"),
    "fallback_fraction": ("on the fallback", 1, ".4f"),
}


def read_metrics(run: Path) -> dict[str, dict[str, float]]:
    """The numbers in `metrics.json` by scheme: all but the last part of a key."""
    metrics: dict[str, dict[str, float]] = {}
    for key, value in json.loads((run / "metrics.json").read_text(encoding="utf-8")).items():
        name, _, quantity = key.rpartition(".")
        metrics.setdefault(name, {})[quantity] = value
    return metrics


def label(name: str) -> str:
    plain = name.removesuffix("_guarded")
    text = look("no_convection" if plain == "none" else plain).label
    return f"{text}, guarded" if name.endswith("_guarded") else text


def rows(metrics, names, columns):
    return [
        [
            label(name),
            *(
                format(scale * metrics[name][key], form) if key in metrics[name] else ""
                for key, (_, scale, form) in columns.items()
            ),
        ]
        for name in names
    ]


def titles(columns) -> list[str]:
    return ["", *(title for title, _, _ in columns.values())]


def offline(metrics) -> str:
    names = [name for name in metrics if "trigger_accuracy" in metrics[name] and "." not in name]
    text = table(titles(OFFLINE), rows(metrics, names, OFFLINE))
    header = ["", "parameters", "epochs", "minutes of training", "µs per column in JAX"]
    sizes = [
        [
            label(name),
            f"{metrics[f'training.{name}']['parameters']:,.0f}",
            f"{metrics[f'training.{name}']['epochs']:.0f}",
            f"{metrics[f'training.{name}']['seconds'] / 60:.1f}",
            f"{metrics[name]['microseconds_per_column']:.0f}",
        ]
        for name in names
        if f"training.{name}" in metrics
    ]
    text += "\n" + table(header, sizes)
    if f"{names[0]}.left_out" in metrics:
        header = ["R² with the grid spacing", *(OFFLINE[key][0] for key in LEFT_OUT for _ in "ab")]
        parts = ["", *("seen", "left out") * len(LEFT_OUT)]
        body = [
            [
                label(name),
                *(
                    f"{metrics[f'{name}.{part}'][key]:.3f}"
                    for key in LEFT_OUT
                    for part in ("seen", "left_out")
                ),
            ]
            for name in names
        ]
        text += "\n" + table(header, [parts, *body])
    return text


def online(metrics) -> str:
    names = [name for name in metrics if "temperature_bias" in metrics[name] and "." not in name]
    text = table(titles(ONLINE), rows(metrics, names, ONLINE))
    for prefix, caption in (
        ("ensemble.", "Perturbed members"),
        ("free.", "Without relaxation"),
        ("held_out.", "Days that the tuning did not see"),
    ):
        found = {name: values for name, values in metrics.items() if name.startswith(prefix)}
        if found:
            keys = list(next(iter(found.values())))
            header = [caption, *(key.replace("_", " ") for key in keys)]
            body = [
                [label(name.removeprefix(prefix)), *(f"{values[key]:.4g}" for key in keys)]
                for name, values in found.items()
            ]
            text += "\n" + table(header, body)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("columns", type=Path)
    parser.add_argument("convection", type=Path)
    options = parser.parse_args()
    generated = DOCS / "generated"
    generated.joinpath("convection_columns.md").write_text(
        offline(read_metrics(options.columns)), encoding="utf-8"
    )
    generated.joinpath("convection.md").write_text(
        online(read_metrics(options.convection)), encoding="utf-8"
    )
    for which, figures in FIGURES.items():
        for name, file in figures.items():
            source = getattr(options, which) / "figures" / f"{name}.png"
            shutil.copy(source, DOCS / "images" / file)


if __name__ == "__main__":
    main()
