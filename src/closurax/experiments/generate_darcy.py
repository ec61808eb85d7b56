"""The experiment `generate-darcy`: data that operators are learned from."""

import json
from collections.abc import Callable

import numpy as np

from closurax.datasets import generate_darcy, open_fields
from closurax.physics.pdes import (
    AbstractCoefficient,
    Darcy,
    TrigonometricCoefficient,
    rough_two_valued,
    smooth_two_valued,
)

from ..workspace import Workspace
from .generate_darcy_settings import GenerateDarcy

_COEFFICIENTS: dict[str, Callable[[], AbstractCoefficient]] = {
    "smooth": smooth_two_valued,
    "rough": rough_two_valued,
    "multiscale": TrigonometricCoefficient,
}
# The metrics are those of the first samples.
_JUDGED = 64


def run(settings: GenerateDarcy, workspace: Workspace) -> dict[str, float]:
    """Writes `darcy.nc` and `metrics.json` into the workspace."""
    data, file = settings.data, workspace.path("darcy.nc")

    def generate() -> dict[str, float]:
        # The file itself says how far it has come, and with which settings.
        generate_darcy(
            file,
            samples=data.samples,
            seed=settings.seed,
            coefficient=_COEFFICIENTS[data.coefficient](),
            shape=(data.grid_points, data.grid_points),
            refinement=data.refinement,
            workers=data.workers,
            resume=workspace.resume,
        )
        with open_fields(file, ["a"], ["u"]) as fields:
            judged = fields.isel(sample=slice(_JUDGED)).astype(float).load()
        # What a solver on the grid of the file makes of the coefficient in the file.
        coarse = Darcy(data.grid_points)
        errors = [
            np.linalg.norm(coarse.solve_sparse(a) - u) / np.linalg.norm(u)
            for a, u in zip(judged["a"].values, judged["u"].values, strict=True)
        ]
        return {
            "samples": float(data.samples),
            "solution_rms": float(np.sqrt((judged["u"] ** 2).mean())),
            "coarse_solver_error": float(np.mean(errors)),
        }

    inputs = {"seed": settings.seed, "data": data.model_dump(exclude={"workers"})}
    points = data.grid_points
    title = f"{data.samples} samples at {points} x {points}"
    metrics = workspace.stage("data", title, inputs, generate).results
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1))
    workspace.say(f"The data are in {file}.")
    return metrics
