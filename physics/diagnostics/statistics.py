"""The statistics of a run by which it is compared with others."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from ..errors import DataError
from ..spectral.grid import SpectralGrid
from .pdf import bootstrap_interval, kernel_density
from .spectra import (
    energy_spectrum,
    enstrophy_spectrum,
    mean_energy,
    mean_enstrophy,
    one_dimensional_enstrophy_spectrum,
    shell_wavenumbers,
)

_LABELS = {
    "energy_spectrum": ("m2 s-2", "kinetic energy in each wavenumber shell"),
    "enstrophy_spectrum": ("s-2", "enstrophy in each wavenumber shell"),
    "one_dimensional_enstrophy_spectrum": ("s-2", "mean of the enstrophy spectra along x and y"),
    "energy": ("m2 s-2", "domain-mean kinetic energy"),
    "enstrophy": ("s-2", "domain-mean enstrophy"),
    "largest_vorticity": ("s-1", "largest absolute vorticity in the domain"),
    "vorticity_std": ("s-1", "standard deviation of vorticity"),
    "vorticity_kurtosis": ("1", "kurtosis of vorticity"),
    "vorticity_pdf": ("s", "probability density of vorticity"),
    "tail_probability": ("1", "probability that absolute vorticity exceeds the threshold"),
    "tail_probability_interval": ("1", "bootstrap interval of the tail probability"),
    "blown_up_members": ("1", "number of members that blew up"),
}


def turbulence_statistics(
    dataset: xr.Dataset,
    grid: SpectralGrid,
    *,
    spin_up: float = 0.0,
    pdf_points: Float[np.ndarray, " w"] | None = None,
    bandwidth_factor: float = 1.0,
    thresholds: Sequence[float] = (),
    block_duration: float = 5.0,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Spectra, series, moments, distribution and tails of a run's vorticity.

    Snapshots that are not finite are left out of what is given for each member. What is pooled
    over members (`vorticity_pdf`, `tail_probability` and its interval) is taken from the
    members that survive to the end, and is NaN if none does.

    **Arguments:**

    - `dataset`: as `BarotropicVorticity.run` returns it: `vorticity` with the dimensions
        (member,) time, x, y.
    - `grid`: that the vorticity is on.
    - `spin_up`: time in s from the first snapshot on that is left out.
    - `pdf_points`: vorticities in s-1 at which to estimate the density; by default 201 within
        ten standard deviations.
    - `bandwidth_factor`: of `kernel_density`.
    - `thresholds`: in s-1, for `tail_probability`.
    - `block_duration`: length in s of the blocks of the bootstrap, `confidence` its
        probability and `seed` its seed.

    Raises `DataError` if there is no vorticity with these dimensions or no snapshot after the
    spin-up, and `GridMismatchError` if it is not on the grid.
    """
    vorticity = _members_after_spin_up(dataset, spin_up)
    fields = vorticity.values
    grid.check(fields, "vorticity")
    finite = np.isfinite(fields).all(axis=(-2, -1))
    members = [_member_statistics(snapshots, grid) for snapshots in fields]
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        name: (_dims(name), np.stack([member[name] for member in members])) for name in members[0]
    }
    survivors = fields[finite.all(axis=1)]
    time = vorticity["time"].values
    block = 1
    if time.size > 1:
        block = int(np.clip(round(block_duration / (time[1] - time[0])), 1, time.size))
    scale = np.sqrt(np.mean(survivors**2, dtype=float)) if survivors.size else 1.0
    if pdf_points is None:
        pdf_points = np.linspace(-10 * scale, 10 * scale, 201)
    pdf = np.full(len(pdf_points), np.nan)
    tails = np.full(len(thresholds), np.nan)
    intervals = np.full((len(thresholds), 2), np.nan)
    if survivors.size:
        pdf = kernel_density(survivors, pdf_points, bandwidth_factor)
        for i, threshold in enumerate(thresholds):
            fractions = np.mean(np.abs(survivors) > threshold, axis=(-2, -1))
            tails[i] = fractions.mean()
            intervals[i] = bootstrap_interval(
                fractions, block=block, confidence=confidence, seed=seed
            )
    data["vorticity_pdf"] = (("w",), pdf)
    data["tail_probability"] = (("threshold",), tails)
    data["tail_probability_interval"] = (("threshold", "bound"), intervals)
    data["blown_up_members"] = ((), np.asarray((~finite.all(axis=1)).sum()))

    statistics = xr.Dataset(
        {
            name: (dims, values, dict(zip(("units", "long_name"), _LABELS[name], strict=True)))
            for name, (dims, values) in data.items()
        },
        coords={
            "time": vorticity["time"],
            "k": ("k", shell_wavenumbers(grid), _wavenumber_attrs("wavenumber of the shell")),
            "w": ("w", pdf_points, {"units": "s-1", "long_name": "vorticity"}),
            "threshold": (
                "threshold",
                np.asarray(thresholds, float),
                {"units": "s-1", "long_name": "threshold of absolute vorticity"},
            ),
            "bound": ("bound", ["low", "high"]),
        },
        attrs={**dataset.attrs, "spin_up": f"{spin_up:g} s", "confidence": confidence},
    )
    if "k1" in statistics.dims:
        k1 = grid.ky[0, :-1]
        statistics = statistics.assign_coords(
            k1=("k1", k1, _wavenumber_attrs("wavenumber along one axis"))
        )
    return statistics if "member" in dataset["vorticity"].dims else statistics.isel(member=0)


def _members_after_spin_up(dataset: xr.Dataset, spin_up: float) -> xr.DataArray:
    if "vorticity" not in dataset:
        raise DataError(f"The dataset has no variable 'vorticity', only {list(dataset)}.")
    vorticity = dataset["vorticity"]
    if "member" not in vorticity.dims:
        vorticity = vorticity.expand_dims("member")
    if set(vorticity.dims) != {"member", "time", "x", "y"} or "time" not in vorticity.coords:
        raise DataError(
            f"'vorticity' has the dimensions {dataset['vorticity'].dims}; expected (member,) "
            "time, x, y with a time coordinate."
        )
    vorticity = vorticity.transpose("member", "time", "x", "y")
    elapsed = vorticity["time"] - vorticity["time"][0]
    vorticity = vorticity.isel(time=(elapsed.values >= spin_up - 1e-9))
    if vorticity.sizes["time"] == 0:
        raise DataError(f"'vorticity' has no snapshot after a spin-up of {spin_up:g} s.")
    return vorticity


def _member_statistics(
    snapshots: Float[np.ndarray, "time nx ny"], grid: SpectralGrid
) -> dict[str, np.ndarray]:
    series = {k: np.asarray(v, float) for k, v in _series(jnp.asarray(snapshots), grid).items()}
    finite = np.isfinite(series["enstrophy"])
    mean_square, mean_fourth = series.pop("mean_square"), series.pop("mean_fourth")
    if not finite.any():
        finite = np.ones_like(finite)
    variance = mean_square[finite].mean()
    statistics = {
        name: values[finite].mean(axis=0) if name.endswith("spectrum") else values
        for name, values in series.items()
    }
    statistics["vorticity_std"] = np.sqrt(variance)
    statistics["vorticity_kurtosis"] = mean_fourth[finite].mean() / variance**2
    return statistics


@eqx.filter_jit
def _series(snapshots: Float[Array, "time nx ny"], grid: SpectralGrid) -> dict[str, Array]:
    def of_snapshot(vorticity):
        anomaly = vorticity - jnp.mean(vorticity)
        series = {
            "energy_spectrum": energy_spectrum(vorticity, grid),
            "enstrophy_spectrum": enstrophy_spectrum(vorticity, grid),
            "energy": mean_energy(vorticity, grid),
            "enstrophy": mean_enstrophy(vorticity, grid),
            "largest_vorticity": jnp.max(jnp.abs(vorticity)),
            "mean_square": jnp.mean(anomaly**2),
            "mean_fourth": jnp.mean(anomaly**4),
        }
        if grid.nx == grid.ny and grid.length_x == grid.length_y:
            name = "one_dimensional_enstrophy_spectrum"
            series[name] = one_dimensional_enstrophy_spectrum(vorticity, grid)
        return series

    # One snapshot after the other: long runs at high resolution need little memory.
    return jax.lax.map(of_snapshot, snapshots)


def _dims(name: str) -> tuple[str, ...]:
    if name == "one_dimensional_enstrophy_spectrum":
        return ("member", "k1")
    if name.endswith("spectrum"):
        return ("member", "k")
    return (
        ("member", "time") if name in ("energy", "enstrophy", "largest_vorticity") else ("member",)
    )


def _wavenumber_attrs(long_name: str) -> dict[str, str]:
    return {"units": "rad m-1", "long_name": long_name}
