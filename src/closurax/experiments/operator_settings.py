from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from .settings import AbstractExperiment, Section

if TYPE_CHECKING:
    from ..workspace import Workspace

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
OperatorName = Literal["mgno", "fno", "factorised_fno", "unet", "deeponet"]
Side = Literal["periodic", "dirichlet", "neumann", "zero"]


class FieldData(Section):
    """Samples of the inputs and outputs of an operator. Empty paths: they are made here."""

    training: str
    test: str
    finer_test: str
    inputs: list[str] = Field(min_length=1)
    outputs: list[str] = Field(min_length=1)
    training_samples: Count
    test_samples: Count
    validation_samples: Count
    grid_points: Annotated[int, Field(ge=8, le=512)]
    refinement: Count
    finer_refinement: Count
    workers: Count
    boundary: Side
    layout: Literal["cells", "nodes"]
    symmetric: bool
    """Whether rotations and reflections of the square change nothing in the problem."""


class OperatorTraining(Section):
    """How all operators are trained, within the same number of samples seen."""

    passes: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    loss: Literal["l2", "h1"]


class OperatorComparison(AbstractExperiment):
    """Learned operators for one problem, against baselines and a classical solver."""

    problem: Literal["darcy", "helmholtz"]
    data: FieldData
    training: OperatorTraining
    compared: list[OperatorName] = Field(min_length=1)
    seeds: Count

    @model_validator(mode="after")
    def _some_samples_are_left_for_training(self) -> Self:
        if self.data.validation_samples >= self.data.training_samples:
            raise ValueError("data.validation_samples leaves nothing for training")
        return self

    def stages(self) -> int:
        return len(self.compared) * self.seeds + 4

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .operator_comparison import run

        return run(self, workspace)
