from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from .convection_columns_settings import ColumnData, Network
from .settings import AbstractExperiment, Section

if TYPE_CHECKING:
    from ..workspace import Workspace

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Case(Section):
    """The column and what drives it. An empty file stands for an idealised case that ships."""

    file: str
    days: Positive
    time_step: Positive
    save_every: Positive

    @model_validator(mode="after")
    def _saves_are_steps(self) -> Self:
        if abs(round(self.save_every / self.time_step) * self.time_step - self.save_every) > 1e-6:
            raise ValueError(
                f"save_every = {self.save_every:g} is not a multiple of time_step = "
                f"{self.time_step:g}"
            )
        return self


class Ensemble(Section):
    """Perturbed members, to see whether a scheme is stable."""

    members: Annotated[int, Field(ge=2)]
    temperature_spread: NotNegative
    humidity_spread: NotNegative
    guarded: bool


class FreeRun(Section):
    """A run without relaxation, in which nothing hides a drift; 0 days for none."""

    days: NotNegative


class Guard(Section):
    """When the physical scheme steps in for the learned one."""

    threshold: Positive
    heating_limit: Positive
    envelope_columns: Annotated[int, Field(ge=100)]


class Tuning(Section):
    """Training inside the running column, on the first part of the run; 0 epochs for none."""

    epochs: Annotated[int, Field(ge=0)]
    fraction: Annotated[float, Field(gt=0, lt=1)]
    window_hours: Positive
    batch_size: Count
    learning_rate: Positive


class Surrogate(Section):
    """Learned schemes by name, as files that `closurax` wrote; none: train one here.

    The first one is also guarded, perturbed, left running without relaxation and tuned."""

    files: dict[str, str]


class Convection(AbstractExperiment):
    """A learned convection scheme in the place of a physical one in a running column."""

    case: Case
    surrogate: Surrogate
    data: ColumnData
    network: Network
    guard: Guard
    ensemble: Ensemble
    free_run: FreeRun
    tuning: Tuning

    def stages(self) -> int:
        learned = max(1, len(self.surrogate.files))
        optional = (self.free_run.days > 0) + (self.tuning.epochs > 0)
        return 6 + learned + optional

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .convection import run

        return run(self, workspace)
