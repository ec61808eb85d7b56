from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from .settings import AbstractExperiment, Section, whole_multiple

if TYPE_CHECKING:
    from ..workspace import Workspace

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Equation(Section):
    """What every equation needs: grid, times, and the random field that it starts from."""

    grid_points: Annotated[int, Field(ge=8, le=65536, multiple_of=2)]
    every_point: Count
    length: Positive
    spin_up: NotNegative
    duration: Positive
    save_every: Positive
    time_step: Positive
    alpha: Positive
    tau: NotNegative
    sigma: NotNegative

    @model_validator(mode="after")
    def _intervals_fit(self) -> Self:
        for long, short in (
            ("duration", "save_every"),
            ("save_every", "time_step"),
            ("spin_up", "time_step"),
        ):
            value, part = getattr(self, long), getattr(self, short)
            if value > 0 and not whole_multiple(value, part):
                raise ValueError(f"{long} = {value:g} is not a multiple of {short} = {part:g}")
        if self.grid_points % self.every_point:
            raise ValueError(
                f"every_point = {self.every_point} does not divide grid_points = {self.grid_points}"
            )
        return self


class NavierStokes(Equation):
    viscosity: NotNegative
    forcing_amplitude: float


class Burgers(Equation):
    viscosity: NotNegative


class KuramotoSivashinsky(Equation):
    anti_diffusion: float
    hyperviscosity: Positive


class AllenCahn(Equation):
    diffusivity: NotNegative
    reaction_rate: float


class Advection(Equation):
    speed: float
    diffusivity: NotNegative


class ShallowWater(Equation):
    mean_depth: Positive
    gravity: Positive
    coriolis: Positive
    viscosity: NotNegative
    hyperviscosity: NotNegative


class GenerateTrajectories(AbstractExperiment):
    """Trajectories of a partial differential equation from random initial states."""

    equation: Literal[
        "navier-stokes",
        "burgers",
        "kuramoto-sivashinsky",
        "allen-cahn",
        "advection",
        "shallow-water",
    ]
    samples: Count
    chunk: Count
    navier_stokes: NavierStokes
    burgers: Burgers
    kuramoto_sivashinsky: KuramotoSivashinsky
    allen_cahn: AllenCahn
    advection: Advection
    shallow_water: ShallowWater

    @property
    def chosen(self) -> Equation:
        """The settings of the equation that runs."""
        return getattr(self, self.equation.replace("-", "_"))

    def stages(self) -> int:
        return 1

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .generate_trajectories import run

        return run(self, workspace)
