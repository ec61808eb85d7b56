from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from .settings import AbstractExperiment, Section, whole_multiple

if TYPE_CHECKING:
    from ..workspace import Workspace

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
GridPoints = Annotated[int, Field(ge=8, le=8192, multiple_of=2)]


class Flow(Section):
    """The flow, in SI units."""

    viscosity: NotNegative
    drag: NotNegative
    beta: float
    forcing_wavenumber: Annotated[int, Field(ge=1)]


class Simulation(Section):
    """How the direct numerical simulation is run."""

    grid_points: GridPoints
    spin_up: list[NotNegative] = Field(min_length=1, max_length=8)
    duration: Positive
    save_every: Positive
    time_step: NotNegative

    @model_validator(mode="after")
    def _saves_fill_the_duration(self) -> Self:
        if not whole_multiple(self.duration, self.save_every):
            raise ValueError(
                f"duration = {self.duration:g} is not a multiple of save_every = "
                f"{self.save_every:g}"
            )
        return self


class Pairs(Section):
    """The training pairs that are made from it."""

    grid_points: GridPoints
    filter: Literal["sharp", "gaussian"]


class TurbulenceDNS(AbstractExperiment):
    """A direct numerical simulation of forced two-dimensional turbulence and training pairs."""

    flow: Flow
    simulation: Simulation
    pairs: Pairs

    @model_validator(mode="after")
    def _pairs_are_coarser(self) -> Self:
        if self.pairs.grid_points > self.simulation.grid_points:
            raise ValueError(
                f"pairs.grid_points = {self.pairs.grid_points} is more than "
                f"simulation.grid_points = {self.simulation.grid_points}"
            )
        return self

    def stages(self) -> int:
        return 2

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .turbulence_dns import run

        return run(self, workspace)
