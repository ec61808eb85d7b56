from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from .settings import AbstractExperiment, Section

if TYPE_CHECKING:
    from ..workspace import Workspace

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
NetworkName = Literal["dense", "bilstm", "s4d", "convolution", "level_mixing", "bilstm_plain"]
BaselineName = Literal["class_mean", "linear", "nearest"]


class ColumnData(Section):
    """Where the columns come from. An empty path stands for the soundings that ship."""

    columns: str
    training_columns: Annotated[int, Field(ge=1000)]
    test_columns: Annotated[int, Field(ge=100)]
    validation_fraction: Fraction
    test_fraction: Fraction
    left_out_spacing: NotNegative
    focus: str
    focus_share: Annotated[float, Field(ge=0, le=1)]
    focus_spacing: Annotated[list[Positive], Field(min_length=2, max_length=2)]

    @model_validator(mode="after")
    def _something_is_left_for_training(self) -> Self:
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing for training")
        return self


class Network(Section):
    """Size and training of one network."""

    width: Count
    depth: Count
    epochs: Count
    columns: Count
    batch_size: Annotated[int, Field(ge=8)]
    learning_rate: Positive


class ConvectionColumns(AbstractExperiment):
    """Learned convection schemes outside of any simulation, against data and baselines."""

    data: ColumnData
    networks: dict[NetworkName, Network] = Field(min_length=1)
    baselines: list[BaselineName]
    compared: list[NetworkName] = Field(min_length=1)

    @model_validator(mode="after")
    def _compared_networks_are_described(self) -> Self:
        missing = [name for name in self.compared if name not in self.networks]
        if missing:
            raise ValueError(f"compared names {missing}, which have no table in networks")
        return self

    def stages(self) -> int:
        return len(self.compared) + 3 + (1 if self.baselines else 0)

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .convection_columns import run

        return run(self, workspace)
