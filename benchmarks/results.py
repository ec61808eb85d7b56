"""The page of results, from a finished run of the experiment `subgrid-turbulence`:

closurax run subgrid-turbulence --out runs/results
python benchmarks/results.py runs/results
"""

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from closurax.datasets import reference_dns
from closurax.physics.diagnostics import log_spectrum_error
from closurax.report import look

DOCS = Path(__file__).parents[1] / "docs"
FIGURES = {
    "snapshots": ("subgrid-turbulence.png", "Vorticity at the end of the runs"),
    "spectra": ("subgrid-turbulence-spectra.png", "Energy and enstrophy by scale"),
    "tails": ("subgrid-turbulence-tails.png", "Extremes"),
    "time_series": ("subgrid-turbulence-time-series.png", "Energy and enstrophy in time"),
}
ERROR = "enstrophy_spectrum_error"
IN_SIMULATION = {
    ERROR: ("enstrophy spectrum, log error", 1, ".3f"),
    "energy_spectrum_error": ("energy spectrum, log error", 1, ".3f"),
    "tail_probability_3std": ("beyond 3 std, %", 100, ".2f"),
    "tail_probability_4std": ("beyond 4 std, %", 100, ".3f"),
    "mean_energy": ("energy, m² s⁻²", 1, ".2f"),
    "mean_enstrophy": ("enstrophy, s⁻²", 1, ".1f"),
}
BEFORE_COUPLING = {
    "a_priori_correlation": ("correlation", 1, ".3f"),
    "a_priori_r2": ("R²", 1, ".3f"),
    "a_priori_enstrophy_transfer_ratio": ("enstrophy transfer, over the exact one", 1, ".2f"),
    "a_priori_energy_transfer_ratio": ("energy transfer, over the exact one", 1, ".2f"),
}

Metrics = dict[str, dict[str, float]]
Columns = Mapping[str, tuple[str, float, str]]


def read_metrics(run: Path) -> Metrics:
    """The numbers in `metrics.json` by closure."""
    metrics: Metrics = {}
    for key, value in json.loads((run / "metrics.json").read_text(encoding="utf-8")).items():
        name, _, quantity = key.partition(".")
        metrics.setdefault(name, {})[quantity] = value
    return metrics


def cell(values: Mapping[str, float], key: str, scale: float, form: str) -> str:
    """A number with its confidence interval, as far as both are known."""
    if key not in values:
        return ""
    text = f"{scale * values[key]:{form}}"
    if f"{key}_low" not in values:
        return text
    low, high = (f"{scale * values[f'{key}_{bound}']:{form}}" for bound in ("low", "high"))
    return f"{text} ({low} to {high})"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def simulation_table(metrics: Metrics) -> str:
    """The DNS, then the closures by the error of their enstrophy spectrum."""
    closures = [name for name in metrics if "members" in metrics[name]]
    closures.sort(key=lambda name: metrics[name].get(ERROR, float("inf")))
    rows = [
        [
            look(name).label,
            *_cells(metrics[name], IN_SIMULATION),
            *_stability_and_cost(metrics, name),
        ]
        for name in ("reference", *closures)
    ]
    titles = [title for title, _, _ in IN_SIMULATION.values()]
    return table(["closure", *titles, "blew up", "ms per s and member"], rows)


def scores_table(metrics: Metrics) -> str:
    """The scores outside of any simulation, by explained variance."""
    scored = [name for name in metrics if "a_priori_r2" in metrics[name]]
    scored.sort(key=lambda name: -metrics[name]["a_priori_r2"])
    rows = [[look(name).label, *_cells(metrics[name], BEFORE_COUPLING)] for name in scored]
    return table(["closure", *(title for title, _, _ in BEFORE_COUPLING.values())], rows)


def _cells(values: Mapping[str, float], columns: Columns) -> list[str]:
    return [cell(values, key, scale, form) for key, (_, scale, form) in columns.items()]


def _stability_and_cost(metrics: Metrics, name: str) -> list[str]:
    values = metrics[name]
    if "members" not in values:
        return ["", ""]
    return [
        f"{values['blow_ups']:g} of {values['members']:g}",
        f"{1e3 * values['seconds_per_time_unit']:.1f}",
    ]


def halves_of_the_reference(first: int, last: int) -> float:
    """The log error of one half of the reference against the other, in the enstrophy spectrum."""
    halves = reference_dns()["enstrophy_spectrum_halves"].values
    return float(log_spectrum_error(halves[0], halves[1], first, last))


def page(run: Path) -> str:
    metrics = read_metrics(run)
    training = metrics["training"]
    with xr.open_dataset(run / "comparison.nc", engine="netcdf4") as comparison:
        source, seed = comparison.attrs["source"], comparison.attrs["seed"]
        configuration = json.loads(comparison.attrs["configuration"])
    judged = configuration["comparison"]
    first, last = judged["judged_wavenumbers"]
    pictures = "\n".join(
        f"![{title}](images/{name})\n\n*{title}.*\n" for name, title in FIGURES.values()
    )
    return f"""\
Made by {source}, seed {seed}. {judged["members"]} members for each closure, statistics over \
{judged["duration"]:g} s after a spin-up of {judged["spin_up"]:g} s, spectra judged over \
k = {first} to {last}. In parentheses: {100 * judged["confidence"]:g} % bootstrap intervals.

{simulation_table(metrics)}
The network has {training["parameters"]:,.0f} parameters; it was trained for \
{training["epochs"]:.0f} epochs in {training["seconds"]:.0f} s, and epoch \
{training["best_epoch"]:.0f} was taken. Scores outside of any simulation, on the last block of the \
training data, which no fit has seen:

{scores_table(metrics)}
The enstrophy spectra of the two halves of the reference differ from each other by a log error of \
{halves_of_the_reference(1, 4):.2f} over k = 1 to 4 and of {halves_of_the_reference(5, 20):.2f} \
over k = 5 to 20.

{pictures}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the folder that `closurax run` wrote")
    run = parser.parse_args().run
    if not (run / "metrics.json").is_file():
        parser.error(f"{run} holds no metrics.json: is the run finished?")
    for folder in ("generated", "images"):
        (DOCS / folder).mkdir(exist_ok=True)
    (DOCS / "generated" / "subgrid_turbulence.md").write_text(page(run), encoding="utf-8")
    for figure, (name, _) in FIGURES.items():
        shutil.copyfile(run / "figures" / f"{figure}.png", DOCS / "images" / name)
    print(f"Wrote {DOCS / 'generated' / 'subgrid_turbulence.md'} and {len(FIGURES)} figures.")


if __name__ == "__main__":
    main()
