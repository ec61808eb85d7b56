"""The experiment `generate-helmholtz`: data that operators are learned from."""

import json

import numpy as np

from closurax.datasets import generate_helmholtz, open_fields

from ..workspace import Workspace
from .generate_helmholtz_settings import GenerateHelmholtz

# The metrics are those of the first samples.
_JUDGED = 64


def run(settings: GenerateHelmholtz, workspace: Workspace) -> dict[str, float]:
    """Writes `helmholtz.nc` and `metrics.json` into the workspace."""
    data, file = settings.data, workspace.path("helmholtz.nc")

    def generate() -> dict[str, float]:
        # The file itself says how far it has come, and with which settings.
        generate_helmholtz(
            file,
            samples=data.samples,
            seed=settings.seed,
            frequency=data.frequency,
            shape=(data.grid_points, data.grid_points),
            refinement=data.refinement,
            workers=data.workers,
            resume=workspace.resume,
        )
        with open_fields(file, ["c"], ["u"]) as fields:
            judged = fields.isel(sample=slice(_JUDGED)).astype(float).load()
        return {
            "samples": float(data.samples),
            "solution_rms": float(np.sqrt((judged["u"] ** 2).mean())),
            "wave_speed_std": float(judged["c"].std()),
        }

    inputs = {"seed": settings.seed, "data": data.model_dump(exclude={"workers"})}
    points = data.grid_points
    title = f"{data.samples} samples at {points} x {points}"
    metrics = workspace.stage("data", title, inputs, generate).results
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1))
    workspace.say(f"The data are in {file}.")
    return metrics
