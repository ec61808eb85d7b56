"""The experiment `generate-trajectories`: where data for autoregressive surrogates come from."""

import json

import numpy as np

from closurax.datasets import generate_trajectories, open_trajectories
from closurax.physics import AbstractModel, pdes
from closurax.physics.spectral import PeriodicInterval, SpectralGrid

from ..workspace import Workspace
from . import generate_trajectories_settings as settings_of
from .generate_trajectories_settings import Equation, GenerateTrajectories


def run(settings: GenerateTrajectories, workspace: Workspace) -> dict[str, float]:
    """Writes `trajectories.nc` and `metrics.json` into the workspace."""
    file, equation = workspace.path("trajectories.nc"), settings.chosen
    field = pdes.PeriodicRandomField(equation.alpha, equation.tau, equation.sigma)
    initial: pdes.AbstractInitialState = pdes.RandomInitialState(field)
    if settings.equation == "shallow-water":
        initial = pdes.BalancedInitialState(field)

    def generate() -> dict[str, float]:
        # The chunks themselves say how far the generation has come, and with which settings.
        generate_trajectories(
            file,
            equation_model(equation),
            initial,
            samples=settings.samples,
            duration=equation.duration,
            save_every=equation.save_every,
            dt=equation.time_step,
            seed=settings.seed,
            spin_up=equation.spin_up,
            every_point=equation.every_point,
            chunk=settings.chunk,
            title=f"trajectories of the equation {settings.equation!r}",
            resume=workspace.resume,
        )
        metrics = {}
        with open_trajectories(file) as data:
            for name, count in data.sizes.items():
                metrics[f"{name}_count"] = float(count)
            for name, variable in data.items():
                squares = [np.mean(sample.values.astype(float) ** 2) for sample in variable]
                metrics[f"{name}_rms"] = float(np.sqrt(np.mean(squares)))
        return metrics

    inputs = settings.model_dump(include={"seed", "equation", "samples", "chunk"})
    title = f"{settings.samples} trajectories of {settings.equation}"
    made = workspace.stage(
        "trajectories", title, {**inputs, "settings": equation.model_dump()}, generate
    )
    workspace.write_text("metrics.json", json.dumps(made.results, indent=1))
    workspace.say(f"The trajectories are in {file}.")
    return made.results


def equation_model(equation: Equation) -> AbstractModel:
    """The model that solves an equation with these settings."""
    points, length = equation.grid_points, equation.length
    match equation:
        case settings_of.NavierStokes(viscosity=viscosity, forcing_amplitude=amplitude):
            forcing = pdes.DiagonalForcing(amplitude)
            return pdes.navier_stokes(points, viscosity, forcing, length)
        case settings_of.Burgers(viscosity=viscosity):
            return pdes.Burgers(PeriodicInterval(points, length), viscosity)
        case settings_of.KuramotoSivashinsky(anti_diffusion=alpha, hyperviscosity=beta):
            return pdes.KuramotoSivashinsky(PeriodicInterval(points, length), alpha, beta)
        case settings_of.AllenCahn(diffusivity=diffusivity, reaction_rate=rate):
            return pdes.AllenCahn(SpectralGrid(points, length_x=length), diffusivity, rate)
        case settings_of.Advection(speed=speed, diffusivity=diffusivity):
            return pdes.Advection(PeriodicInterval(points, length), speed, diffusivity)
        case settings_of.ShallowWater():
            return pdes.ShallowWater(
                SpectralGrid(points, length_x=length),
                equation.mean_depth,
                equation.gravity,
                equation.coriolis,
                equation.viscosity,
                equation.hyperviscosity,
            )
    raise TypeError(f"No model for {type(equation).__name__}.")
