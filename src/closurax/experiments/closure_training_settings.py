"""Settings of the experiments that train closures inside running simulations of turbulence."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from .settings import AbstractExperiment, Section, whole_multiple

if TYPE_CHECKING:
    from ..workspace import Workspace

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Case = Literal["kf4", "kf4_beta20", "kf25", "kf4_re40k"]


class CoarseModel(Section):
    """The low-resolution model: a flow case on a grid that resolves two thirds of its points."""

    case: Case
    grid_points: Literal[48, 96, 192]
    solver: Literal["ETDRK2", "ETDRK4", "IFRK4"]
    time_step: Positive
    closure_called: Literal["every stage", "every step"]


class Target(Section):
    """The few snapshots whose mean spectrum is all that the training sees of a DNS."""

    pairs: str
    snapshots: Annotated[int, Field(ge=2, le=1000)]


class Check(Section):
    """Free runs from states that were not trained on, against a DNS that was not either."""

    members: Annotated[int, Field(ge=2, le=16)]
    spin_up: Positive
    duration: Positive
    save_every: Positive
    confidence: Fraction
    resamples: Annotated[int, Field(ge=50, le=100_000)]

    @model_validator(mode="after")
    def _saves_fill_both_parts(self) -> Self:
        for name in ("spin_up", "duration"):
            if not whole_multiple(getattr(self, name), self.save_every):
                raise ValueError(
                    f"{name} = {getattr(self, name):g} is not a multiple of save_every = "
                    f"{self.save_every:g}"
                )
        return self


class OnlineClosure(Section):
    """What is trained, and from where.

    `learned` is a biharmonic backscatter with a spectral eddy viscosity on top; `convolutional`
    are agents at all grid points that see their neighbourhood; `file` goes on with a surrogate
    file, such as an offline closure.
    """

    form: Literal["leith", "smagorinsky", "jansen_held", "learned", "convolutional", "file"]
    coefficient: Positive
    fraction: NotNegative
    nodes: Annotated[int, Field(ge=2, le=64)]
    start: list[float] = Field(min_length=2, max_length=2)
    width: Count
    depth: Count
    kernel_size: Count
    file: str

    @model_validator(mode="after")
    def _file_is_given(self) -> Self:
        if (self.form == "file") != bool(self.file):
            raise ValueError('give `file` together with form = "file", and only then')
        return self


class OnlineTraining(Section):
    """Gradients of the spectrum through the solver."""

    iterations: Count
    members: Annotated[int, Field(ge=1, le=256)]
    windows: list[Positive] = Field(min_length=1)
    save_every: Positive
    learning_rate: Positive
    clip: Positive
    average: Fraction
    restart: Annotated[float, Field(ge=0, le=1)]


class Agents(Section):
    """Agents on a lattice that share one policy."""

    form: Literal["leith", "smagorinsky", "backscatter"]
    average: Literal["domain", "local"]
    observation: Literal["published", "scale free"]
    start: list[float] = Field(min_length=1, max_length=2)
    lattice: Annotated[int, Field(ge=1, le=192)]
    width: Count
    depth: Count


class EpisodeSettings(Section):
    """What the agents live through."""

    steps_per_action: Count
    horizon: Count
    reward: Literal["log", "published"]
    averaging_time: Positive


class PPOTraining(Section):
    iterations: Count
    environments: Count
    steps: Count
    epochs: Count
    minibatches: Count
    learning_rate: Positive
    discount: Fraction
    initial_std: Positive


class VRACERTraining(Section):
    iterations: Count
    environments: Count
    steps: Count
    batch_size: Count
    updates_per_experience: Positive
    start: Count
    capacity: Count
    learning_rate: Positive
    discount: Fraction
    initial_std: Positive


class ClosureTraining(AbstractExperiment):
    """What all experiments that train a closure in the simulation have."""

    model: CoarseModel
    target: Target
    check: Check

    @model_validator(mode="after")
    def _saves_are_steps(self) -> Self:
        saves = {"check": self.check.save_every}
        if isinstance(self, TurbulenceOnline):
            saves["training"] = self.training.save_every
        for name, save_every in saves.items():
            if not whole_multiple(save_every, self.model.time_step):
                raise ValueError(
                    f"{name}.save_every = {save_every:g} is not a multiple of model.time_step = "
                    f"{self.model.time_step:g}"
                )
        if self.model.case == "kf25" and self.model.grid_points == 48:
            raise ValueError("model.grid_points = 48 does not resolve the forcing of case kf25")
        return self

    def stages(self) -> int:
        return 5


class TurbulenceOnline(ClosureTraining):
    """A closure trained by gradients of the spectrum of the running simulation."""

    closure: OnlineClosure
    training: OnlineTraining

    @model_validator(mode="after")
    def _windows_are_saves(self) -> Self:
        for window in self.training.windows:
            if not whole_multiple(window, self.training.save_every):
                raise ValueError(
                    f"training.windows: {window:g} is not a multiple of training.save_every = "
                    f"{self.training.save_every:g}"
                )
        return self

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .turbulence_online import run

        return run(self, workspace)


class TurbulencePPO(ClosureTraining):
    """A closure whose agents are trained by proximal policy optimisation."""

    agents: Agents
    episode: EpisodeSettings
    training: PPOTraining

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .turbulence_reinforcement import run_ppo

        return run_ppo(self, workspace)


class TurbulenceVRACER(ClosureTraining):
    """A closure whose agents are trained by V-RACER, off policy."""

    agents: Agents
    episode: EpisodeSettings
    training: VRACERTraining

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .turbulence_reinforcement import run_v_racer

        return run_v_racer(self, workspace)
