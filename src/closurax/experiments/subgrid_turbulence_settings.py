from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from .settings import AbstractExperiment, Section, whole_multiple

if TYPE_CHECKING:
    from ..workspace import Workspace

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Average = Literal["domain", "local"]
PhysicalClosure = Literal[
    "smagorinsky",
    "dynamic_smagorinsky",
    "leith",
    "dynamic_leith",
    "jansen_held",
    "gradient_2",
    "gradient_4",
]


class Data(Section):
    """Where the DNS comes from. Empty paths stand for what ships with closurax."""

    dns: str
    pairs: str
    filter: Literal["sharp", "gaussian"]
    validation_fraction: Fraction
    test_fraction: Fraction
    gap: NotNegative

    @model_validator(mode="after")
    def _something_is_left_for_training(self) -> Self:
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing for training")
        return self


class Model(Section):
    """The low-resolution model, in SI units."""

    grid_points: Annotated[int, Field(ge=8, le=4096, multiple_of=2)]
    viscosity: NotNegative
    drag: NotNegative
    beta: float
    forcing_wavenumber: Count
    solver: Literal["ETDRK2", "ETDRK4", "IFRK4"]
    time_step: Positive
    closure_called: Literal["every stage", "every step"]


class Surrogate(Section):
    """The network of the learned closure."""

    network: Literal["convolutional", "mgno"]
    width: Count
    depth: Count
    kernel_size: Annotated[int, Field(ge=1)]
    activation: Literal["relu", "gelu", "silu", "tanh"]
    inputs: list[Literal["vorticity", "streamfunction"]] = Field(min_length=1, max_length=2)
    symmetrised: bool

    @model_validator(mode="after")
    def _kernel_is_centred(self) -> Self:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size = {self.kernel_size} must be odd")
        return self


class Training(Section):
    """Offline training of the learned closure."""

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: NotNegative
    patience: Count


class EddyViscosity(Section):
    coefficient: Positive
    average: Average


class Dynamic(Section):
    average: Average


class JansenHeld(Section):
    coefficient: Positive
    fraction: NotNegative


class Gradient(Section):
    width: Positive


class Closures(Section):
    """The constants of the physical closures."""

    smagorinsky: EddyViscosity
    dynamic_smagorinsky: Dynamic
    leith: EddyViscosity
    dynamic_leith: Dynamic
    jansen_held: JansenHeld
    gradient_2: Gradient
    gradient_4: Gradient


class Comparison(Section):
    """How the closures are judged in running simulations."""

    closures: list[PhysicalClosure]
    members: Annotated[int, Field(ge=1, le=256)]
    spin_up: Positive
    duration: Positive
    save_every: Positive
    judged_wavenumbers: list[Count] = Field(min_length=2, max_length=2)
    confidence: Fraction
    resamples: Annotated[int, Field(ge=50, le=100_000)]

    @field_validator("closures")
    @classmethod
    def _each_closure_once(cls, closures: list[str]) -> list[str]:
        twice = {name for name in closures if closures.count(name) > 1}
        if twice:
            raise ValueError(f"{sorted(twice)} given more than once")
        return closures

    @model_validator(mode="after")
    def _saves_fill_both_parts(self) -> Self:
        for name in ("spin_up", "duration"):
            long = getattr(self, name)
            if not whole_multiple(long, self.save_every):
                raise ValueError(
                    f"{name} = {long:g} is not a multiple of save_every = {self.save_every:g}"
                )
        return self


class SubgridTurbulence(AbstractExperiment):
    """Closures side by side in low-resolution simulations of two-dimensional turbulence."""

    data: Data
    model: Model
    surrogate: Surrogate
    training: Training
    closures: Closures
    comparison: Comparison

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Self:
        if not whole_multiple(self.comparison.save_every, self.model.time_step):
            raise ValueError(
                f"comparison.save_every = {self.comparison.save_every:g} is not a multiple of "
                f"model.time_step = {self.model.time_step:g}"
            )
        first, last = self.comparison.judged_wavenumbers
        resolved = (self.model.grid_points - 1) // 3
        if not first <= last <= resolved:
            raise ValueError(
                f"comparison.judged_wavenumbers = [{first}, {last}] must increase and end at most "
                f"at {resolved}, which {self.model.grid_points} grid points resolve"
            )
        return self

    def stages(self) -> int:
        # Data, training, scores, report; runs without a closure, with each, and with two learned.
        return 4 + 1 + len(self.comparison.closures) + 2

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .subgrid_turbulence import run

        return run(self, workspace)
