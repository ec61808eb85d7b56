from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from .generate_trajectories_settings import Count, KuramotoSivashinsky, NavierStokes, Positive
from .settings import AbstractExperiment, Section, whole_multiple

if TYPE_CHECKING:
    from ..workspace import Workspace


class EmulatorData(Section):
    """How many trajectories are made; each is for training, validation or test as a whole."""

    training_trajectories: Count
    validation_trajectories: Count
    test_trajectories: Count
    chunk: Count


class EmulatorTraining(Section):
    """One step at a time, then through runs of `unrolled_steps`, if more than one."""

    passes: Count
    learning_rate: Positive
    batch_size: Count
    weight_decay: Annotated[float, Field(ge=0)]
    unrolled_steps: Count
    unrolled_passes: Count
    unrolled_learning_rate: Positive
    unrolled_batch_size: Count
    pushforward: bool
    """Whether the gradient of the unrolled training stops before the last step."""


class MultigridSize(Section):
    width: Count
    depth: Count


class FourierSize(Section):
    width: Count
    depth: Count
    modes: Count


class Rollouts(Section):
    """How free runs are judged."""

    correlation_threshold: Annotated[float, Field(gt=0, lt=1)]
    spectrum_floor: Annotated[float, Field(gt=0, lt=1)]
    """The part of the largest shell below which a shell does not count."""
    coarse_step_factor: Count
    """How much longer the time step of the coarse solver is."""


class EmulatorComparison(AbstractExperiment):
    """Learned operators that step an equation forward in time, judged in free runs."""

    equation: Literal["navier-stokes", "kuramoto-sivashinsky"]
    compared: list[Literal["mgno", "fno"]] = Field(min_length=1)
    data: EmulatorData
    training: EmulatorTraining
    mgno: MultigridSize
    fno: FourierSize
    rollouts: Rollouts
    navier_stokes: NavierStokes
    kuramoto_sivashinsky: KuramotoSivashinsky

    @property
    def chosen(self) -> NavierStokes | KuramotoSivashinsky:
        """The settings of the equation that runs."""
        return getattr(self, self.equation.replace("-", "_"))

    @property
    def steps(self) -> int:
        """Of an emulator, from the start to the end of a trajectory."""
        return round(self.chosen.duration / self.chosen.save_every)

    @property
    def points(self) -> int:
        """Of an axis of the grid that emulators work on."""
        return self.chosen.grid_points // self.chosen.every_point

    @property
    def unrolls(self) -> bool:
        return self.training.unrolled_steps > 1

    @model_validator(mode="after")
    def _grid_suits_the_operators(self) -> Self:
        if self.points % 4 or self.points < 16:
            raise ValueError(
                f"{self.equation} leaves {self.points} points an axis for the emulators; half of "
                "them are for the coarse solver: take a multiple of 4 from 16 on"
            )
        if "fno" in self.compared and self.fno.modes > self.points // 2:
            raise ValueError(
                f"fno.modes = {self.fno.modes} is more than the {self.points // 2} that "
                f"{self.points} points have"
            )
        if len(set(self.compared)) < len(self.compared):
            raise ValueError(f"compared names an operator twice: {self.compared}")
        return self

    @model_validator(mode="after")
    def _steps_fit(self) -> Self:
        coarse = self.rollouts.coarse_step_factor * self.chosen.time_step
        if not whole_multiple(self.chosen.save_every, coarse):
            raise ValueError(
                f"save_every = {self.chosen.save_every:g} is not a multiple of the coarse solver's "
                f"step {coarse:g}, which is rollouts.coarse_step_factor times time_step"
            )
        unrolled = self.training.unrolled_steps
        if unrolled > self.steps:
            raise ValueError(
                f"training.unrolled_steps = {unrolled} is more than the {self.steps} steps of a "
                "trajectory"
            )
        trajectories = self.data.training_trajectories
        for name, size, count in (
            ("batch_size", self.training.batch_size, self.steps),
            ("unrolled_batch_size", self.training.unrolled_batch_size, self.steps // unrolled),
        ):
            if size > trajectories * count:
                raise ValueError(
                    f"training.{name} = {size} is more than the {trajectories * count} windows of "
                    f"{trajectories} training trajectories"
                )
        return self

    def stages(self) -> int:
        return 3 + len(self.compared) * (1 + self.unrolls)

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .emulator import run

        return run(self, workspace)
