import math
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from .field_problems import (
    AbstractProblemSettings,
    AllenCahnProblem,
    BurgersProblem,
    FlowMixingProblem,
    NonlinearDiffusionProblem,
    PlaneBurgersProblem,
)
from .field_settings import MOST_POINTS, check_counts_differ
from .settings import AbstractExperiment

if TYPE_CHECKING:
    from ..workspace import Workspace

# So many Gaussians take 10 GB.
Gaussians = Annotated[int, Field(ge=20, le=6000)]


class FieldEvolution(AbstractExperiment):
    """An evolution problem solved by Gaussians in space whose weights a solver steps in time."""

    problem: AbstractProblemSettings
    gaussians: Gaussians
    trial_gaussians: Gaussians
    """In the search for where they are needed."""
    seeds: Annotated[int, Field(ge=1)]
    """Of the centres; along a line there is no randomness."""
    saves: Annotated[int, Field(ge=2, le=5000)]
    tolerance: Annotated[float, Field(gt=0, lt=1)]
    """Of the steps in time."""
    test_shape: list[Annotated[int, Field(ge=4)]]
    """Of the grid that fields are judged on, time first."""
    convergence: list[Gaussians]
    """Other numbers of Gaussians."""
    modes: list[Gaussians] = Field(min_length=1)
    """Numbers of sines and cosines, or of polynomials, by the same method."""
    nodes: list[Gaussians] = Field(min_length=1)
    """Numbers of nodes of finite differences."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.test_shape) != self.problem.dims:
            raise ValueError(
                f"test_shape = {self.test_shape} must have {self.problem.dims} numbers, that of "
                "the times first"
            )
        points = math.prod(self.test_shape)
        if points > MOST_POINTS:
            raise ValueError(
                f"test_shape = {self.test_shape} makes {points} points, more than {MOST_POINTS}"
            )
        if self.seeds > 1 and self.problem.dims == 2:
            raise ValueError(f"seeds = {self.seeds}: along a line there is no randomness; take 1")
        return self

    @model_validator(mode="after")
    def _counts_differ(self) -> Self:
        lists = {"convergence": self.convergence, "modes": self.modes, "nodes": self.nodes}
        check_counts_differ(lists, self.gaussians)
        return self

    def stages(self) -> int:
        return self.seeds + 4

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .field_evolution import run

        return run(self, workspace)


class AllenCahnPIG(FieldEvolution):
    """`FieldEvolution` for the Allen-Cahn equation."""

    problem: AllenCahnProblem


class BurgersPIG(FieldEvolution):
    """`FieldEvolution` for Burgers' equation."""

    problem: BurgersProblem


class PlaneBurgersPIG(FieldEvolution):
    """`FieldEvolution` for Burgers' equations of two velocities in the plane."""

    problem: PlaneBurgersProblem


class FlowMixingPIG(FieldEvolution):
    """`FieldEvolution` for a front in a vortex."""

    problem: FlowMixingProblem


class NonlinearDiffusionPIG(FieldEvolution):
    """`FieldEvolution` for diffusion that is faster where there is more."""

    problem: NonlinearDiffusionProblem
