from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from .closure_training_settings import Case, Check, CoarseModel, Positive, Target
from .settings import AbstractExperiment, Section, whole_multiple

if TYPE_CHECKING:
    from ..workspace import Workspace

Physical = Literal["smagorinsky", "leith", "jansen_held", "dynamic_smagorinsky", "dynamic_leith"]
TUNED = ("smagorinsky", "leith", "jansen_held")
"""Those whose constants are calibrated."""


class CalibrationSettings(Section):
    """Ensemble Kalman inversion of the constants of the physical closures."""

    members: Annotated[int, Field(ge=4, le=256)]
    iterations: Annotated[int, Field(ge=1, le=50)]
    runs: Annotated[int, Field(ge=1, le=16)]
    spin_up: Positive
    duration: Positive


class Learned(Section):
    """The closures that are trained in the simulation, each with several seeds."""

    methods: list[Literal["online", "ppo", "vracer"]]
    seeds: Annotated[int, Field(ge=1, le=10)]
    iterations: Annotated[int, Field(ge=0)]


class Offline(Section):
    """The closures that are fitted to exact subgrid terms, without any simulation."""

    methods: list[Literal["linear", "network"]]


class Cell(Section):
    """A flow and a grid that the closures were not trained on."""

    case: Case
    grid_points: Literal[48, 96, 192]
    time_step: Positive
    duration: Positive


class Generalisation(Section):
    members: Annotated[int, Field(ge=2, le=16)]
    spin_up: Positive
    cells: list[Cell]


class TurbulenceCompare(AbstractExperiment):
    """Learned closures against tuned physical ones, in long runs and in other flows."""

    model: CoarseModel
    target: Target
    physical: list[Physical]
    calibration: CalibrationSettings
    offline: Offline
    learned: Learned
    check: Check
    generalisation: Generalisation

    @model_validator(mode="after")
    def _saves_are_steps(self) -> Self:
        steps = {"model": self.model.time_step}
        for index, cell in enumerate(self.generalisation.cells):
            steps[f"generalisation.cells[{index}]"] = cell.time_step
            if cell.case == "kf25" and cell.grid_points == 48:
                raise ValueError("48 grid points do not resolve the forcing of case kf25")
            if not whole_multiple(cell.duration, self.check.save_every):
                raise ValueError(
                    f"generalisation.cells[{index}].duration = {cell.duration:g} is not a "
                    f"multiple of check.save_every = {self.check.save_every:g}"
                )
        for where, step in steps.items():
            if not whole_multiple(self.check.save_every, step):
                raise ValueError(
                    f"check.save_every = {self.check.save_every:g} is not a multiple of "
                    f"{where}.time_step = {step:g}"
                )
        return self

    def trained(self) -> list[tuple[str, int]]:
        """The methods and seeds of all closures that are trained in the simulation."""
        return [(name, seed) for name in self.learned.methods for seed in range(self.learned.seeds)]

    def stages(self) -> int:
        fitted = sum(name in TUNED for name in self.physical) + len(self.offline.methods)
        fitted += len(self.trained())
        runs = 1 + len(self.physical) + len(self.offline.methods) + len(self.trained())
        elsewhere = 1 + len(self.physical) + len(self.learned.methods)
        return fitted + runs + elsewhere * len(self.generalisation.cells) + 2

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .turbulence_compare import run

        return run(self, workspace)
