"""The experiment `turbulence-dns`: where reference data and training pairs come from."""

import functools
import json

import numpy as np

from closurax.datasets import filtered_pairs, generate_dns, open_dns, write_pairs
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity, CosineForcing

from ..workspace import Workspace
from .turbulence_dns_settings import Flow, TurbulenceDNS


def run(settings: TurbulenceDNS, workspace: Workspace) -> dict[str, float]:
    """Writes `dns.nc`, `pairs.nc` and `metrics.json` into the workspace."""
    simulation, pairs = settings.simulation, settings.pairs
    dns_file, pairs_file = workspace.path("dns.nc"), workspace.path("pairs.nc")
    flow = functools.partial(_model, settings=settings.flow)

    def simulate() -> dict[str, float]:
        # The file itself says how far the simulation has come, and with which settings.
        generate_dns(
            dns_file,
            seed=settings.seed,
            flow=flow,
            size=simulation.grid_points,
            spin_up=simulation.spin_up,
            duration=simulation.duration,
            save_every=simulation.save_every,
            dt=simulation.time_step or None,
            resume=workspace.resume,
        )
        with open_dns(dns_file) as dns:
            enstrophy = [np.mean(field.values.astype(float) ** 2) / 2 for field in dns["vorticity"]]
        return {"snapshots": float(len(enstrophy)), "mean_enstrophy": float(np.mean(enstrophy))}

    def filter_() -> dict[str, float]:
        with open_dns(dns_file) as dns:
            made = filtered_pairs(dns, SpectralGrid(pairs.grid_points), pairs.filter)
        write_pairs(made, pairs_file)
        tendency = made["subgrid_tendency"].values
        return {"pairs": float(made.sizes["time"]), "subgrid_tendency_std": float(tendency.std())}

    inputs = {
        "seed": settings.seed,
        "flow": settings.flow.model_dump(),
        "simulation": simulation.model_dump(),
    }
    points = simulation.grid_points
    dns = workspace.stage("dns", f"simulating at {points} x {points}", inputs, simulate)
    made = workspace.stage(
        "pairs",
        f"filtering to {pairs.grid_points} x {pairs.grid_points}",
        {"dns": dns.fingerprint, "pairs": pairs.model_dump()},
        filter_,
    )
    metrics = {**dns.results, **made.results}
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1))
    workspace.say(f"The simulation is in {dns_file}, the training pairs are in {pairs_file}.")
    return metrics


def _model(grid: SpectralGrid, settings: Flow) -> BarotropicVorticity:
    return BarotropicVorticity(
        grid,
        viscosity=settings.viscosity,
        drag=settings.drag,
        beta=settings.beta,
        forcing=CosineForcing(settings.forcing_wavenumber),
    )
